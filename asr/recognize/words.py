"""Tokens and their alignment in, words with times and confidences out.

alignment = align_decoded(log_probs, tokens, tokenizer)
words = find_words(alignment, tokens, tokenizer, timing, loudness=measure_loudness(waveform, rate))
segments = segment_words(words)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.alignment import Alignment, align_tokens
from asr.config import ConfidenceSettings
from asr.decode.word_ends import pool_word_ends
from asr.jit import Array
from asr.recognize.confidence import Evidence, estimate_confidence, word_features
from asr.recognize.word_boundaries import find_boundaries
from asr.text.tokenizer import Tokenizer, group_tokens
from asr.transcript.transcript import Segment, Word

PAUSE_SECONDS = 0.6  # between segments; within a sentence pauses are shorter


@dataclass(frozen=True)
class FrameTiming:
    """When frames of log probabilities lie in a recording."""

    frame_seconds: float  # from one frame to the next
    window_seconds: float  # sound in a feature frame

    @property
    def offset(self) -> float:
        """Seconds at which the first frame starts, if frames are as long as the steps between them.

        Frame t is centred on the middle of feature frame 4 t, half a window after that one's start.
        """
        return (self.window_seconds - self.frame_seconds) / 2


def align_decoded(log_probs: Array, tokens: Sequence[int], tokenizer: Tokenizer) -> Alignment:
    """Align the tokens that (T, V) log probabilities were decoded to.

    A word-end symbol at their end is left out, since it may have no frame.

    Raises:
        AlignmentError: If no path spells the tokens, which is impossible if they were decoded from `log_probs`.
    """
    ends_word = bool(tokens) and tokens[-1] in tokenizer.word_ends
    return align_tokens(pool_word_ends(log_probs, tokenizer.word_ends), tokens[:-1] if ends_word else tokens)


def find_words(
    alignment: Alignment,
    tokens: Sequence[int],
    tokenizer: Tokenizer,
    timing: FrameTiming,
    *,
    loudness: Array | None = None,
    start_seconds: float = 0.0,
    confidence: ConfidenceSettings | None = None,
    evidence: Evidence | None = None,
) -> tuple[Word, ...]:
    """Find the words of aligned tokens, without blanks.

    Args:
        alignment: Of the tokens, with a recording or a segment of it.
        tokens: (U,) of the words.
        tokenizer: Decodes the tokens.
        timing: Of the frames.
        loudness: (N,) the segment's `measure_loudness`; it halves the error of the times.
        start_seconds: Where the segment starts in the recording; added to all times.
        confidence: The model's calibration; None leaves out confidences.
        evidence: For the confidences.
    """
    spans = group_tokens(tokens, tokenizer)
    frame_seconds, offset = timing.frame_seconds, timing.offset
    firsts = alignment.starts[[span.first for span in spans]] * frame_seconds + offset
    lasts = alignment.ends[[span.last - 1 for span in spans]] * frame_seconds + offset
    duration = alignment.num_frames * frame_seconds + offset
    starts, ends = find_boundaries(np.maximum(firsts, 0.0), lasts, duration, loudness)
    confidences: list[float] | list[None] = [None] * len(spans)
    if confidence is not None:
        features = word_features(alignment.log_probs, spans, evidence or Evidence())
        confidences = estimate_confidence(features, confidence).tolist()
    return tuple(
        Word(span.text, float(start) + start_seconds, float(end) + start_seconds, word_confidence)
        for span, start, end, word_confidence in zip(spans, starts, ends, confidences, strict=True)
    )


def segment_words(words: Sequence[Word], pause_seconds: float = PAUSE_SECONDS) -> tuple[Segment, ...]:
    """Split a recording's words into segments at pauses of at least `pause_seconds`."""
    segments: list[list[Word]] = []
    for word in words:
        if not segments or word.start - segments[-1][-1].end >= pause_seconds:
            segments.append([])
        segments[-1].append(word)
    return tuple(Segment(tuple(group)) for group in segments)
