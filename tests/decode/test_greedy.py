from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decode.greedy import collapse_path, greedy_decode


def log_probs_of(path: list[int], vocab_size: int = 4) -> np.ndarray:
    """(T, V) whose most probable path is the given one."""
    logits = 5 * np.eye(vocab_size, dtype=np.float32)[path]
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("path", "tokens"),
    [([0, 0, 0], []), ([1, 1, 2], [1, 2]), ([1, 0, 1], [1, 1]), ([0, 3, 3, 0, 0, 3, 2, 2, 0], [3, 3, 2])],
)
def test_hand_made_paths(path, tokens):
    assert greedy_decode(log_probs_of(path)[None], np.array([len(path)])) == [tokens]


@given(paths=st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=4), blank=st.integers(0, 3))
def test_merges_then_drops_blanks_and_ignores_padding(paths, blank):
    num_frames = max(map(len, paths))
    # Padding holds a token of its own, so that a frame too many would be seen.
    padded = np.stack([log_probs_of(path + [3] * (num_frames - len(path))) for path in paths])
    expected = [[token for token, _ in groupby(path) if token != blank] for path in paths]
    assert greedy_decode(padded, np.array([len(path) for path in paths]), blank=blank) == expected


def test_a_length_beyond_the_frames_is_refused():
    with pytest.raises(ValueError, match=r"between 0 and T=3, found \[4\]"):
        greedy_decode(np.zeros((1, 3, 2)), np.array([4]))
    with pytest.raises(ValueError, match="between 0 and T=3"):
        greedy_decode(np.zeros((1, 3, 2)), np.array([-1]))


def test_shapes_that_disagree_are_refused():
    with pytest.raises(ValueError, match=r"found \(3, 2\) and \(1,\)"):
        greedy_decode(np.zeros((3, 2)), np.array([3]))
    with pytest.raises(ValueError, match=r"\(2, 3, 2\) and \(1,\)"):
        greedy_decode(np.zeros((2, 3, 2)), np.array([3]))


@given(path=st.lists(st.integers(0, 3), max_size=12), cut=st.integers(0, 12))
def test_a_path_in_two_parts_gives_the_tokens_of_the_whole(path, cut):
    first, second = path[:cut], path[cut:]
    previous = first[-1] if first else 0
    assert collapse_path(first) + collapse_path(second, previous=previous) == collapse_path(path)
