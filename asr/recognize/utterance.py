"""Log probabilities in, words out: decoding, and then the times and confidences of what was decoded.

Knows nothing of audio or networks. A `UtteranceDecoder` holds no recording; threads share it.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from asr.config import ConfidenceSettings
from asr.decode.decoder import BeamDecoder
from asr.decode.greedy import greedy_decode
from asr.decode.parts import Hypothesis
from asr.decode.rescoring import Rescorer
from asr.recognize.confidence import NBEST, Evidence, compute_posteriors, measure_entropy
from asr.recognize.words import FrameTiming, align_decoded, find_words, segment_words
from asr.runtime.network import LogProbs
from asr.signal.loudness import Loudness
from asr.text.tokenizer import Tokenizer
from asr.transcript.transcript import Alternative, Transcript, Word, judge_speech
from asr.transcript.written_text import TextWriter


@dataclass(frozen=True)
class Decoded:
    """The text of a recording or a segment of it."""

    alternatives: tuple[Alternative, ...]  # at least one, best first; their scores are NaN without beam search
    words: tuple[Word, ...]  # of the best one; times from the start of the recording

    @property
    def text(self) -> str:
        """The best hypothesis."""
        return self.alternatives[0].text


@dataclass(frozen=True)
class SearchResult:
    """What was decoded from an utterance, before its words have times.

    Attributes:
        hypotheses: Best first, at least one; without beam search one, whose score is NaN.
        language: Score of the best by the language model of the search, before a second pass; None without beam search.
    """

    hypotheses: Sequence[Hypothesis]
    language: float | None = None

    @classmethod
    def greedy(cls, tokens: Sequence[int]) -> "SearchResult":
        """Make the result of greedy decoding: the tokens of the most probable path."""
        return cls([Hypothesis(tuple(tokens), (), math.nan, math.nan, 0.0, 0.0)])

    @property
    def tokens(self) -> tuple[int, ...]:
        """The best hypothesis."""
        return self.hypotheses[0].tokens

    def gather_evidence(self, log_probs: LogProbs, tokenizer: Tokenizer) -> Evidence:
        """Collect what speaks for its words in (T, V) log probabilities and other hypotheses."""
        posteriors = None if self.language is None else compute_posteriors(self.hypotheses, tokenizer)
        return Evidence(measure_entropy(log_probs), posteriors, self.language)


@dataclass
class UtteranceDecoder:
    """Decodes utterances and finds the times of their words."""

    tokenizer: Tokenizer
    timing: FrameTiming  # of the frames of log probabilities
    _: KW_ONLY
    beam: BeamDecoder | None = None  # None takes the most probable path
    nbest: int = 1  # hypotheses to return, by beam search
    confidence: ConfidenceSettings | None = None  # the model's calibration; None leaves out confidences
    rescorer: Rescorer | None = None  # reorders the hypotheses of beam search
    least_hypotheses: int = 1  # that beam search looks for, however many are returned
    writer: TextWriter | None = None  # writes words out; None leaves them as they are recognised

    def decode(self, log_probs: LogProbs, loudness: Loudness | None = None, start_seconds: float = 0.0) -> Decoded:
        """Decode a recording or a segment of it; for the arguments see `find_words`."""
        result = self.search(log_probs)
        words = self.find_words(log_probs, result, loudness, start_seconds)
        best = result.hypotheses[: self.nbest]
        return Decoded(tuple(Alternative(self.to_text(one.tokens), one.score) for one in best), words)

    def find_words(
        self, log_probs: LogProbs, result: SearchResult, loudness: Loudness | None = None, start_seconds: float = 0.0
    ) -> tuple[Word, ...]:
        """Find the words of what was decoded.

        Args:
            log_probs: (T, V) of a recording or a segment of it.
            result: What was decoded from them.
            loudness: (N,) of `measure_loudness`, for better times.
            start_seconds: Where the segment starts in the recording.
        """
        return find_words(
            align_decoded(log_probs, result.tokens, self.tokenizer),
            result.tokens,
            self.tokenizer,
            self.timing,
            loudness=loudness,
            start_seconds=start_seconds,
            confidence=self.confidence,
            evidence=None if self.confidence is None else result.gather_evidence(log_probs, self.tokenizer),
        )

    def search(self, log_probs: LogProbs) -> SearchResult:
        """Find the n best hypotheses for (T, V) log probabilities, and more if confidences need them."""
        if self.beam is None:
            return SearchResult.greedy(greedy_decode(log_probs[None], np.array([len(log_probs)]))[0])
        (hypotheses,) = decode_distinct(self.beam, self.tokenizer, [log_probs], self.num_hypotheses, num_threads=1)
        return choose_best(hypotheses, self.rescorer)

    @property
    def num_hypotheses(self) -> int:
        """How many are searched for: those to return, those of the second pass, those that confidences need."""
        of_posteriors = NBEST if self.confidence is not None and self.confidence.posterior != 0 else 1
        of_rescorer = self.rescorer.settings.nbest if self.rescorer else 1
        return max(self.nbest, self.least_hypotheses, of_rescorer, of_posteriors)

    def join(self, segments: Sequence[Decoded]) -> Decoded:
        """Join the results of a recording's segments, in their order."""
        sequences = [_Sequence(0.0 if self.beam else math.nan)]
        for segment in segments:
            extended = (
                _Sequence(sequence.score + alternative.score, alternative.text, sequence)
                for sequence in sequences
                for alternative in segment.alternatives
            )
            sequences = heapq.nlargest(self.nbest, extended, key=lambda sequence: sequence.score)
        scores: dict[str, float] = {}
        for sequence in sequences:  # several may have the same text
            scores.setdefault(sequence.join_texts(), sequence.score)
        alternatives = tuple(Alternative(text, score) for text, score in scores.items())
        return Decoded(alternatives, tuple(word for segment in segments for word in segment.words))

    def make_transcript(
        self, segments: Sequence[Decoded], duration: float, source: str | None, warnings: Sequence[str] = ()
    ) -> Transcript:
        """Make the transcript of a recording of `duration` seconds from the results of its segments.

        The warnings are of how it was read; if there are none, words that are unlike speech are a reason for one.
        """
        decoded = self.join(segments)
        transcript = Transcript(
            text=decoded.text,
            duration=duration,
            source=source,
            segments=segment_words(decoded.words),
            alternatives=decoded.alternatives if self.nbest > 1 else (),
            warnings=tuple(warnings) or judge_speech(decoded.words, duration),
        )
        return transcript if self.writer is None else self.writer.write(transcript)

    def to_text(self, tokens: Sequence[int]) -> str:
        """Decode tokens to text, with single spaces between its words."""
        return _to_text(self.tokenizer, tokens)


