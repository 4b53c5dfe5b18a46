"""Tokens and when they were said in, words with times and confidences out.

words = find_words(log_probs, tokens, tokenizer, frame_seconds, levels=speech_levels(waveform, rate))
segments = segment_words(words)
"""

from collections.abc import Sequence

import numpy as np

from asr.alignment import Alignment, align_tokens
from asr.config import ConfidenceSettings
from asr.decode.word_ends import pool_word_ends
from asr.jit import Array
from asr.recognize.confidence import estimate_confidence, word_features
from asr.recognize.word_boundaries import find_boundaries
from asr.text.tokenizer import Tokenizer
from asr.text.words import group_tokens
from asr.transcript.transcript import Segment, Word

PAUSE_SECONDS = 0.6  # between segments; shorter ones are made within a sentence
WINDOW_SECONDS = 0.025  # of sound in a feature frame


def find_words(
    log_probs: Array,
    tokens: Sequence[int],
    tokenizer: Tokenizer,
    frame_seconds: float,
    *,
    levels: Array | None = None,
    window_seconds: float = WINDOW_SECONDS,
    start_seconds: float = 0.0,
    confidence: ConfidenceSettings | None = None,
) -> tuple[Word, ...]:
    """Words of a text that was recognised, by forced alignment.

    Args:
        log_probs: (T, V) natural-log probabilities of the recording or a stretch of it.
        tokens: What was recognised there, without blanks.
        tokenizer: Knows what the tokens spell.
        frame_seconds: Seconds from one frame to the next.
        levels: (N,) the stretch's `boundaries.speech_levels`; they halve the error of the times.
        window_seconds: Sound in a feature frame.
        start_seconds: Where in the recording the stretch begins; added to all times.
        confidence: What the model was calibrated to; None leaves confidences out.

    Raises:
        AlignmentError: If no path spells the tokens, which cannot be where they were decoded from `log_probs`.
    """
    return words_from_alignment(
        align_decoded(log_probs, tokens, tokenizer),
        tokens,
        tokenizer,
        frame_seconds,
        levels=levels,
        window_seconds=window_seconds,
        start_seconds=start_seconds,
        confidence=confidence,
    )


def align_decoded(log_probs: Array, tokens: Sequence[int], tokenizer: Tokenizer) -> Alignment:
    """The alignment of tokens that were recognised, less a mark at their end, which may not have been heard.

    Raises:
        AlignmentError: As `find_words`.
    """
    heard = tokens[:-1] if tokens and tokens[-1] in tokenizer.word_ends else tokens
    return align_tokens(pool_word_ends(log_probs, tokenizer.word_ends), heard)


def words_from_alignment(
    alignment: Alignment,
    tokens: Sequence[int],
    tokenizer: Tokenizer,
    frame_seconds: float,
    *,
    levels: Array | None = None,
    window_seconds: float = WINDOW_SECONDS,
    start_seconds: float = 0.0,
    confidence: ConfidenceSettings | None = None,
) -> tuple[Word, ...]:
    """Words of aligned tokens; for the arguments see `find_words`."""
    spans = group_tokens(tokens, tokenizer)
    # Frame t is centred on the middle of feature frame 4 t, which is half a window after its start.
    offset = (window_seconds - frame_seconds) / 2
    firsts = alignment.starts[[span.first for span in spans]] * frame_seconds + offset
    lasts = alignment.ends[[span.last - 1 for span in spans]] * frame_seconds + offset
    duration = alignment.num_frames * frame_seconds + offset
    starts, ends = find_boundaries(np.maximum(firsts, 0.0), lasts, duration, levels)
    confidences: list[float] | list[None] = [None] * len(spans)
    if confidence is not None:
        confidences = estimate_confidence(word_features(alignment.log_probs, spans), confidence).tolist()
    return tuple(
        Word(span.text, float(start) + start_seconds, float(end) + start_seconds, known)
        for span, start, end, known in zip(spans, starts, ends, confidences, strict=True)
    )


def segment_words(words: Sequence[Word], pause_seconds: float = PAUSE_SECONDS) -> tuple[Segment, ...]:
    """Cut a recording's words into segments where nothing is said for so many seconds."""
    segments: list[list[Word]] = []
    for word in words:
        if not segments or word.start - segments[-1][-1].end >= pause_seconds:
            segments.append([])
        segments[-1].append(word)
    return tuple(Segment(tuple(some)) for some in segments)
