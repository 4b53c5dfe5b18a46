"""Tokens in, the words that they spell out, as tokenizers write them.

A space stands between words, a unit that begins with U+2581 starts one, or a mark ends it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from asr.text.tokenizer import WORD_START, Tokenizer


class WordTokens(NamedTuple):
    """A word and its tokens: those from `first` up to, not including, `last`."""

    text: str
    first: int
    last: int


def group_tokens(tokens: Sequence[int], tokenizer: Tokenizer) -> list[WordTokens]:
    """The words that tokens spell; tokens that spell none (spaces, marks) belong to no word."""
    words: list[WordTokens] = []
    first: int | None = None  # of the word under way
    for index, token in enumerate(tokens):
        symbol = tokenizer.symbols[token]
        is_mark = token in tokenizer.marks
        starts = symbol.startswith((" ", WORD_START))
        if first is not None and (is_mark or starts):
            words.append(_word(tokens, tokenizer, first, index, mark=is_mark))
            first = None
        if first is None and not is_mark and symbol.strip(" " + WORD_START):
            first = index
    if first is not None:
        words.append(_word(tokens, tokenizer, first, len(tokens), mark=False))
    return [word for word in words if word.text]


def _word(tokens: Sequence[int], tokenizer: Tokenizer, first: int, last: int, *, mark: bool) -> WordTokens:
    return WordTokens(tokenizer.decode(tokens[first : last + mark]).strip(), first, last)
