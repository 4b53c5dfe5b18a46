"""How tokens spell words: the letters of each token, and a lexicon as a trie of letters.

A token is one character, or a piece of several with the word separator, if any, in front
(`▁the`). The separator is a space or `▁`. If words are spelled by their pronunciations, each token
is one letter: a phone or a word-end symbol; homophones differ in their word-end symbol.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise, product
from typing import NamedTuple

import numpy as np

from asr.decode.kernel.scores import TokenTables
from asr.errors import ConfigError
from asr.jit import Array
from asr.text.pronunciations import Pronunciations, as_texts, to_rows

SEPARATORS = " ▁"
_MAX_SPELLINGS = 32  # of a phrase


class Alphabet(NamedTuple):
    """The letters that a model's tokens spell; letter 0 is the separator."""

    letters: dict[str, int]
    tokens: TokenTables
    pronunciations: Pronunciations | None = None

    def find_unknown(self, phrase: str) -> list[str]:
        """Return characters that are in no token, or words without a pronunciation."""
        if self.pronunciations is not None:
            return sorted({word for word in phrase.split() if word not in self.pronunciations})
        return sorted({character for character in phrase if character not in self.letters})

    def encode(self, phrase: str) -> Iterator[list[int]]:
        """Yield the spellings, in letters, of a phrase without anything unknown; spaces are 0."""
        if self.pronunciations is None:
            yield [self.letters[character] for character in phrase]
            return
        spellings = product(*(dict.fromkeys(self.pronunciations[word]) for word in phrase.split()))
        for spelling in islice(spellings, _MAX_SPELLINGS):
            yield [letter for word in spelling for letter in (0, *word)][1:]


def build_alphabet(
    symbols: Sequence[str], pronunciations: Mapping[str, Sequence[tuple[int, ...]]] | None = None
) -> Alphabet:
    """Find the letters of each token (V,); the first is the blank and spells nothing.

    Raises:
        ConfigError: If a separator is not at a token's beginning, or a pronunciation does not end in a word end.
    """
    if pronunciations is not None:
        return _alphabet_of_phones(symbols, Pronunciations.of(pronunciations))
    letters = dict.fromkeys(SEPARATORS, 0)
    starts_word = np.array([False, *(symbol.startswith(tuple(SEPARATORS)) for symbol in symbols[1:])])
    bodies = ["", *(symbol[int(starts_word[token]) :] for token, symbol in enumerate(symbols[1:], start=1))]
    for token, body in enumerate(bodies):
        if any(separator in body for separator in SEPARATORS):
            raise ConfigError(
                f"token {token} is {symbols[token]!r}: a word separator can only stand at a token's beginning"
            )
    spelled = [letters.setdefault(character, len(letters) - 1) for body in bodies for character in body]
    first_letter = np.cumsum([0, *map(len, bodies)], dtype=np.int32)
    tables = TokenTables(False, starts_word, np.zeros_like(starts_word), first_letter, np.array(spelled, np.int32))
    return Alphabet(letters, tables)


def encode_words(words: Sequence[str], alphabet: Alphabet) -> tuple[Array, Array]:
    """Encode many words at once.

    Returns:
        (M, longest) letters, one row per spelling of a word, padded with 0; and (M,) the indices of
        these words, rising. A word that cannot be spelled has no row.
    """
    if alphabet.pronunciations is not None:
        rows, owners = alphabet.pronunciations.find_rows(words)
        return alphabet.pronunciations.tokens[rows], owners
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), "<u4")
    by_code = np.full(max(map(ord, alphabet.letters)) + 2, -1, np.int32)  # the last one for all codes beyond
    by_code[[ord(character) for character in alphabet.letters]] = list(alphabet.letters.values())
    letters = by_code[np.minimum(codes, len(by_code) - 1)]
    owners = np.repeat(np.arange(len(words)), lengths)
    has_spelling = (np.bincount(owners, letters <= 0, minlength=len(words)) == 0) & (lengths > 0)
    return to_rows(letters[has_spelling[owners]], lengths[has_spelling]), np.flatnonzero(has_spelling)


def build_trie(encoded: Array, numbers: Array) -> tuple[Array, Array, Array]:
    """Arrange words as a trie of letters, numbered level by level.

    Args:
        encoded: (M, longest), as `encode_words` returns them.
        numbers: (M,) int32 places of the words in the lexicon; of equal spellings the last counts.

    Returns:
        `first_child`, `letters` and `entries` of `TrieTables`.
    """
    if encoded.size == 0:
        return np.array([1, 1], np.int32), np.zeros(1, np.int32), np.full(1, -1, np.int32)
    order = as_texts(encoded).argsort(kind="stable")
    letters = np.ascontiguousarray(encoded[order].T)  # (longest, M)
    # 1. Where a prefix differs from that of the word before, a node begins.
    begins = letters > 0
    begins[:, 1:] &= np.logical_or.accumulate(letters[:, 1:] != letters[:, :-1])
    new = np.flatnonzero(begins)
    # 2. The node of each prefix, after those of the empty ones; nodes are numbered level by level.
    nodes = np.append(np.zeros(len(order), np.int32), np.cumsum(begins, dtype=np.int32))  # ((1 + longest) * M,)
    first_child = np.append(1, 1 + np.cumsum(np.bincount(nodes[new], minlength=1 + len(new)))).astype(np.int32)
    # 3. The words that end there.
    words = np.full(1 + len(new), -1, np.int32)
    words[nodes[np.count_nonzero(letters, axis=0) * len(order) + np.arange(len(order))]] = numbers[order]
    return first_child, np.append(0, letters.ravel()[new]).astype(np.int32), words


def smear(first_child: Array, scores: Array) -> None:
    """Raise the score of each node (L + 1,) to the best of those below, which is the LM look-ahead."""
    levels = [slice(0, 1)]  # of nodes
    while (below := slice(*first_child[[levels[-1].start, levels[-1].stop]])).stop > below.start:
        levels.append(below)
    for level, below in reversed(list(pairwise(levels))):
        parents = level.start + np.flatnonzero(np.diff(first_child[level.start : level.stop + 1]))
        best = np.maximum.reduceat(scores[below], first_child[parents] - below.start)
        scores[parents] = np.maximum(scores[parents], best)


def _alphabet_of_phones(symbols: Sequence[str], pronunciations: Pronunciations) -> Alphabet:
    rows = pronunciations.tokens
    last = rows[np.arange(len(rows)), np.count_nonzero(rows, axis=1) - 1]
    ends_word = np.zeros(len(symbols), np.bool_)
    ends_word[last] = True
    if np.count_nonzero(ends_word[rows]) > len(rows):
        raise ConfigError("a pronunciation has a word-end symbol within it, or ends without one")
    tokens = np.arange(len(symbols), dtype=np.int32)
    letters = dict.fromkeys(SEPARATORS, 0) | {symbol: token for token, symbol in enumerate(symbols) if token > 0}
    first_letter = np.append(np.int32(0), tokens)  # the blank, token 0, has none
    tables = TokenTables(True, np.zeros_like(ends_word), ends_word, first_letter, tokens[1:])
    return Alphabet(letters, tables, pronunciations)
