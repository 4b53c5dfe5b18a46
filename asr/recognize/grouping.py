"""Tokens in, the words that they spell out, as tokenizers write them.

A space stands between words, or a unit that begins with U+2581 starts one.
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
