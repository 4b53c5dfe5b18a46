"""The batches of text that networks read."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr.language.rnn.bptt import IGNORED, LINE_BREAK, continuous_segments, make_segments, sentence_segments


@given(st.integers(1, 60), st.integers(1, 7), st.integers(1, 9))
def test_continuous_text_is_read_once_in_order_by_batches_that_go_on(num_tokens: int, batch_size: int, length: int):
    tokens = np.arange(1, num_tokens + 1)
    segments = list(continuous_segments(tokens, batch_size=batch_size, length=length))
    assert [segment.starts for segment in segments] == [True] + [False] * (len(segments) - 1)
    assert all(len(segment.inputs) <= length for segment in segments)
    inputs, targets = (
        np.concatenate([getattr(segment, name) for segment in segments]).T for name in ("inputs", "targets")
    )
    read = targets.flatten()
    assert read[read != IGNORED].tolist() == tokens.tolist()
    assert sum(segment.num_tokens for segment in segments) == num_tokens
    # What is read before a token is the token before it; before the first, a line break.
    assert (inputs.flatten()[read != IGNORED] == np.concatenate([[LINE_BREAK], tokens[:-1]])).all()


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(1, 7), st.integers(1, 9), st.integers(0, 3))
def test_sentences_are_each_read_once_from_a_fresh_start(sizes, batch_size, length, seed):
    lines = [np.array([*range(100 * n + 1, 100 * n + size + 1), LINE_BREAK]) for n, size in enumerate(sizes)]
    found, inputs, targets = [], None, None
    for segment in [*sentence_segments(lines, batch_size=batch_size, length=length, seed=seed), None]:
        if segment is None or segment.starts:
            for column in range(0 if targets is None else targets.shape[1]):
                kept = targets[:, column] != IGNORED
                line = targets[kept, column]
                assert inputs[kept, column].tolist() == [LINE_BREAK, *line[:-1].tolist()]
                found.append(line.tolist())
            if segment is not None:
                inputs, targets = segment.inputs, segment.targets
        else:
            inputs, targets = np.concatenate([inputs, segment.inputs]), np.concatenate([targets, segment.targets])
    assert sorted(found) == sorted(line.tolist() for line in lines)


def test_the_order_of_lines_depends_on_the_seed_alone():
    lines = [np.array([n, LINE_BREAK]) for n in range(1, 40)]

    def order(seed):
        return [
            segment.targets.tolist()
            for segment in make_segments(lines, independent=True, batch_size=4, length=5, seed=seed)
        ]

    assert order(1) == order(1) != order(2)
