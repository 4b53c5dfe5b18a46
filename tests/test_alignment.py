"""Forced alignment against an exhaustive search, a plain one, and paths that are known by construction."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import alignment as module
from asr.alignment import Aligner, align_stream, align_tokens
from asr.errors import AlignmentError


def random_log_probs(num_frames: int, vocab_size: int, seed: int, spread: float = 3.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(num_frames, vocab_size)) * spread
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)


def spelled(path: tuple[int, ...]) -> list[int]:
    return [token for token, _ in itertools.groupby(path) if token != 0]


def planted(
    num_frames: int, num_tokens: int, seed: int, pause: range = range(0)
) -> tuple[np.ndarray, np.ndarray, list]:
    """What a trained network says: blanks, and spikes at known frames, none of them in the pause."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(1, 30, size=num_tokens)
    free = [frame for frame in range(1, num_frames, 2) if frame not in pause]
    frames = np.sort(rng.choice(free, size=num_tokens, replace=False))
    log_probs = (-12 + 2 * rng.standard_normal((num_frames, 30))).astype(np.float32)
    log_probs[:, 0] = -0.01
    log_probs[frames, 0] = -4
    log_probs[frames, tokens] = -0.3
    return log_probs, tokens, frames


@pytest.mark.parametrize("seed", range(8))
def test_the_path_is_the_best_of_all_paths(seed: int):
    log_probs = random_log_probs(6, 3, seed)
    best: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(3), repeat=6):
        score = float(log_probs[np.arange(6), path].astype(np.float64).sum())
        key = tuple(spelled(path))
        best[key] = max(best.get(key, -math.inf), score)
    for tokens, score in best.items():
        assert align_tokens(log_probs, tokens).score == pytest.approx(score)


def best_path(log_probs: np.ndarray, tokens: np.ndarray) -> list[int]:
    """The token of each frame on the most probable path (Graves et al. 2006, section 4.1), by Viterbi in Python."""
    labels = [0]
    for token in tokens.tolist():
        labels += [token, 0]
    paths: dict[int, tuple[float, list[int]]] = {-1: (0.0, [])}  # of each position in the labels
    for frame in log_probs.astype(float):
        extended: dict[int, tuple[float, list[int]]] = {}
        for position, (score, path) in paths.items():
            steps = [position, position + 1] if position >= 0 else [0, 1]
            if position >= 0 and labels[position] and position + 2 < len(labels):
                steps += [position + 2] * (labels[position] != labels[position + 2])
            for step in steps:
                if step < len(labels) and (step not in extended or score + frame[labels[step]] > extended[step][0]):
                    extended[step] = (score + frame[labels[step]], [*path, labels[step]])
        paths = extended
    return max(paths.get(len(labels) - last, (-math.inf, [])) for last in (1, 2))[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(2, 6), st.integers(1, 20))
def test_it_agrees_with_a_plain_search_whole_and_in_blocks(
    seed: int, num_frames: int, vocab_size: int, num_tokens: int
):
    log_probs = random_log_probs(num_frames, vocab_size, seed)
    tokens = np.random.default_rng(seed).integers(1, vocab_size, size=num_tokens)
    try:
        found = align_tokens(log_probs, tokens)
    except AlignmentError:
        assert num_frames < num_tokens + sum(tokens[1:] == tokens[:-1])
        return
    path = best_path(log_probs, tokens)
    assert found.score == pytest.approx(float(log_probs[np.arange(num_frames), path].sum()), abs=1e-3)
    aligned = [list(group) for token, group in itertools.groupby(path) if token != 0]
    assert (found.ends - found.starts).tolist() == [len(group) for group in aligned]
    blocks = np.array_split(log_probs, [num_frames // 3, num_frames // 2])
    again = align_stream(blocks, tokens, pruning=math.inf)
    assert again.score == found.score
    assert np.array_equal(again.starts, found.starts)
    assert np.array_equal(again.log_probs, found.log_probs)


def test_spans_and_log_probs_are_those_of_the_path():
    log_probs = np.full((7, 3), -9.0, np.float32)
    path = [0, 1, 1, 0, 1, 2, 2]
    log_probs[np.arange(7), path] = [-0.1, -0.7, -0.2, -0.1, -0.3, -0.5, -0.4]
    found = align_tokens(log_probs, [1, 1, 2])
    assert found.starts.tolist() == [1, 4, 5]
    assert found.ends.tolist() == [3, 5, 7]
    assert found.log_probs.tolist() == pytest.approx([-0.2, -0.3, -0.4])
    assert found.score == pytest.approx(-2.3)


@pytest.mark.parametrize("seed", range(4))
def test_a_pruned_search_that_settles_as_it_goes_equals_the_full_one(seed: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_ROOM", 256)
    log_probs, tokens, _ = planted(4000, 1500, seed, pause=range(1000, 1400))
    full = align_tokens(log_probs, tokens)
    aligner = Aligner(tokens, pruning=100.0)
    for block in np.array_split(log_probs, 37):
        aligner.feed(block)
    assert len(aligner._moves) < 4000 * 3000 / 50
    found = aligner.finish()
    assert np.array_equal(found.starts, full.starts)
    assert np.array_equal(found.ends, full.ends)
    assert found.score == full.score


def test_memory_does_not_grow_with_length():
    room = []
    for num_frames in (20_000, 80_000):
        log_probs, tokens, frames = planted(num_frames, num_frames * 2 // 5, seed=1)
        aligner = Aligner(tokens)
        for block in np.array_split(log_probs, num_frames // 1000):
            aligner.feed(block)
        assert np.array_equal(aligner.finish().starts, frames)
        room.append(len(aligner._moves))
    assert room[0] == room[1] < 20_000 * 16_000 / 50


def test_nothing_and_no_frames():
    assert align_tokens(random_log_probs(5, 3, 0), []).num_frames == 5
    assert align_tokens(np.empty((0, 3), np.float32), []).score == 0.0


@pytest.mark.parametrize(
    ("log_probs", "tokens", "error", "message"),
    [
        (random_log_probs(3, 3, 0), [1, 1, 2], AlignmentError, "3 frames, and 3 tokens need 4"),
        (np.empty((0, 3), np.float32), [1], AlignmentError, "0 frames, and 1 tokens need 1"),
        (np.array([[-0.7, -0.7, -np.inf]] * 4, np.float32), [1, 2], AlignmentError, "does not fit"),
        (np.full((4, 3), -np.inf, np.float32), [1], AlignmentError, "any probability"),
        (random_log_probs(3, 3, 0), [0], ValueError, "token 0 cannot be aligned; expected 1 to 2"),
        (random_log_probs(3, 3, 0), [3], ValueError, "token 3 cannot be aligned"),
    ],
)
def test_what_cannot_be_aligned_is_refused(log_probs, tokens, error, message):
    with pytest.raises(error, match=message):
        align_tokens(log_probs, tokens)


def test_a_text_that_is_longer_than_the_speech_loses_the_way():
    log_probs, tokens, _ = planted(6000, 2000, seed=0)
    with pytest.raises(AlignmentError, match="does not fit the recording: it ends before the text does"):
        align_stream([log_probs], np.concatenate([tokens, tokens[:900]]), pruning=100.0)
