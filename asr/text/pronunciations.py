"""The pronunciations of many words as rows of one array, instead of a Python object for each.

Building dictionaries of sixty thousand words would take most of the time that a short command has.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, repeat
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


class Pronunciations(Mapping[str, list[tuple[int, ...]]]):
    """The tokens of each pronunciation of each word; to look up, a dictionary.

    Attributes:
        numbers: The words and their numbers, from 0.
        first_rows: (W + 1,) the first row of each word.
        tokens: (R, longest) unsigned, one pronunciation per row, padded with 0.
    """

    def __init__(self, numbers: Mapping[str, int], owners: Array, tokens: Array) -> None:
        """Group rows (R, longest) by the words (R,) that they belong to; those of a word keep their order."""
        order = owners.argsort(kind="stable")
        self.numbers = numbers
        self.first_rows = np.searchsorted(owners[order], np.arange(len(numbers) + 1))
        self.tokens = tokens[order]

    @classmethod
    def of(cls, pronunciations: Mapping[str, Sequence[tuple[int, ...]]]) -> "Pronunciations":
        """Return those of a dictionary; an object of this class is returned unchanged."""
        if isinstance(pronunciations, Pronunciations):
            return pronunciations
        ways = list(chain.from_iterable(pronunciations.values()))
        owners = np.repeat(np.arange(len(pronunciations)), [len(several) for several in pronunciations.values()])
        tokens = to_rows(list(chain.from_iterable(ways)), np.array([*map(len, ways)], np.int64))
        return cls(number_words(pronunciations)[0], owners, tokens)

    def __getitem__(self, word: str) -> list[tuple[int, ...]]:
        number = self.numbers[word]
        rows = self.tokens[self.first_rows[number] : self.first_rows[number + 1]]
        return [tuple(row[row > 0].tolist()) for row in rows]

    def __contains__(self, word: object) -> bool:
        return word in self.numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def find_word(self, tokens: Sequence[int]) -> str | None:
        """Return the word with a pronunciation; of several the last."""
        number = self._numbers_of_rows.get("".join(map(chr, tokens)))
        return None if number is None else self._words[number]

    def find_rows(self, words: Sequence[str]) -> tuple[Array, Array]:
        """Return the rows (M,) of words, and the indices (M,) of their words, rising; unknown words have none."""
        numbers = np.fromiter(map(self.numbers.get, words, repeat(-1)), np.int64, len(words))
        indices = np.flatnonzero(numbers >= 0)
        first, end = self.first_rows[numbers[indices]], self.first_rows[numbers[indices] + 1]
        owners = np.repeat(indices, end - first)
        # Each range of rows begins where the one before it ends in the result.
        return np.arange(len(owners)) + np.repeat(first - np.cumsum(end - first) + (end - first), end - first), owners

    def with_words(self, words: Mapping[str, Sequence[int]]) -> "Pronunciations":
        """Return a copy with more words, of one pronunciation each, which are not among those here."""
        more = to_rows(list(chain.from_iterable(words.values())), np.array([*map(len, words.values())], np.int64))
        tokens = np.zeros((len(self.tokens) + len(more), max(self.tokens.shape[1], more.shape[1])), self.tokens.dtype)
        tokens[: len(self.tokens), : self.tokens.shape[1]] = self.tokens
        tokens[len(self.tokens) :, : more.shape[1]] = more
        owners = np.repeat(np.arange(len(self)), np.diff(self.first_rows))
        owners = np.append(owners, len(self) + np.arange(len(words)))
        return Pronunciations(number_words([*self, *words])[0], owners, tokens)

    @cached_property
    def _words(self) -> list[str]:
        return list(self.numbers)

    @cached_property
    def _numbers_of_rows(self) -> dict[str, int]:
        owners = np.repeat(np.arange(len(self)), np.diff(self.first_rows))
        return dict(zip(as_texts(self.tokens).tolist(), owners.tolist(), strict=True))


def number_words(words: Iterable[str]) -> tuple[dict[str, int], Array]:
    """Number the different words in their order, from 0; return these numbers and that of each word (M,)."""
    numbers: dict[str, int] = {}
    return numbers, np.array([numbers.setdefault(word, len(numbers)) for word in words], np.int64)


def to_rows(tokens: npt.ArrayLike, lengths: Array) -> Array:
    """Arrange the tokens of all words as one row per word (M, longest), padded with 0; in as few bits as they need."""
    tokens = np.asarray(tokens)
    rows = np.zeros((len(lengths), int(lengths.max(initial=0))), np.min_scalar_type(int(tokens.max(initial=0))))
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = tokens
    return rows


def as_texts(rows: Array) -> Array:
    """Turn rows (M, longest >= 1) into texts (M,), which numpy compares and sorts many times faster than rows."""
    return np.ascontiguousarray(rows, np.int32).view(f"U{rows.shape[1]}")[:, 0]
