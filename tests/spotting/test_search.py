"""The compiled search against all paths of short utterances, one by one."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decode.greedy import collapse_path
from asr.spotting.search import HOLD, PhraseSearch, make_states, search_phrases
from tests.decode.enumeration import collapse, random_log_probs

BOUNDARY = 3
SEQUENCES = [(1,), (1, 2), (2, 2), (3, 1, 3), (3, 1, 2, 3), (3, 2, 2, 3), (3, 1, 3, 2, 3)]
EVERYTHING = -1e6


def to_ratios(log_probs: np.ndarray) -> np.ndarray:
    return (log_probs - log_probs.max(axis=1, keepdims=True)).astype(np.float32)


def score_exhaustively(ratios: np.ndarray, sequence: tuple[int, ...]) -> float:
    """The best score of any path, over any frames, that spells the sequence and starts and ends in its labels.

    At the edges of the utterance the sequence may lack its boundary, and blanks may stand in place of it.
    """
    best, num_frames = -math.inf, len(ratios)
    for first, end in itertools.combinations(range(num_frames + 1), 2):
        for path in itertools.product(range(ratios.shape[1]), repeat=end - first):
            labels = collapse(path)
            starts = [sequence] + ([sequence[1:]] if first == 0 and sequence[0] == BOUNDARY else [])
            spelled = [
                one
                for start in starts
                for one in [start] + ([start[:-1]] if end == num_frames and sequence[-1] == BOUNDARY else [])
            ]
            if labels not in spelled:
                continue
            is_tight_start = path[0] == sequence[0] or (len(labels) < len(sequence) and first == 0)
            is_tight_end = path[-1] == sequence[-1] or (len(labels) < len(sequence) and end == num_frames)
            if is_tight_start and is_tight_end:
                best = max(best, sum(ratios[first + index, label] for index, label in enumerate(path)))
    return best


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.integers(0, 10**6), st.sampled_from(SEQUENCES), st.sampled_from([0.5, 2.0, 5.0]))
def test_the_best_candidate_is_the_best_of_all_paths(
    num_frames: int, seed: int, sequence: tuple[int, ...], spread: float
):
    ratios = to_ratios(random_log_probs(num_frames, 4, seed, spread))
    expected = score_exhaustively(ratios, sequence)
    candidates = search_phrases(ratios, make_states([sequence], BOUNDARY, [EVERYTHING]))
    found = max((candidate.score for candidate in candidates), default=-math.inf)
    assert found == pytest.approx(expected, abs=1e-4)


@given(st.integers(1, 40), st.integers(0, 10**6), st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_the_most_probable_path_spells_scores_zero(num_frames: int, seed: int, data: st.DataObject):
    log_probs = random_log_probs(num_frames, 4, seed, 4.0)
    labels = collapse_path(log_probs.argmax(axis=1))
    if labels:
        first = data.draw(st.integers(0, len(labels) - 1))
        sequence = labels[first : data.draw(st.integers(first + 1, len(labels)))]
        if set(sequence) != {BOUNDARY}:
            candidates = search_phrases(to_ratios(log_probs), make_states([sequence], BOUNDARY, [-1.0]))
            assert max(candidate.score for candidate in candidates) == 0.0


@given(st.integers(1, 60), st.integers(0, 10**6), st.lists(st.integers(1, 30), max_size=8))
@settings(max_examples=40, deadline=None)
def test_blocks_change_nothing(num_frames: int, seed: int, sizes: list[int]):
    ratios = to_ratios(random_log_probs(num_frames, 4, seed, 3.0))
    states = make_states(SEQUENCES, BOUNDARY, [-6.0] * len(SEQUENCES))
    search, found, first = PhraseSearch(states), [], 0
    for size in [*sizes, num_frames]:
        found += search.feed(ratios[first : first + size])
        first += size
    assert [*found, *search.finish()] == search_phrases(ratios, states)


def say(path: str) -> np.ndarray:
    """Ratios of a path of labels, a digit a frame, from which all others are far away."""
    ratios = np.full((len(path), 4), -20.0, np.float32)
    ratios[np.arange(len(path)), [int(label) for label in path]] = 0.0
    return ratios


def test_each_time_that_it_is_said_is_found_once_with_its_frames():
    path = "0001023" + "0" * 4 + "31112200" + "0" * 20 + "3102"
    candidates = search_phrases(say(path), make_states([(3, 1, 2, 3)], BOUNDARY, [-1.0]))
    # The first has a boundary soon, the second late, the last at the end of the utterance.
    last = path.rindex("102")
    assert [(one.start, one.end) for one in candidates] == [
        (3, 6),
        (path.index("111"), path.index("22") + 2),
        (last, last + 3),
    ]
    assert [one.score for one in candidates] == [0.0] * 3


def test_equal_labels_need_a_blank_between():
    states = make_states([(2, 2)], BOUNDARY, [-1.0])
    assert search_phrases(say("0220"), states) == []
    assert [one.score for one in search_phrases(say("02020"), states)] == [0.0]


def test_a_candidate_is_final_soon_after_its_end():
    search = PhraseSearch(make_states([(1, 2)], BOUNDARY, [-1.0]))
    assert search.feed(say("012" + "0" * (HOLD - 1))) == []
    (candidate,) = search.feed(say("0"))
    assert (candidate.start, candidate.end) == (1, 3)
    assert search.finish() == []


def test_more_candidates_than_there_is_room_for_are_all_found():
    states = make_states([(1,)] * 300, BOUNDARY, [-1.0] * 300)
    candidates = search_phrases(say("01" * 50), states)
    assert len(candidates) == 300 * 50
