"""Tokens and when they were said in, words with times and confidences out.

    words = find_words(log_probs, tokens, tokenizer, frame_seconds, levels=speech_levels(waveform, rate))
    segments = segment_words(words)

Tokens are read as words the way tokenizers write them: a space between words, or a unit that
begins with U+2581.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asr.acoustic.alignment import Alignment, align_tokens
from asr.compiled import Array
from asr.recognize.boundaries import find_boundaries
from asr.recognize.transcript import Segment, Word
from asr.text.tokenizer import WORD_START, Tokenizer

PAUSE_SECONDS = 0.6  # between segments; shorter ones are made within a sentence
WINDOW_SECONDS = 0.025  # of sound in a feature frame


class WordTokens(NamedTuple):
    """A word and its tokens: those from `first` up to, not including, `last`."""

    text: str
    first: int
    last: int


def find_words(
    log_probs: Array,
    tokens: Sequence[int],
    tokenizer: Tokenizer,
    frame_seconds: float,
    *,
    levels: Array | None = None,
    window_seconds: float = WINDOW_SECONDS,
    start_seconds: float = 0.0,
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

    Raises:
        AlignmentError: If no path spells the tokens, which cannot be where they were decoded from `log_probs`.
    """
    return words_from_alignment(
        align_tokens(log_probs, tokens),
        tokens,
        tokenizer,
        frame_seconds,
        levels=levels,
        window_seconds=window_seconds,
        start_seconds=start_seconds,
    )


def words_from_alignment(
    alignment: Alignment,
    tokens: Sequence[int],
    tokenizer: Tokenizer,
    frame_seconds: float,
    *,
    levels: Array | None = None,
    window_seconds: float = WINDOW_SECONDS,
    start_seconds: float = 0.0,
) -> tuple[Word, ...]:
    """Words of aligned tokens; for the arguments see `find_words`."""
    spans = group_tokens(tokens, tokenizer)
    # Frame t is centred on the middle of feature frame 4 t, which is half a window after its start.
    offset = (window_seconds - frame_seconds) / 2
    firsts = alignment.starts[[span.first for span in spans]] * frame_seconds + offset
    lasts = alignment.ends[[span.last - 1 for span in spans]] * frame_seconds + offset
    duration = alignment.num_frames * frame_seconds + offset
    starts, ends = find_boundaries(np.maximum(firsts, 0.0), lasts, duration, levels)
    return tuple(
        Word(span.text, float(start) + start_seconds, float(end) + start_seconds)
        for span, start, end in zip(spans, starts, ends, strict=True)
    )


def group_tokens(tokens: Sequence[int], tokenizer: Tokenizer) -> list[WordTokens]:
    """The words that tokens spell; tokens that spell none (spaces) belong to no word."""
    words: list[WordTokens] = []
    text, first = "", 0
    for index, token in enumerate(tokens):
        symbol = tokenizer.symbols[token]
        if symbol == " " or symbol.startswith(WORD_START):
            if text:
                words.append(WordTokens(text, first, index))
            text, symbol = "", symbol.lstrip(" " + WORD_START)
        if not text:
            first = index
        text += symbol
    if text:
        words.append(WordTokens(text, first, len(tokens)))
    return words


def segment_words(words: Sequence[Word], pause_seconds: float = PAUSE_SECONDS) -> tuple[Segment, ...]:
    """Cut a recording's words into segments where nothing is said for so many seconds."""
    segments: list[list[Word]] = []
    for word in words:
        if not segments or word.start - segments[-1][-1].end >= pause_seconds:
            segments.append([])
        segments[-1].append(word)
    return tuple(Segment(tuple(some)) for some in segments)
