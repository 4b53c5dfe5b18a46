"""Loudness of sounds of known power."""

import numpy as np
import pytest

from asr.signal.loudness import STEP_SECONDS, measure_block, measure_loudness, to_decibels

RATE = 16000


def make_tone(seconds: float, amplitude: float) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)


def test_loudness_is_in_decibels_for_each_10_ms():
    tone = make_tone(1.0, np.sqrt(2) * 0.1)
    loudness = measure_loudness(tone, RATE)
    assert len(loudness) == round(1 / STEP_SECONDS)
    np.testing.assert_allclose(loudness, -20, atol=0.01)
    assert len(measure_loudness(tone[:100], RATE)) == 0
    assert np.isfinite(measure_loudness(np.zeros(RATE, np.float32), RATE)).all()


def test_blocks_of_whole_10_ms_are_as_loud_as_the_recording():
    sound = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    parts = [measure_loudness(block, RATE) for block in np.split(sound, [RATE // 4, RATE // 2])]
    joined, whole = np.concatenate(parts), measure_loudness(sound, RATE)
    np.testing.assert_allclose(joined, whole, atol=1.0)  # smoothing stops at the edges
    inner = np.delete(np.arange(100), [24, 25, 49, 50])
    np.testing.assert_array_equal(joined[inner], whole[inner])


def test_a_block_has_one_loudness_and_silence_that_of_the_floor():
    assert measure_block(make_tone(1.0, 1.0)) == pytest.approx(-3.01, abs=0.01)
    assert measure_block(np.zeros(10, np.float32)) == measure_block(np.zeros(0, np.float32)) == -90.0
    assert to_decibels(np.zeros(1), floor=1e-10)[0] == pytest.approx(-100.0)
