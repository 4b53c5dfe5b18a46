"""Where long recordings are cut."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.recognize.spans import LONGEST_SECONDS, PAUSE_SECONDS, SHORTEST_SECONDS, SpanCutter, cut_spans

FRAME = 0.04


def make_log_probs(pattern: list[tuple[float, bool]]) -> np.ndarray:
    """Stretches of (seconds, whether it is a pause): a blank of 0.99 there, of 0.5 elsewhere."""
    blank = np.concatenate([np.full(round(seconds / FRAME), 0.99 if quiet else 0.5) for seconds, quiet in pattern])
    return np.log(np.stack([blank, 1 - blank], axis=1)).astype(np.float32)


def lengths(log_probs: np.ndarray) -> list[float]:
    return [len(span.log_probs) * FRAME for span in cut_spans(log_probs, FRAME)]


def test_short_recordings_stay_whole_whatever_pauses_they_hold():
    assert len(lengths(make_log_probs([(5, False), (3, True), (10, False), (1, True)]))) == 1
    assert lengths(np.empty((0, 2), np.float32)) == []


def test_long_ones_are_cut_within_the_first_pause_that_comes_late_enough():
    log_probs = make_log_probs([(10, False), (2, True), (12, False), (1, True), (30, False)])
    first, second = cut_spans(log_probs, FRAME)
    assert 24 < len(first.log_probs) * FRAME < 25
    assert second.first == len(first.log_probs)


def test_letters_that_sound_long_are_no_pauses():
    speech = [(0.3, False), (PAUSE_SECONDS - 0.2, True)] * 40
    assert len(lengths(make_log_probs(speech))) == 1


def test_where_nobody_draws_breath_the_quietest_place_is_taken():
    log_probs = make_log_probs([(45, False), (0.2, True), (100, False)])
    first = cut_spans(log_probs, FRAME)[0]
    assert abs(len(first.log_probs) * FRAME - 45.1) < FRAME
    assert all(seconds <= LONGEST_SECONDS for seconds in lengths(log_probs))


def test_silence_is_cut_as_well():
    assert all(SHORTEST_SECONDS - 1 < seconds < 25 for seconds in lengths(make_log_probs([(200, True)]))[:-1])


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from([0.2, 0.5, 1.0, 15.0, 40.0]), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 700),
)
def test_how_frames_come_makes_no_difference_and_none_is_lost(pattern: list[tuple[float, bool]], block: int):
    log_probs = make_log_probs(pattern)
    whole = cut_spans(log_probs, FRAME)
    cutter = SpanCutter(FRAME)
    streamed = [span for at in range(0, len(log_probs), block) for span in cutter.feed(log_probs[at : at + block])]
    streamed += cutter.finish()
    assert [span.first for span in streamed] == [span.first for span in whole]
    np.testing.assert_array_equal(np.concatenate([span.log_probs for span in streamed]), log_probs)
    assert all(len(span.log_probs) * FRAME <= LONGEST_SECONDS for span in whole)
