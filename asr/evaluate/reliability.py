"""Confidences and what was right in, how far they can be believed out.

The expected calibration error (Naeini et al. 2015; Guo et al. 2017, section 2): words are sorted by
confidence into bins of equal width; in each, the mean confidence is compared with the share of words
that are right; the differences are averaged, weighted by the words in the bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np

from asr.atomic import atomic_write

BINS = 15  # as Guo et al. have it


@dataclass(frozen=True)
class Bin:
    """Words of about one confidence.

    Attributes:
        count: How many.
        confidence: Their mean confidence.
        accuracy: The share of them that is right.
    """

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """How far confidences can be believed.

    Attributes:
        bins: By rising confidence; those without words are left out.
    """

    bins: tuple[Bin, ...]

    @property
    def words(self) -> int:
        """How many words there are."""
        return sum(one.count for one in self.bins)

    @property
    def error(self) -> float:
        """The expected calibration error."""
        return sum(one.count * abs(one.confidence - one.accuracy) for one in self.bins) / self.words

    @property
    def confidence(self) -> float:
        """The mean confidence."""
        return sum(one.count * one.confidence for one in self.bins) / self.words

    @property
    def accuracy(self) -> float:
        """The share of words that is right."""
        return sum(one.count * one.accuracy for one in self.bins) / self.words


def measure_reliability(confidences: Sequence[float], correct: Sequence[bool], *, bins: int = BINS) -> Reliability:
    """Compare confidences within 0..1 with what was right.

    Raises:
        ValueError: If there are no words, or not as many of one as of the other.
    """
    if not confidences or len(confidences) != len(correct):
        raise ValueError(f"expected as many confidences as marks, found {len(confidences)} and {len(correct)}")
    claimed, right = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=float)
    places = np.minimum((claimed * bins).astype(int), bins - 1)
    return Reliability(
        tuple(
            Bin(int(own.sum()), float(claimed[own].mean()), float(right[own].mean()))
            for place in range(bins)
            if (own := places == place).any()
        )
    )


def mark_correct(reference: str, hypothesis: str) -> list[bool]:
    """Which words of a hypothesis are right: those that stand for an equal word in the word alignment."""
    marks = [False] * len(hypothesis.split())
    for chunk in jiwer.process_words([reference], [hypothesis]).alignments[0]:
        if chunk.type == "equal":
            marks[chunk.hyp_start_idx : chunk.hyp_end_idx] = [True] * (chunk.hyp_end_idx - chunk.hyp_start_idx)
    return marks


def to_json(reliability: Reliability) -> dict[str, Any]:
    """As a dictionary that `json` can write."""
    return {
        "ece": reliability.error,
        "mean_confidence": reliability.confidence,
        "accuracy": reliability.accuracy,
        "bins": [[one.count, one.confidence, one.accuracy] for one in reliability.bins],
    }


def draw_reliability(reliability: Reliability, path: Path) -> None:
    """Draw the share of right words over confidence, and how many words there are of each, as PNG.

    Raises:
        AsrError: If it cannot be written.
    """
    from matplotlib.figure import Figure  # heavy

    figure = Figure(figsize=(5.2, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    confidences = [one.confidence for one in reliability.bins]
    above.plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1, label="as claimed")
    above.vlines(
        confidences, confidences, [one.accuracy for one in reliability.bins], color="#c1543c", linewidth=1.2, alpha=0.7
    )
    above.plot(confidences, [one.accuracy for one in reliability.bins], "o", color="#24527a", label="found")
    above.set(
        ylabel="share of words that are right",
        ylim=(-0.02, 1.02),
        xlim=(0, 1),
        title=f"{reliability.words} words, expected calibration error {reliability.error:.1%}",
    )
    above.legend(loc="upper left", frameon=False)
    below.bar(confidences, [one.count for one in reliability.bins], width=0.9 / BINS, color="#24527a")
    below.set(xlabel="confidence", ylabel="words", yscale="log")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=130, format="png")