def choose_best(hypotheses: Sequence[Hypothesis], rescorer: Rescorer | None) -> SearchResult:
    """Reorder the hypotheses of beam search, best first, by the second pass if there is one."""
    language = {hypothesis.tokens: hypothesis.language for hypothesis in hypotheses}
    best = hypotheses if rescorer is None else rescorer.rescore(hypotheses)
    return SearchResult(best, language[best[0].tokens])


def decode_distinct(
    beam: BeamDecoder,
    tokenizer: Tokenizer,
    utterances: Sequence[LogProbs],
    nbest: int,
    *,
    num_threads: int | None = None,
) -> list[list[Hypothesis]]:
    """Return the `nbest` best hypotheses of each utterance; of those that differ in pronunciation only, the best."""
    if nbest == 1 or tokenizer.pronunciations is None:
        return beam.decode_batch(utterances, nbest=nbest, num_threads=num_threads)
    return beam.decode_batch(utterances, nbest=nbest, distinct=partial(_to_text, tokenizer), num_threads=num_threads)


def _to_text(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    # The network may begin with a space, or emit one twice.
    return " ".join(tokenizer.decode(tokens).split())


class _Sequence(NamedTuple):
    """One hypothesis for each of a recording's segments so far, as a linked list."""

    score: float
    text: str = ""
    previous: "_Sequence | None" = None

    def join_texts(self) -> str:
        texts, sequence = [self.text], self.previous
        while sequence is not None:
            texts.append(sequence.text)
            sequence = sequence.previous
        return " ".join(text for text in reversed(texts) if text)
