"""Log probabilities in, words out: decoding, and then the times and confidences of what was decoded.

Knows nothing of audio or networks. A `Reader` holds no recording; threads share it.
"""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from asr.config import ConfidenceSettings
from asr.decode.beam import BeamDecoder
from asr.decode.greedy import greedy_decode
from asr.decode.rescoring import Rescorer
from asr.decode.state import Hypothesis
from asr.recognize.boundaries import Levels
from asr.recognize.transcript import Alternative, Word
from asr.recognize.words import find_words
from asr.text.tokenizer import Tokenizer

LogProbs: TypeAlias = npt.NDArray[np.float32]  # (T, V) natural logs


@dataclass(frozen=True)
class Reading:
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


class Reader:
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

    def read(self, log_probs: LogProbs, levels: Levels | None = None, start_seconds: float = 0.0) -> Reading:
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
        return Reading(tuple(Alternative(self.spell(tokens), score) for tokens, score in decoded), words)

    def join(self, readings: Sequence[Reading]) -> Reading:
        """The reading of a recording from those of its stretches, in their order."""
        alternatives = [Alternative("", 0.0 if self.beam else math.nan)]
        for reading in readings:
            alternatives = _join_alternatives(alternatives, reading.alternatives, self.nbest)
        return Reading(tuple(alternatives), tuple(word for reading in readings for word in reading.words))

    def decode(self, log_probs: LogProbs) -> list[tuple[Sequence[int], float]]:
        """Token ids and scores of the n best readings of (T, V) log probabilities, best first."""
        if self.beam is not None:
            return [(one.tokens, one.score) for one in self._search(self.beam, log_probs)]
        path = greedy_decode(torch.from_numpy(log_probs)[None], torch.tensor([len(log_probs)]))[0]
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


def _join_alternatives(before: Iterable[Alternative], after: Sequence[Alternative], count: int) -> list[Alternative]:
    """The best ways to go on from one of the first readings with one of the second."""
    joined = (Alternative(f"{one.text} {two.text}".strip(), one.score + two.score) for one in before for two in after)
    return heapq.nlargest(count, joined, key=lambda one: one.score)
