"""Confidences and correctness in, how far the confidences can be trusted out.

The expected calibration error (Naeini et al. 2015; Guo et al. 2017, section 2): words are sorted by
confidence into bins of equal width; in each, the mean confidence is compared with the share of correct
words; the differences are averaged, weighted by the number of words in the bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jiwer
import numpy as np

from asr.atomic import atomic_write

BINS = 15  # as in Guo et al.


class Bin(NamedTuple):
    """Words of similar confidence: their number, mean confidence, and the share of them that is correct."""

    words: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """How far confidences can be trusted: bins by increasing confidence, without empty ones."""

    bins: tuple[Bin, ...]

    @property
    def words(self) -> int:
        """Number of words."""
        return sum(words for words, _, _ in self.bins)

    @property
    def error(self) -> float:
        """Expected calibration error."""
        return sum(words * abs(confidence - accuracy) for words, confidence, accuracy in self.bins) / self.words

    @property
    def confidence(self) -> float:
        """Mean confidence."""
        return sum(words * confidence for words, confidence, _ in self.bins) / self.words

    @property
    def accuracy(self) -> float:
        """Share of words that is correct."""
        return sum(words * accuracy for words, _, accuracy in self.bins) / self.words


def measure_reliability(confidences: Sequence[float], correct: Sequence[bool]) -> Reliability:
    """Compare confidences within 0..1 with the correctness of the words.

    Raises:
        ValueError: If there are no words, or the lengths differ.
    """
    if not confidences or len(confidences) != len(correct):
        raise ValueError(f"expected one mark per confidence, found {len(confidences)} and {len(correct)}")
    expected, observed = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=float)
    bin_of_word = np.minimum((expected * BINS).astype(int), BINS - 1)
    members = [np.flatnonzero(bin_of_word == index) for index in range(BINS)]
    filled = [words for words in members if len(words)]
    return Reliability(tuple(Bin(len(w), float(expected[w].mean()), float(observed[w].mean())) for w in filled))


def mark_correct(reference: str, hypothesis: str) -> list[bool]:
    """Mark the words of a hypothesis that are correct: those aligned with an equal word of the reference."""
    marks = [False] * len(hypothesis.split())
    for chunk in jiwer.process_words([reference], [hypothesis]).alignments[0]:
        if chunk.type == "equal":
            marks[chunk.hyp_start_idx : chunk.hyp_end_idx] = [True] * (chunk.hyp_end_idx - chunk.hyp_start_idx)
    return marks


def draw_reliability(reliability: Reliability, path: Path) -> None:
    """Draw a reliability diagram as PNG: accuracy against confidence, and below it the number of words.

    Raises:
        AsrError: If the file cannot be written.
    """
    from matplotlib.figure import Figure  # heavy

    figure = Figure(figsize=(5.2, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    counts, confidences, accuracies = zip(*reliability.bins, strict=True)
    above.plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1, label="perfect calibration")
    above.vlines(confidences, confidences, accuracies, color="#c1543c", linewidth=1.2, alpha=0.7)
    above.plot(confidences, accuracies, "o", color="#24527a", label="measured")
    above.set(
        ylabel="share of correct words",
        ylim=(-0.02, 1.02),
        xlim=(0, 1),
        title=f"{reliability.words} words, expected calibration error {reliability.error:.1%}",
    )
    above.legend(loc="upper left", frameon=False)
    below.bar(confidences, counts, width=0.9 / BINS, color="#24527a")
    below.set(xlabel="confidence", ylabel="words", yscale="log")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=130, format="png")
