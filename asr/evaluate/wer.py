"""References and hypotheses in, error rates with their uncertainty out.

Edits are jiwer's: the fewest substitutions, deletions and insertions that turn a reference into
its hypothesis. Rates are fractions, so 0.05 is 5 %, and can exceed 1. Knows nothing of audio.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
from numpy.typing import NDArray

from asr.errors import CorpusError

CONFIDENCE = 0.95
RESAMPLES = 10_000
# Resampled utterances held at once, so that memory does not grow with the test set.
_CHUNK = 5_000_000


@dataclass(frozen=True)
class Edits:
    """What separates hypotheses from references, in words or in characters.

    Attributes:
        length: Words or characters in the references.
        substitutions, deletions, insertions: The edits.
    """

    length: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        """All edits together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors for each unit of the references."""
        return self.errors / self.length


@dataclass(frozen=True)
class ErrorRates:
    """The result of a test.

    Attributes:
        utterances: How many there are.
        word_edits, character_edits: Summed over utterances; a space counts as a character.
        wer_interval: 95 % bootstrap interval of the word error rate; without an error, the exact one of as many words.
        wrong_utterances: Those with any word error.
    """

    utterances: int
    word_edits: Edits
    character_edits: Edits
    wer_interval: tuple[float, float]
    wrong_utterances: int

    @property
    def utterance_error_rate(self) -> float:
        """The share of utterances with any word error."""
        return self.wrong_utterances / self.utterances

    @property
    def utterance_interval(self) -> tuple[float, float]:
        """95 % interval of `utterance_error_rate`."""
        return exact_interval(self.wrong_utterances, self.utterances)

    @property
    def wer(self) -> float:
        """Word error rate."""
        return self.word_edits.rate

    @property
    def cer(self) -> float:
        """Character error rate."""
        return self.character_edits.rate

    @property
    def words(self) -> int:
        """Words in the references."""
        return self.word_edits.length


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same utterances.

    Attributes:
        difference: Word error rate of the second less that of the first; below 0 the second is better.
        interval: 95 % paired bootstrap interval of the difference; without 0 in it the difference is significant.
    """

    difference: float
    interval: tuple[float, float]


def score_utterances(
    references: Sequence[str], hypotheses: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> ErrorRates:
    """Score hypotheses against references.

    The interval holds the middle 95 % of the word error rates of resampled test sets, each as
    many utterances drawn with replacement (Bisani & Ney 2004). Where there is no error, every
    draw has none, which says nothing; the exact interval of as many words stands in its place.

    Args:
        references: What was said; normalise it as the hypotheses are.
        hypotheses: What was recognised, in the same order. Against an empty reference every
            word is an insertion.
        resamples: Test sets drawn for the interval.
        seed: Of the draws.

    Raises:
        ValueError: If there are not as many of one as of the other, or no reference has a word.
    """
    _check(references, hypotheses)
    words = count_edits(references, hypotheses)
    characters = _characters(references, hypotheses)
    errors = np.array([edits.errors for edits in words])
    lengths = np.array([edits.length for edits in words])
    return ErrorRates(
        utterances=len(references),
        word_edits=_sum(words),
        character_edits=characters,
        wer_interval=_interval(errors, lengths, resamples, seed)
        if errors.any()
        else exact_interval(0, int(lengths.sum())),
        wrong_utterances=int((errors > 0).sum()),
    )


def require_words(references: Sequence[str]) -> None:
    """Raises CorpusError if no reference has a word, so that there is no error rate."""
    if not _has_words(references):
        raise CorpusError("none of the utterances has a word in its transcript, so there is nothing to compare with")


def exact_interval(errors: int, trials: int) -> tuple[float, float]:
    """95 % interval of a rate, given so many errors in independent trials (Clopper & Pearson 1934)."""
    from scipy.stats import beta  # heavy

    outside = (1 - CONFIDENCE) / 2
    low = beta.ppf(outside, errors, trials - errors + 1) if errors > 0 else 0.0
    high = beta.ppf(1 - outside, errors + 1, trials - errors) if errors < trials else 1.0
    return float(low), float(high)


def count_edits(references: Sequence[str], hypotheses: Sequence[str]) -> list[Edits]:
    """The word edits of each utterance."""
    output = jiwer.process_words(list(references), list(hypotheses))
    return [
        _edits_of(chunks, len(reference))
        for chunks, reference in zip(output.alignments, output.references, strict=True)
    ]


def compare(
    references: Sequence[str],
    first: Sequence[str],
    second: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare the word error rates of two systems by a paired bootstrap (Bisani & Ney 2004).

    Both are scored on the same draws of utterances, so what makes an utterance hard cancels out.

    Raises:
        ValueError: As `score_utterances`.
    """
    _check(references, first)
    _check(references, second)
    before, after = count_edits(references, first), count_edits(references, second)
    differences = np.array([b.errors - a.errors for a, b in zip(before, after, strict=True)])
    lengths = np.array([edits.length for edits in before])
    return Comparison(float(differences.sum() / lengths.sum()), _interval(differences, lengths, resamples, seed))


def _check(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    if len(references) != len(hypotheses):
        raise ValueError(f"expected as many hypotheses as references, found {len(hypotheses)} and {len(references)}")
    if not _has_words(references):
        raise ValueError(
            f"there is no word in the {len(references)} references, so no error rate; transcripts are needed"
        )


def _has_words(references: Sequence[str]) -> bool:
    return any(reference.split() for reference in references)


def _edits_of(chunks: Sequence[jiwer.AlignmentChunk], length: int) -> Edits:
    counts = {"substitute": 0, "delete": 0, "insert": 0, "equal": 0}
    for chunk in chunks:
        of_reference, of_hypothesis = chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx
        counts[chunk.type] += max(of_reference, of_hypothesis)
    return Edits(length, counts["substitute"], counts["delete"], counts["insert"])


def _characters(references: Sequence[str], hypotheses: Sequence[str]) -> Edits:
    output = jiwer.process_characters(list(references), list(hypotheses))
    length = sum(map(len, output.references))
    return Edits(length, output.substitutions, output.deletions, output.insertions)


def _sum(edits: Sequence[Edits]) -> Edits:
    return Edits(
        length=sum(one.length for one in edits),
        substitutions=sum(one.substitutions for one in edits),
        deletions=sum(one.deletions for one in edits),
        insertions=sum(one.insertions for one in edits),
    )


def _interval(errors: NDArray[np.int64], lengths: NDArray[np.int64], resamples: int, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    num_utterances = len(errors)
    chunk = max(1, _CHUNK // num_utterances)
    rates: list[NDArray[np.float64]] = []
    for start in range(0, resamples, chunk):
        drawn = rng.integers(num_utterances, size=(min(chunk, resamples - start), num_utterances))
        # A draw of nothing but empty references has no rate; as one word it stays finite.
        rates.append(errors[drawn].sum(1) / np.maximum(lengths[drawn].sum(1), 1))
    low, high = np.quantile(np.concatenate(rates), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
