"""How tokens spell words: the letters of each token, and a vocabulary as a tree of letters.

A token is one character, or a piece of several with the word separator, if any, in front
(`▁the`). The separator is a space or `▁`. Where words are spelled as they are pronounced, each token
is a letter of its own, a phone or a mark that ends a word; words that sound alike differ in their mark.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import NamedTuple, TypeAlias

import numpy as np

from asr.errors import ConfigError
from asr.jit import Array, jit

SEPARATORS = " ▁"
MOST_WAYS = 32  # to say a phrase

Pronunciations: TypeAlias = Mapping[str, Sequence[tuple[int, ...]]]
"""Words and the ways to say each: tokens, of which the last, and no other, is a mark that ends words."""


class Spelling(NamedTuple):
    """The letters of a model's tokens; letter 0 is the separator."""

    letters: dict[str, int]
    starts_word: Array  # (V,) bool
    ends_word: Array  # (V,) bool, the token is a mark that ends a word
    first_letter: Array  # (V + 1,) int32
    token_letters: Array  # int32, without separators
    pronunciations: Pronunciations | None = None

    @property
    def has_separator(self) -> bool:
        """Whether any token ends a word."""
        return bool((self.starts_word | self.ends_word).any())

    def find_unknown(self, phrase: str) -> list[str]:
        """Characters that are in no token, or words without a pronunciation."""
        if self.pronunciations is not None:
            return sorted({word for word in phrase.split() if word not in self.pronunciations})
        return sorted({character for character in phrase if character not in self.letters})

    def encode(self, phrase: str) -> Iterator[list[int]]:
        """The ways to spell a phrase of which nothing is unknown, in letters; spaces are 0."""
        if self.pronunciations is None:
            yield [self.letters[character] for character in phrase]
            return
        ways = product(*(dict.fromkeys(self.pronunciations[word]) for word in phrase.split()))
        for way in islice(ways, MOST_WAYS):
            yield [letter for word in way for letter in (0, *word)][1:]


class WordTrie(NamedTuple):
    """Words as a tree, level by level; place 0 is the root and the children of a place are numbered in a row."""

    first_child: Array  # (L + 1,) int32
    letters: Array  # (L,) int32, rising among siblings
    words: Array  # (L,) int32, number of the word that ends here, or -1


def spell_tokens(symbols: Sequence[str], pronunciations: Pronunciations | None = None) -> Spelling:
    """Find the letters of each token.

    Args:
        symbols: (V,) the tokens as text; the first is the blank and spells nothing.
        pronunciations: How words are spelled, where not by their characters.

    Raises:
        ConfigError: If a separator stands elsewhere than at a token's beginning, or pronunciations do not end in marks.
    """
    if pronunciations is not None:
        return _spell_phones(symbols, pronunciations)
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
    ends_word = np.zeros(len(symbols), np.bool_)
    return Spelling(letters, starts_word, ends_word, first_letter, np.array(token_letters, np.int32))


def spell_words(words: Sequence[str], spelling: Spelling) -> tuple[Array, Array]:
    """Spell many words at once.

    Returns:
        (M, longest) int32 letters, a row for each way to spell a word, filled up with 0; and (M,) the places of
        these words among all, rising. A word that cannot be spelled has no row.
    """
    if spelling.pronunciations is not None:
        return _pronounce_words(words, spelling.pronunciations)
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), "<u4")
    by_code = np.full(max(map(ord, spelling.letters)) + 2, -1, np.int32)  # the last one for all codes beyond
    by_code[[ord(character) for character in spelling.letters]] = list(spelling.letters.values())
    letters = by_code[np.minimum(codes, len(by_code) - 1)]
    owners = np.repeat(np.arange(len(words)), lengths)
    can_spell = (np.bincount(owners, letters <= 0, minlength=len(words)) == 0) & (lengths > 0)
    lengths = lengths[can_spell]
    spelled = np.zeros((len(lengths), int(lengths.max(initial=0))), np.int32)
    spelled[np.arange(spelled.shape[1]) < lengths[:, None]] = letters[can_spell[owners]]
    return spelled, np.flatnonzero(can_spell)


