"""Log probabilities in, words out: decoding, and then the times and confidences of what was decoded.

Knows nothing of audio or networks. A `UtteranceDecoder` holds no recording; threads share it.
"""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from asr.config import ConfidenceSettings
from asr.decode.decoder import BeamDecoder
from asr.decode.greedy import greedy_decode
from asr.decode.parts import Hypothesis
from asr.decode.rescoring import Rescorer
from asr.recognize.word_boundaries import Levels
from asr.recognize.words import find_words
from asr.text.tokenizer import Tokenizer
from asr.transcript.transcript import Alternative, Word

LogProbs: TypeAlias = npt.NDArray[np.float32]  # (T, V) natural logs


@dataclass(frozen=True)
class Decoded:
    """What was read in a recording or a stretch of it.

    Attributes:
        alternatives: The n best readings, at least one, best first; unscored (NaN) without beam search.
        words: The words of the best one; times in seconds from the start of the recording.
    """

    alternatives: tuple[Alternative, ...]
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The best reading."""
        return self.alternatives[0].text


class UtteranceDecoder:
    """Decodes, and finds the times of words.

    Args:
        tokenizer: Spells tokens.
        frame_seconds: Length of a frame of log probabilities.
        beam: Beam search; None takes the most probable path.
        nbest: Readings wanted, by beam search.
        confidence: What the model was calibrated to; None: words have no confidence.
        rescorer: Puts what beam search finds into a better order.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        frame_seconds: float,
        *,
        beam: BeamDecoder | None = None,
        nbest: int = 1,
        confidence: ConfidenceSettings | None = None,
        rescorer: Rescorer | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.frame_seconds = frame_seconds
        self.beam = beam
        self.nbest = nbest
        self.confidence = confidence
        self.rescorer = rescorer

    def read(self, log_probs: LogProbs, levels: Levels | None = None, start_seconds: float = 0.0) -> Decoded:
        """A stretch of a recording, or all of it.

        Args:
            log_probs: (T, V) of its frames.
            levels: (N,) its loudness by `speech_levels`, for better times.
            start_seconds: Where in the recording it begins.
        """
        decoded = self.decode(log_probs)
        words = find_words(
            log_probs,
            decoded[0][0],
            self.tokenizer,
            self.frame_seconds,
            levels=levels,
            start_seconds=start_seconds,
            confidence=self.confidence,
        )
        return Decoded(tuple(Alternative(self.spell(tokens), score) for tokens, score in decoded), words)

    def join(self, readings: Sequence[Decoded]) -> Decoded:
        """The reading of a recording from those of its stretches, in their order."""
        ways = [_Way(0.0 if self.beam else math.nan)]
        for reading in readings:
            ways = _go_on(ways, reading.alternatives, self.nbest)
        scores: dict[str, float] = {}
        for way in ways:  # several may lead to one text
            scores.setdefault(_spell_out(way), way.score)
        alternatives = tuple(Alternative(text, score) for text, score in scores.items())
        return Decoded(alternatives, tuple(word for reading in readings for word in reading.words))

    def decode(self, log_probs: LogProbs) -> list[tuple[Sequence[int], float]]:
        """Token ids and scores of the n best readings of (T, V) log probabilities, best first."""
        if self.beam is not None:
            return [(one.tokens, one.score) for one in self._search(self.beam, log_probs)]
        path = greedy_decode(log_probs[None], np.array([len(log_probs)]))[0]
        return [(path, math.nan)]

    def _search(self, beam: BeamDecoder, log_probs: LogProbs) -> list[Hypothesis]:
        wanted = self.nbest if self.rescorer is None else max(self.nbest, self.rescorer.settings.nbest)
        (found,) = decode_different(beam, self.tokenizer, [log_probs], wanted, num_threads=1)
        return found if self.rescorer is None else self.rescorer.rescore(found)[: self.nbest]

    def spell(self, tokens: Sequence[int]) -> str:
        """The text that tokens spell, with single spaces between its words."""
        return _spell(self.tokenizer, tokens)


def decode_different(
    beam: BeamDecoder,
    tokenizer: Tokenizer,
    utterances: Sequence[LogProbs],
    count: int,
    *,
    num_threads: int | None = None,
) -> list[list[Hypothesis]]:
    """The `count` best readings of each utterance; where words are said in several ways, only the best way of each."""
    if count == 1 or tokenizer.pronunciations is None:
        return beam.decode_batch(utterances, nbest=count, num_threads=num_threads)
    chosen = []
    for hypotheses in beam.decode_batch(utterances, nbest=beam.beam_size, num_threads=num_threads):
        best: dict[str, Hypothesis] = {}
        for hypothesis in hypotheses:
            best.setdefault(_spell(tokenizer, hypothesis.tokens), hypothesis)
        chosen.append(list(best.values())[:count])
    return chosen


def _spell(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    # The network may begin with a space, or say one twice.
    return " ".join(tokenizer.decode(tokens).split())


class _Way(NamedTuple):
    """A way through the readings of a recording's stretches so far; texts are joined at its end alone."""

    score: float
    text: str = ""
    before: "_Way | None" = None


def _go_on(ways: Iterable[_Way], alternatives: Sequence[Alternative], count: int) -> list[_Way]:
    """The best ways to go on from one of the first with one of the alternatives."""
    further = (_Way(way.score + one.score, one.text, way) for way in ways for one in alternatives)
    return heapq.nlargest(count, further, key=lambda way: way.score)


def _spell_out(way: _Way | None) -> str:
    texts = []
    while way is not None:
        texts.append(way.text)
        way = way.before
    return " ".join(text for text in reversed(texts) if text)
