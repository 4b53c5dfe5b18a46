"""Calibration errors against values worked out by hand and torchmetrics-like definitions."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.evaluate.reliability import Bin, draw_reliability, mark_correct, measure_reliability


def test_the_error_of_a_small_example_by_hand():
    # Bins of a fifteenth: two words at 0.1 and 0.12, one right; three at 0.95, two right; one at 1.0, right.
    reliability = measure_reliability([0.1, 0.12, 0.95, 0.95, 0.95, 1.0], [True, False, True, True, False, True])
    assert reliability.bins == (Bin(2, pytest.approx(0.11), 0.5), Bin(4, pytest.approx(0.9625), 0.75))
    assert reliability.error == pytest.approx((2 * 0.39 + 4 * 0.2125) / 6)
    assert (reliability.words, reliability.accuracy) == (6, pytest.approx(4 / 6))
    assert reliability.confidence == pytest.approx((0.22 + 3.85) / 6)


def test_honest_confidences_have_little_error_and_boastful_ones_what_they_boast():
    rng = np.random.default_rng(0)
    honest = rng.uniform(size=50_000)
    right = rng.uniform(size=50_000) < honest
    assert measure_reliability(honest.tolist(), right.tolist()).error < 0.01
    boastful = np.clip(honest + 0.2, 0, 0.999)
    expected = float((boastful - honest).mean())
    assert measure_reliability(boastful.tolist(), right.tolist()).error == pytest.approx(expected, abs=0.01)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_the_error_is_at_least_the_difference_of_the_means(words: list[tuple[float, bool]]):
    confidences, correct = zip(*words, strict=True)
    reliability = measure_reliability(confidences, correct)
    assert abs(np.mean(confidences) - np.mean(correct)) - 1e-9 <= reliability.error <= 1 + 1e-9
    assert reliability.words == len(words)


def test_words_are_right_if_aligned_with_equal_words():
    assert mark_correct("the cat sat", "the cat sat") == [True, True, True]
    assert mark_correct("the cat sat", "a cat sat down") == [False, True, True, False]
    assert mark_correct("the cat sat", "the sat") == [True, True]
    assert mark_correct("the cat", "") == []
    assert mark_correct("", "cat") == [False]


def test_missing_words_and_different_lengths_are_refused():
    with pytest.raises(ValueError, match="found 0 and 0"):
        measure_reliability([], [])
    with pytest.raises(ValueError, match="found 1 and 2"):
        measure_reliability([0.5], [True, False])


def test_the_plot_is_a_picture(tmp_path: Path):
    draw_reliability(measure_reliability([0.1, 0.9, 0.95], [False, True, True]), tmp_path / "new" / "plot.png")
    header = (tmp_path / "new" / "plot.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:]) > (500, 500)