def look_ahead(tree: WordTrie, scores: Array) -> Array:
    """The best score of any word at or below each place.

    Args:
        tree: Words.
        scores: (L + 1,) of the words at each place, -inf where there is none; the last one is kept.
    """
    best = scores.copy()
    _raise_to_root(tree.first_child, best)
    return np.where(np.isneginf(best), 0.0, best)


def build_trie(spelled: Array, numbers: Array) -> WordTrie:
    """Arrange words as a tree of letters.

    Args:
        spelled: (M, longest) int32, as `spell_words` gives them.
        numbers: (M,) int32 numbers of the words; of one that is there several times the last counts.
    """
    spelled, numbers = _sort_words(spelled, numbers)
    lengths = (spelled > 0).sum(axis=1)
    place = np.zeros(len(spelled), np.int64)  # of each word's prefix, so far
    all_letters, parents, words = [np.zeros(1, np.int32)], [], [np.full(1, -1, np.int32)]
    num_places = 1
    for depth in range(spelled.shape[1]):
        rows = np.flatnonzero(lengths > depth)
        new = np.ones(len(rows), np.bool_)
        new[1:] = (np.diff(place[rows]) != 0) | (np.diff(spelled[rows, depth]) != 0)
        parents.append(place[rows[new]])
        all_letters.append(spelled[rows[new], depth])
        place[rows] = num_places + np.cumsum(new) - 1
        level_words = np.full(int(new.sum()), -1, np.int32)
        ending = np.flatnonzero(lengths == depth + 1)
        level_words[place[ending] - num_places] = numbers[ending]
        words.append(level_words)
        num_places += len(level_words)
    children = np.bincount(np.concatenate(parents), minlength=num_places) if parents else np.zeros(1, np.int64)
    first_child = np.concatenate([[1], 1 + np.cumsum(children)]).astype(np.int32)
    return WordTrie(first_child, np.concatenate(all_letters), np.concatenate(words))


def _spell_phones(symbols: Sequence[str], pronunciations: Pronunciations) -> Spelling:
    marks = {way[-1] for ways in pronunciations.values() for way in ways}
    if not all(marks.isdisjoint(way[:-1]) for ways in pronunciations.values() for way in ways):
        raise ConfigError("a pronunciation has a mark that ends words within it, or ends without one")
    ends_word = np.zeros(len(symbols), np.bool_)
    ends_word[list(marks)] = True
    tokens = np.arange(len(symbols), dtype=np.int32)
    letters = dict.fromkeys(SEPARATORS, 0) | {symbol: token for token, symbol in enumerate(symbols) if token > 0}
    first_letter = np.append(np.int32(0), tokens)  # the blank, token 0, has none
    return Spelling(letters, np.zeros_like(ends_word), ends_word, first_letter, tokens[1:], pronunciations)


def _pronounce_words(words: Sequence[str], pronunciations: Pronunciations) -> tuple[Array, Array]:
    ways = [(place, way) for place, word in enumerate(words) for way in pronunciations.get(word, ())]
    lengths = np.fromiter((len(way) for _, way in ways), np.int64, len(ways))
    spelled = np.zeros((len(ways), int(lengths.max(initial=0))), np.int32)
    spelled[np.arange(spelled.shape[1]) < lengths[:, None]] = [letter for _, way in ways for letter in way]
    return spelled, np.fromiter((place for place, _ in ways), np.int64, len(ways))


def _sort_words(spelled: Array, numbers: Array) -> tuple[Array, Array]:
    """Words by their letters, each once."""
    if spelled.size == 0:
        return spelled, numbers
    # To numpy, rows of letters are texts, which it compares many times faster than Python compares tuples.
    order = np.ascontiguousarray(spelled).view(f"U{spelled.shape[1]}")[:, 0].argsort(kind="stable")
    spelled = spelled[order]
    is_last = np.append((spelled[1:] != spelled[:-1]).any(axis=1), True)
    return spelled[is_last], numbers[order][is_last]


@jit
def _raise_to_root(first_child: Array, best: Array) -> None:
    """Let each place know the best of those below."""
    for place in range(len(first_child) - 2, -1, -1):  # children have higher numbers
        for child in range(first_child[place], first_child[place + 1]):
            best[place] = max(best[place], best[child])
