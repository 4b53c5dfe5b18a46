"""How tokens spell words: the letters of each token, and a lexicon as a trie of letters.

A token is one character, or a piece of several with the word separator, if any, in front
(`▁the`). The separator is a space or `▁`. If words are spelled by their pronunciations, each token
is one letter: a phone or a word-end symbol; homophones differ in their word-end symbol.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import NamedTuple

import numpy as np

from asr.decode.kernel.scores import TokenTables
from asr.errors import ConfigError
from asr.jit import Array, jit
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
        (M, longest) int32 letters, one row per spelling of a word, padded with 0; and (M,) the indices of
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
        encoded: (M, longest) int32, as `encode_words` returns them.
        numbers: (M,) int32 numbers of the words; of equal spellings the last counts.

    Returns:
        `first_child`, `letters` and `words` of `TrieTables`.
    """
    encoded, numbers = _sort_words(encoded, numbers)
    lengths = (encoded > 0).sum(axis=1)
    trie_nodes = np.zeros(len(encoded), np.int64)  # of each word's prefix, so far
    all_letters, parents, words = [np.zeros(1, np.int32)], [], [np.full(1, -1, np.int32)]
    num_nodes = 1
    for depth in range(encoded.shape[1]):
        # 1. Words that are long enough; those that begin a node of this level.
        rows = np.flatnonzero(lengths > depth)
        is_new = np.ones(len(rows), np.bool_)
        is_new[1:] = (np.diff(trie_nodes[rows]) != 0) | (np.diff(encoded[rows, depth]) != 0)
        # 2. The nodes, numbered in the words' order.
        parents.append(trie_nodes[rows[is_new]])
        all_letters.append(encoded[rows[is_new], depth])
        trie_nodes[rows] = num_nodes + np.cumsum(is_new) - 1
        # 3. The words that end there.
        level_words = np.full(int(is_new.sum()), -1, np.int32)
        ending = np.flatnonzero(lengths == depth + 1)
        level_words[trie_nodes[ending] - num_nodes] = numbers[ending]
        words.append(level_words)
        num_nodes += len(level_words)
    num_children = np.bincount(np.concatenate(parents), minlength=num_nodes) if parents else np.zeros(1, np.int64)
    first_child = np.concatenate([[1], 1 + np.cumsum(num_children)]).astype(np.int32)
    return first_child, np.concatenate(all_letters), np.concatenate(words)


@jit
def smear(first_child: Array, scores: Array) -> None:
    """Raise the score of each node (L + 1,) to the best of those below, which is the LM look-ahead."""
    for trie_node in range(len(first_child) - 2, -1, -1):  # children have higher numbers
        for child in range(first_child[trie_node], first_child[trie_node + 1]):
            scores[trie_node] = max(scores[trie_node], scores[child])


def _alphabet_of_phones(symbols: Sequence[str], pronunciations: Pronunciations) -> Alphabet:
    rows = pronunciations.tokens
    word_ends = np.unique(rows[np.arange(len(rows)), (rows > 0).sum(axis=1) - 1])
    ends_word = np.zeros(len(symbols), np.bool_)
    ends_word[word_ends] = True
    if (ends_word[rows].sum(axis=1) > 1).any():
        raise ConfigError("a pronunciation has a word-end symbol within it, or ends without one")
    tokens = np.arange(len(symbols), dtype=np.int32)
    letters = dict.fromkeys(SEPARATORS, 0) | {symbol: token for token, symbol in enumerate(symbols) if token > 0}
    first_letter = np.append(np.int32(0), tokens)  # the blank, token 0, has none
    tables = TokenTables(True, np.zeros_like(ends_word), ends_word, first_letter, tokens[1:])
    return Alphabet(letters, tables, pronunciations)


def _sort_words(encoded: Array, numbers: Array) -> tuple[Array, Array]:
    """Sort words by their letters, and drop duplicates."""
    if encoded.size == 0:
        return encoded, numbers
    texts = as_texts(encoded)
    order = texts.argsort(kind="stable")
    last = order[np.append(texts[order[1:]] != texts[order[:-1]], True)]
    return encoded[last], numbers[last]
