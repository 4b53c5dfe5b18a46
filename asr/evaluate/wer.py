"""References and hypotheses in, error rates with their uncertainty out.

Edits are jiwer's: the fewest substitutions, deletions and insertions that turn a reference into
its hypothesis. Rates are fractions, so 0.05 is 5 %, and can exceed 1. Knows nothing of audio.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jiwer
import numpy as np
from numpy.typing import NDArray

from asr.errors import CorpusError

_CONFIDENCE = 0.95
_RESAMPLES = 10_000
_SEED = 0
_MOST_DRAWN = 5_000_000  # utterances at once, so that memory does not grow with the test set


class Edits(NamedTuple):
    """The differences between hypotheses and references, in words or in characters."""

    length: int  # words or characters in the references
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        """Number of edits of all kinds."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per word or character of the references."""
        return self.errors / self.length


@dataclass(frozen=True)
class ErrorRates:
    """The result of a test."""

    utterance_edits: tuple[Edits, ...]  # word edits of each utterance
    character_edits: Edits  # of all utterances together; a space counts as a character

    @property
    def utterances(self) -> int:
        """Number of utterances."""
        return len(self.utterance_edits)

    @cached_property
    def word_edits(self) -> Edits:
        """Word edits of all utterances together."""
        return Edits(*map(sum, zip(*self.utterance_edits, strict=True)))

    @property
    def words(self) -> int:
        """Number of words in the references."""
        return self.word_edits.length

    @property
    def wer(self) -> float:
        """Word error rate."""
        return self.word_edits.rate

    @property
    def cer(self) -> float:
        """Character error rate."""
        return self.character_edits.rate

    @cached_property
    def wer_interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the word error rate (Bisani & Ney 2004).

        It contains the middle 95 % of the word error rates of resampled test sets of the same size, drawn with
        replacement. Without errors all draws are alike, so the exact interval for independent words is used instead.
        """
        if self.word_edits.errors == 0:
            return exact_interval(0, self.words)
        errors, lengths = zip(*((edits.errors, edits.length) for edits in self.utterance_edits), strict=True)
        return _bootstrap(np.array(errors), np.array(lengths))

    @property
    def wrong_utterances(self) -> int:
        """Number of utterances with at least one word error."""
        return sum(edits.errors > 0 for edits in self.utterance_edits)

    @property
    def utterance_error_rate(self) -> float:
        """Share of utterances with at least one word error."""
        return self.wrong_utterances / self.utterances

    @property
    def utterance_interval(self) -> tuple[float, float]:
        """95 % interval of `utterance_error_rate`."""
        return exact_interval(self.wrong_utterances, self.utterances)


class Comparison(NamedTuple):
    """Two systems on the same utterances."""

    difference: float  # word error rate of the second minus that of the first; the second is better if it is negative
    interval: tuple[float, float]  # 95 % paired bootstrap; the difference is significant if this does not contain 0


def score_utterances(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRates:
    """Score hypotheses against references.

    Args:
        references: What was said, normalised in the same way as the hypotheses.
        hypotheses: What was recognised, in the same order. Against an empty reference, every word is an insertion.

    Raises:
        ValueError: If the numbers of references and hypotheses differ, or no reference contains a word.
    """
    _check(references, hypotheses)
    output = jiwer.process_characters(list(references), list(hypotheses))
    length = sum(map(len, output.references))
    characters = Edits(length, output.substitutions, output.deletions, output.insertions)
    return ErrorRates(tuple(count_edits(references, hypotheses)), characters)


def require_words(references: Sequence[str]) -> None:
    """Raise CorpusError if no reference contains a word, because there is no error rate then."""
    if not any(map(str.split, references)):
        raise CorpusError("none of the transcripts contains a word, so there is nothing to compare with")


def exact_interval(errors: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of an error rate, measured in independent trials (Clopper & Pearson 1934)."""
    from scipy.stats import binomtest  # heavy

    low, high = binomtest(errors, trials).proportion_ci(_CONFIDENCE, method="exact")
    return float(low), float(high)


def count_edits(references: Sequence[str], hypotheses: Sequence[str]) -> list[Edits]:
    """Count the word edits of each utterance."""
    output = jiwer.process_words(list(references), list(hypotheses))
    edits = []
    for chunks, reference in zip(output.alignments, output.references, strict=True):
        counts: Counter[str] = Counter()
        for chunk in chunks:
            counts[chunk.type] += max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
        edits.append(Edits(len(reference), counts["substitute"], counts["delete"], counts["insert"]))
    return edits


def compare(references: Sequence[str], first: Sequence[str], second: Sequence[str]) -> Comparison:
    """Compare the word error rates of two systems by a paired bootstrap (Bisani & Ney 2004).

    Both are scored on the same draws of utterances, so the difficulty of the utterances cancels out.

    Raises:
        ValueError: As `score_utterances`.
    """
    _check(references, first)
    _check(references, second)
    return compare_edits(count_edits(references, first), count_edits(references, second))


def compare_edits(first: Sequence[Edits], second: Sequence[Edits]) -> Comparison:
    """Compare two systems by the word edits of each utterance, in the same order; as `compare`."""
    differences = np.array([b.errors - a.errors for a, b in zip(first, second, strict=True)])
    lengths = np.array([edits.length for edits in first])
    return Comparison(float(differences.sum() / lengths.sum()), _bootstrap(differences, lengths))


def _check(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    if len(references) != len(hypotheses):
        raise ValueError(f"expected as many hypotheses as references, found {len(hypotheses)} and {len(references)}")
    if not any(map(str.split, references)):
        count = len(references)
        raise ValueError(f"none of the {count} references contains a word, so there is no error rate; give transcripts")


def _bootstrap(errors: NDArray[np.int64], lengths: NDArray[np.int64]) -> tuple[float, float]:
    """Return the middle 95 % of the error rates of resampled test sets; `errors` and `lengths` are (U,)."""
    rng, num_utterances = np.random.default_rng(_SEED), len(errors)
    draws_at_once = max(1, _MOST_DRAWN // num_utterances)
    rates: list[NDArray[np.float64]] = []
    for start in range(0, _RESAMPLES, draws_at_once):
        drawn = rng.integers(num_utterances, size=(min(draws_at_once, _RESAMPLES - start), num_utterances))
        # A draw of nothing but empty references has no rate; a length of one word keeps it finite.
        rates.append(errors[drawn].sum(1) / np.maximum(lengths[drawn].sum(1), 1))
    low, high = np.quantile(np.concatenate(rates), [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return float(low), float(high)
