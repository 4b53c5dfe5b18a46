"""How tokens spell words: the letters of each token, and a vocabulary as a tree of letters.

A token is one character, or a piece of several with the word separator, if any, in front
(`▁the`). The separator is a space or `▁`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from asr.compiled import Array
from asr.errors import ConfigError

SEPARATORS = " ▁"


class Spelling(NamedTuple):
    """The letters of a model's tokens; letter 0 is the separator."""

    letters: dict[str, int]
    starts_word: Array  # (V,) bool
    first_letter: Array  # (V + 1,) int32
    token_letters: Array  # int32, without separators

    @property
    def has_separator(self) -> bool:
        """Whether any token ends a word."""
        return bool(self.starts_word.any())

    def encode(self, text: str) -> list[int] | None:
        """Letters of a text, spaces as 0; None where a character is in no token."""
        letters = [self.letters.get(character) for character in text]
        return None if None in letters else [letter for letter in letters if letter is not None]


class Lexicon(NamedTuple):
    """Words as a tree, level by level; place 0 is the root and the children of a place are numbered in a row."""

    first_child: Array  # (L + 1,) int32
    letters: Array  # (L,) int32, rising among siblings
    words: Array  # (L,) int32, number of the word that ends here, or -1


def spell_tokens(symbols: Sequence[str]) -> Spelling:
    """Find the letters of each token.

    Args:
        symbols: (V,) the tokens as text; the first is the blank and spells nothing.

    Raises:
        ConfigError: If a separator stands elsewhere than at a token's beginning.
    """
    letters = dict.fromkeys(SEPARATORS, 0)
    starts_word = np.zeros(len(symbols), np.bool_)
    first_letter = np.zeros(len(symbols) + 1, np.int32)
    token_letters: list[int] = []
    for token, symbol in enumerate(symbols):
        if token > 0:
            starts_word[token] = symbol[:1] in SEPARATORS and symbol != ""
            body = symbol[1:] if starts_word[token] else symbol
            if any(separator in body for separator in SEPARATORS):
                raise ConfigError(
                    f"token {token} is {symbol!r}: a word separator can only stand at a token's beginning"
                )
            token_letters += [letters.setdefault(character, len(letters) - 1) for character in body]
        first_letter[token + 1] = len(token_letters)
    return Spelling(letters, starts_word, first_letter, np.array(token_letters, np.int32))


def look_ahead(lexicon: Lexicon, scores: Array) -> Array:
    """The best score of any word at or below each place.

    Args:
        lexicon: Words as a tree.
        scores: (L + 1,) of the words at each place, -inf where there is none; the last one is kept.
    """
    best = scores.copy()
    parents = np.repeat(np.arange(len(lexicon.words)), np.diff(lexicon.first_child))
    for place in range(len(lexicon.words) - 1, 0, -1):
        parent = parents[place - 1]
        if best[place] > best[parent]:
            best[parent] = best[place]
    return np.where(np.isneginf(best), 0.0, best)


def build_lexicon(spellings: Iterable[tuple[Sequence[int], int]]) -> Lexicon:
    """Arrange words as a tree of letters.

    Args:
        spellings: (letters, word number) pairs with letters above 0, each spelling once.
    """
    ordered = sorted((tuple(letters), word) for letters, word in spellings)
    lengths = np.array([len(letters) for letters, _ in ordered], np.int64)
    width = int(lengths.max(initial=0))
    padded = np.zeros((len(ordered), width), np.int32)
    for row, (letters, _) in enumerate(ordered):
        padded[row, : len(letters)] = letters
    numbers = np.array([word for _, word in ordered], np.int32)
    place = np.zeros(len(ordered), np.int64)  # of each word's prefix, so far
    all_letters, parents, words = [np.zeros(1, np.int32)], [], [np.full(1, -1, np.int32)]
    num_places = 1
    for depth in range(width):
        rows = np.flatnonzero(lengths > depth)
        new = np.ones(len(rows), np.bool_)
        new[1:] = (np.diff(place[rows]) != 0) | (np.diff(padded[rows, depth]) != 0)
        parents.append(place[rows[new]])
        all_letters.append(padded[rows[new], depth])
        place[rows] = num_places + np.cumsum(new) - 1
        level_words = np.full(int(new.sum()), -1, np.int32)
        ending = np.flatnonzero(lengths == depth + 1)
        level_words[place[ending] - num_places] = numbers[ending]
        words.append(level_words)
        num_places += len(level_words)
    children = np.bincount(np.concatenate(parents), minlength=num_places) if parents else np.zeros(1, np.int64)
    first_child = np.concatenate([[1], 1 + np.cumsum(children)]).astype(np.int32)
    return Lexicon(first_child, np.concatenate(all_letters), np.concatenate(words))
