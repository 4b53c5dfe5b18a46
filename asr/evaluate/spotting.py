"""Development speech in, calibration of the confidences of phrases out; and how many phrases are found at what cost.

examples = collect_hits(words, recognizer, references, log_probs)
settings = fit_hits([examples])
point = measure_recall(examples, examples.confidences(settings), false_alarms=1.0)
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.config import SpottingSettings
from asr.errors import TextError
from asr.recognize.confidence import Values
from asr.recognize.recognizer import Recognizer
from asr.runtime.network import LogProbs
from asr.spotting.confidence import FEATURES, estimate_confidence, fit_spotting
from asr.spotting.phrases import LabelEncoder
from asr.spotting.spotter import PhraseSpotter

LEAST_LABELS = 6  # of a word that is worth searching for: four sounds or letters between two boundaries
MOST_WORDS, MOST_PAIRS = 600, 200  # of a kind of speech that confidences are fitted to


class SpottingExamples(NamedTuple):
    """Where words may have been said in speech whose text is known.

    Attributes:
        features: (C, 4) of `candidate_features`.
        correct: (C,) whether the word was said: in each utterance as many of the best candidates as it has the word.
        words: (C,) the number of each candidate's word.
        num_words: How many different words were searched for.
        num_said: How often they were said.
        hours: Of speech.
    """

    features: Values
    correct: NDArray[np.bool_]
    words: NDArray[np.int_]
    num_words: int
    num_said: int
    hours: float

    def confidences(self, settings: SpottingSettings) -> Values:
        """Estimate the confidence of each candidate (C,)."""
        return estimate_confidence(self.features, settings)


class OperatingPoint(NamedTuple):
    """What a threshold gives.

    Attributes:
        threshold: Least confidence of a hit.
        recall: Share of what was said that is found.
        precision: Share of the hits that are right.
        false_alarms: Per hour of speech and word.
    """

    threshold: float
    recall: float
    precision: float
    false_alarms: float


def choose_words(references: Sequence[str], encoder: LabelEncoder) -> list[str]:
    """Choose what confidences are fitted to: the words of normalised texts that are long enough, and pairs of words."""
    words = Counter(word for text in references for word in text.split())
    pairs = Counter(pair for text in references for pair in _pairs(text))
    long_enough = (word for word, _ in words.most_common() if _num_labels(word, encoder) >= LEAST_LABELS)
    chosen = [word for word, _ in zip(long_enough, range(MOST_WORDS), strict=False)]
    return [*chosen, *(pair for pair, _ in pairs.most_common(MOST_PAIRS) if _num_labels(pair, encoder))]


def collect_hits(
    words: Sequence[str], recognizer: Recognizer, references: Sequence[str], log_probs: Sequence[LogProbs]
) -> SpottingExamples:
    """Search for words or phrases in utterances.

    Args:
        words: Normalised, each once.
        recognizer: Whose network computed the log probabilities.
        references: Normalised texts.
        log_probs: (T, V) per utterance.
    """
    spotter = PhraseSpotter(words, recognizer.tokenizer, recognizer.settings) if words else None
    numbers = {word: number for number, word in enumerate(words)}
    features: list[Values] = []
    correct: list[bool] = []
    owners: list[int] = []
    num_said = 0
    for reference, frames in zip(references, log_probs, strict=True):
        said = _count_phrases(reference, numbers)
        num_said += said.total()
        for word, ranked in _rank_candidates(spotter, frames).items() if spotter else ():
            features += ranked
            correct += [rank < said[word] for rank in range(len(ranked))]
            owners += [numbers[word]] * len(ranked)
    seconds = sum(map(len, log_probs)) * recognizer.runner.frame_seconds
    table = np.array(features).reshape(-1, len(FEATURES))
    return SpottingExamples(table, np.array(correct, bool), np.array(owners, int), len(words), num_said, seconds / 3600)


def fit_hits(kinds: Sequence[SpottingExamples]) -> SpottingSettings | None:
    """Fit confidences to what was found in several kinds of speech; None if nothing was both found and right."""
    correct = np.concatenate([kind.correct for kind in kinds])
    if not correct.any():
        return None
    numbers = np.repeat(np.arange(len(kinds)), [len(kind.correct) for kind in kinds])
    return fit_spotting(np.concatenate([kind.features for kind in kinds]), correct, numbers)


def measure_recall(examples: SpottingExamples, confidences: Values, false_alarms: float) -> OperatingPoint:
    """Find the lowest threshold, the same for all words, that gives at most so many false alarms per hour and word."""
    order = np.argsort(-confidences, kind="stable")
    num_wrong = np.cumsum(~examples.correct[order])
    word_hours = examples.num_words * examples.hours
    count = int(np.count_nonzero(num_wrong <= false_alarms * word_hours))
    return _describe(examples, confidences, order[:count], word_hours)


def measure_threshold(examples: SpottingExamples, confidences: Values, threshold: float) -> OperatingPoint:
    """Measure what a threshold gives."""
    chosen = np.flatnonzero(confidences >= threshold)
    point = _describe(examples, confidences, chosen, examples.num_words * examples.hours)
    return point._replace(threshold=threshold)


def _describe(
    examples: SpottingExamples, confidences: Values, chosen: NDArray[np.int_], word_hours: float
) -> OperatingPoint:
    right = int(np.count_nonzero(examples.correct[chosen]))
    wrong = len(chosen) - right
    return OperatingPoint(
        float(confidences[chosen].min()) if len(chosen) else 1.0,
        right / examples.num_said if examples.num_said else 0.0,
        right / len(chosen) if len(chosen) else 1.0,
        wrong / word_hours if word_hours else 0.0,
    )


def _rank_candidates(spotter: PhraseSpotter, log_probs: LogProbs) -> dict[str, list[Values]]:
    """Return the features of each word's candidates, best first; of overlapping ones only the best."""
    found = defaultdict(list)
    for phrase, candidate, features in spotter.find_candidates(log_probs):
        found[phrase.text].append((float(features[0]), candidate, features))
    ranked: dict[str, list[Values]] = {}
    for text, several in found.items():
        kept: list[tuple[int, int]] = []
        ranked[text] = []
        for _, candidate, features in sorted(several, key=lambda one: -one[0]):
            if all(candidate.end <= start or end <= candidate.start for start, end in kept):
                kept.append((candidate.start, candidate.end))
                ranked[text].append(features)
    return ranked


def _count_phrases(reference: str, numbers: dict[str, int]) -> Counter[str]:
    return Counter(text for text in [*reference.split(), *_pairs(reference)] if text in numbers)


def _pairs(text: str) -> Iterator[str]:
    words = text.split()
    return (f"{first} {second}" for first, second in pairwise(words))


def _num_labels(text: str, encoder: LabelEncoder) -> int:
    """Return the fewest labels of a phrase; 0 if it cannot be encoded."""
    try:
        return min(map(len, encoder.encode(text).sequences))
    except TextError:
        return 0
