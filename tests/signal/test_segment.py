"""Where long recordings are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.signal.segment import LONGEST_SECONDS, SHORTEST_SECONDS, WHOLE_SECONDS, split_at_quiet

RATE, FRAME = 1000, 40


def make_waveform(pattern: list[tuple[float, float]], seed: int = 0) -> np.ndarray:
    """Stretches of (seconds, loudness) of noise."""
    rng = np.random.default_rng(seed)
    parts = [loudness * rng.standard_normal(round(seconds * RATE)) for seconds, loudness in pattern]
    return np.concatenate([np.empty(0), *parts]).astype(np.float32)


def lengths(waveform: np.ndarray) -> list[float]:
    return [len(segment.waveform) / RATE for segment in split_at_quiet([waveform], RATE, FRAME)]


def test_short_recordings_stay_whole_whatever_pauses_they_hold():
    assert lengths(make_waveform([(5, 0.1), (3, 0.0), (10, 0.1), (1, 0.0)])) == [19.0]
    assert lengths(np.empty(0, np.float32)) == []


def test_long_ones_are_cut_in_the_quietest_pause_that_is_neither_too_early_nor_too_late():
    # The first and the last pause are quieter.
    waveform = make_waveform([(1, 0.1), (1, 0.0), (3, 0.1), (0.6, 0.01), (3, 0.1), (0.6, 0.001), (2, 0.1), (15, 0.0)])
    first = lengths(waveform)[0]
    assert 8.6 + 0.2 < first < 8.6 + 0.4


def test_closed_lips_are_no_pause():
    waveform = make_waveform([(4, 0.1), (0.1, 0.0), (3, 0.1), (0.6, 0.02), (30, 0.1)])
    assert 7.1 + 0.2 < lengths(waveform)[0] < 7.1 + 0.6


def test_a_constant_in_all_samples_changes_nothing():
    waveform = make_waveform([(5, 0.1), (0.6, 0.01), (60, 0.1)])
    assert lengths(waveform + np.float32(0.3))[0] == pytest.approx(lengths(waveform)[0], abs=0.1)


def test_silence_is_cut_as_well():
    assert all(SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS for seconds in lengths(make_waveform([(200, 0.0)]))[:-1])


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.2, 0.5, 1.0, 15.0, 40.0]), st.sampled_from([0.0, 0.01, 0.1])),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 30_000),
)
def test_how_samples_come_makes_no_difference_and_none_is_lost(pattern: list[tuple[float, float]], block: int):
    waveform = make_waveform(pattern)
    whole = list(split_at_quiet([waveform], RATE, FRAME))
    blocks = (waveform[at : at + block] for at in range(0, len(waveform), block))
    streamed = list(split_at_quiet(blocks, RATE, FRAME))
    np.testing.assert_array_equal(np.concatenate([one.waveform for one in streamed]), waveform)
    assert [one.first_frame for one in streamed] == [one.first_frame for one in whole]
    assert [one.first_sample for one in streamed] == [0, *np.cumsum([len(one.waveform) for one in streamed])[:-1]]
    assert all(SHORTEST_SECONDS <= len(one.waveform) / RATE <= LONGEST_SECONDS for one in streamed[:-1])
    assert len(streamed[-1].waveform) / RATE <= WHOLE_SECONDS
    assert len(streamed) == 1 or len(streamed[-1].waveform) / RATE > WHOLE_SECONDS - LONGEST_SECONDS
