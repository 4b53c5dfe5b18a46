"""Phrases and log probabilities in, matches out: for whole utterances, and for streams block by block.

spotter = PhraseSpotter(["turn on the light", "stop"], tokenizer, settings)
for match in spotter.spot(log_probs):
    print(match.phrase.text, match.start, match.confidence)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.config import ModelSettings
from asr.errors import ConfigError, TextError
from asr.jit import Array
from asr.recognize.confidence import Values
from asr.spotting.confidence import FLOOR, candidate_features, estimate_confidence
from asr.spotting.phrases import LabelEncoder, Phrase
from asr.spotting.search import HOLD, Candidate, PhraseSearch, make_states, search_phrases
from asr.text.tokenizer import Tokenizer

THRESHOLD = 0.5  # least confidence of a match: it is more likely right than wrong


@dataclass(frozen=True)
class Match:
    """Where a phrase was said in an utterance.

    Attributes:
        phrase: The phrase.
        start, end: Frames of log probabilities, half-open.
        confidence: Probability that it was said there.
    """

    phrase: Phrase
    start: int
    end: int
    confidence: float

    def overlaps(self, other: "Match") -> bool:
        """Whether both share a frame."""
        return self.start < other.end and other.start < self.end


class PhraseSpotter:
    """Searches for phrases; holds no utterance, so that threads may share it.

    Args:
        phrases: Texts, at least one; equal ones count once.
        tokenizer: Of the model.
        settings: Of the model.
        threshold: Least confidence of a match.
        exclusive: Whether at most one phrase is found at any time; otherwise phrases may overlap.

    Attributes:
        phrases: What is searched for.

    Raises:
        TextError: If a phrase cannot be spelled or pronounced.
        ConfigError: If the threshold is no probability.
    """

    def __init__(
        self,
        phrases: Sequence[str],
        tokenizer: Tokenizer,
        settings: ModelSettings,
        *,
        threshold: float = THRESHOLD,
        exclusive: bool = False,
    ) -> None:
        if not 0 <= threshold <= 1:
            raise ConfigError(f"the threshold is {threshold}; expected a probability, from 0 to 1")
        if not phrases:
            raise TextError("there is no phrase to search for; give one")
        self.threshold = threshold
        self.exclusive = exclusive
        self.encoder = LabelEncoder(tokenizer, settings.normalizer)
        self.phrases = [self.encoder.encode(text) for text in dict.fromkeys(phrases)]
        self._settings = settings.spotting
        self._owners = [phrase for phrase in self.phrases for _ in phrase.sequences]
        sequences = [sequence for phrase in self.phrases for sequence in phrase.sequences]
        self._lengths = np.array([len(sequence) for sequence in sequences])
        self.states = make_states(sequences, self.encoder.boundary, (FLOOR * self._lengths).tolist())

    def spot(self, log_probs: Array) -> list[Match]:
        """Find the phrases in an utterance, (T, V) natural-log probabilities; matches come in the order of time."""
        stream = self.stream()
        return [*stream.feed(log_probs), *stream.finish()]

    def stream(self) -> "SpottingStream":
        """Start an utterance that arrives in blocks."""
        return SpottingStream(self)

    def find_candidates(self, log_probs: Array) -> list[tuple[Phrase, Candidate, Values]]:
        """Return all candidates in an utterance, whatever their confidence, with their features (4,)."""
        ratios, best = self.encoder.to_ratios(log_probs)
        candidates = search_phrases(ratios, self.states)
        features = candidate_features(candidates, self._lengths, best)
        owners = (self._owners[candidate.sequence] for candidate in candidates)
        return list(zip(owners, candidates, features, strict=True))

    def judge(self, candidates: Sequence[Candidate], best: Array) -> list[Match]:
        """Return the candidates that reach the threshold; `best` as for `candidate_features`."""
        if not candidates:
            return []
        confidences = estimate_confidence(candidate_features(candidates, self._lengths, best), self._settings)
        return [
            Match(self._owners[candidate.sequence], candidate.start, candidate.end, confidence)
            for candidate, confidence in zip(candidates, confidences.tolist(), strict=True)
            if confidence >= self.threshold
        ]

    def compete(self, first: Match, second: Match) -> bool:
        """Whether only one of two matches can be right."""
        return first.overlaps(second) and (self.exclusive or first.phrase is second.phrase)


class SpottingStream:
    """One utterance on its way through a `PhraseSpotter`."""

    def __init__(self, spotter: PhraseSpotter) -> None:
        self._spotter = spotter
        self._search = PhraseSearch(spotter.states)
        self._best = np.empty(0, np.float32)  # of all frames so far
        self._waiting: list[Match] = []
        self._final: list[Match] = []  # that later matches may still compete with

    def feed(self, log_probs: Array) -> list[Match]:
        """Search (T, V) further log probabilities; return the matches that are final now."""
        ratios, best = self._spotter.encoder.to_ratios(log_probs)
        self._best = np.concatenate([self._best, best])
        self._add(self._search.feed(ratios))
        return self._release(len(self._best) - 2 * HOLD)

    def finish(self) -> list[Match]:
        """End the utterance; return the matches that were not final before."""
        self._add(self._search.finish())
        return self._release(len(self._best))

    def _add(self, candidates: Sequence[Candidate]) -> None:
        """Let new matches wait; of those that compete, the most confident remains."""
        matches = self._spotter.judge(candidates, self._best)
        for match in sorted(matches, key=lambda match: -match.confidence):
            rivals = [other for other in self._waiting if self._spotter.compete(match, other)]
            is_late = any(self._spotter.compete(match, other) for other in self._final)
            if not is_late and all(match.confidence > rival.confidence for rival in rivals):
                self._waiting = [other for other in self._waiting if other not in rivals]
                self._waiting.append(match)

    def _release(self, frame: int) -> list[Match]:
        """Return the matches that end by a frame, after which nothing competes with them."""
        released = sorted((match for match in self._waiting if match.end <= frame), key=lambda match: match.start)
        self._waiting = [match for match in self._waiting if match.end > frame]
        self._final = [match for match in [*self._final, *released] if match.end > frame - 10 * HOLD]
        return released
