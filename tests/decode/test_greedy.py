from itertools import groupby

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asr.decode.greedy import greedy_decode


def log_probs_of(path: list[int], vocab_size: int = 4) -> torch.Tensor:
    """(T, V) whose most probable path is the given one."""
    return torch.log_softmax(5 * torch.eye(vocab_size)[path], dim=-1)


@pytest.mark.parametrize(
    ("path", "tokens"),
    [
        ([0, 0, 0], []),
        ([1, 1, 2], [1, 2]),
        ([1, 0, 1], [1, 1]),
        ([0, 3, 3, 0, 0, 3, 2, 2, 0], [3, 3, 2]),
    ],
)
def test_hand_made_paths(path, tokens):
    assert greedy_decode(log_probs_of(path)[None], torch.tensor([len(path)])) == [tokens]


@given(paths=st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=4), blank=st.integers(0, 3))
def test_merges_then_drops_blanks_and_ignores_padding(paths, blank):
    num_frames = max(map(len, paths))
    # Padding holds a token of its own, so that a frame too many would be seen.
    padded = torch.stack([log_probs_of(path + [3] * (num_frames - len(path))) for path in paths])
    expected = [[token for token, _ in groupby(path) if token != blank] for path in paths]
    assert greedy_decode(padded, torch.tensor([len(path) for path in paths]), blank=blank) == expected


def test_a_length_beyond_the_frames_is_refused():
    with pytest.raises(ValueError, match=r"between 0 and T=3, found \[4\]"):
        greedy_decode(torch.zeros(1, 3, 2), torch.tensor([4]))
    with pytest.raises(ValueError, match="between 0 and T=3"):
        greedy_decode(torch.zeros(1, 3, 2), torch.tensor([-1]))


def test_shapes_that_disagree_are_refused():
    with pytest.raises(ValueError, match=r"found \(3, 2\) and \(1,\)"):
        greedy_decode(torch.zeros(3, 2), torch.tensor([3]))
    with pytest.raises(ValueError, match=r"\(2, 3, 2\) and \(1,\)"):
        greedy_decode(torch.zeros(2, 3, 2), torch.tensor([3]))
