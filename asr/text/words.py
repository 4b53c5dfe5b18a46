"""Tokens in, words and the tokens of each out.

Depending on the tokenizer, words are separated by a space, started by a unit that begins with U+2581, or ended by
a word-end symbol.
"""

from collections.abc import Sequence
from typing import NamedTuple

from asr.text.tokenizer import WORD_START, Tokenizer


class WordTokens(NamedTuple):
    """A word and its tokens, from `first` up to but not including `last`."""

    text: str
    first: int
    last: int


def group_tokens(tokens: Sequence[int], tokenizer: Tokenizer) -> list[WordTokens]:
    """Group tokens into words; spaces and word-end symbols belong to no word."""
    words: list[WordTokens] = []
    first: int | None = None  # of the current word
    for index, token in enumerate(tokens):
        symbol = tokenizer.symbols[token]
        ends_word = token in tokenizer.marks
        starts = symbol.startswith((" ", WORD_START))
        if first is not None and (ends_word or starts):
            words.append(_word(tokens, tokenizer, first, index, ends_word=ends_word))
            first = None
        if first is None and not ends_word and symbol.strip(" " + WORD_START):
            first = index
    if first is not None:
        words.append(_word(tokens, tokenizer, first, len(tokens), ends_word=False))
    return [word for word in words if word.text]


def _word(tokens: Sequence[int], tokenizer: Tokenizer, first: int, last: int, *, ends_word: bool) -> WordTokens:
    return WordTokens(tokenizer.decode(tokens[first : last + ends_word]).strip(), first, last)
