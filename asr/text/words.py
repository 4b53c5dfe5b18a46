"""Tokens in, the words they spell out, for every kind of tokenizer.

A space stands between words, a unit that begins with U+2581 starts one, or a word end follows it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from asr.text.tokenizer import WORD_START, Tokenizer


class WordTokens(NamedTuple):
    """A word and its tokens: those from `first` up to, but not including, `last`."""

    text: str
    first: int
    last: int


def group_tokens(tokens: Sequence[int], tokenizer: Tokenizer) -> list[WordTokens]:
    """Group tokens into words; spaces and word ends belong to none."""
    words: list[WordTokens] = []
    first: int | None = None  # of the current word
    for index, token in enumerate(tokens):
        symbol = tokenizer.symbols[token]
        is_end = token in tokenizer.word_ends
        starts = symbol.startswith((" ", WORD_START))
        if first is not None and (is_end or starts):
            words.append(_word(tokens, tokenizer, first, index, has_end=is_end))
            first = None
        if first is None and not is_end and symbol.strip(" " + WORD_START):
            first = index
    if first is not None:
        words.append(_word(tokens, tokenizer, first, len(tokens), has_end=False))
    return [word for word in words if word.text]


def _word(tokens: Sequence[int], tokenizer: Tokenizer, first: int, last: int, *, has_end: bool) -> WordTokens:
    return WordTokens(tokenizer.decode(tokens[first : last + has_end]).strip(), first, last)
