"""A file of words and their phones in, both ways of looking them up out.

A line holds a word and its phones, separated by white space, as in the lexicons of Kaldi and wav2letter:

    read R IY D
    read R EH D
    red R EH D

A word may have several lines; the first is its spelling in training. Homophones are distinguished by
their order in the file, so the most frequent one comes first. Two habits of the CMU dictionary are
understood: `read(2)` is another pronunciation of `read`, and a comment follows ` #` or a `;;;` that begins a line.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from asr.errors import TextError
from asr.files import read_lines

Phones: TypeAlias = tuple[str, ...]

VARIANT = re.compile(r"(?<=.)\(\d+\)$")  # how the CMU dictionary numbers the pronunciations of a word
_COMMENT = ";;;"
_LINE = "a word and its phones, such as `red R EH D`"


class Lexicon:
    """Words and their phones, in their order; duplicate entries count once.

    Raises:
        TextError: If there is no entry, or one without phones.
    """

    def __init__(self, entries: Iterable[tuple[str, Phones]]) -> None:
        self.entries = tuple(dict.fromkeys(entries))
        self.pronunciations: dict[str, list[Phones]] = {}  # of each word
        self.words: dict[Phones, list[str]] = {}  # of each pronunciation
        for word, phones in self.entries:
            if not word or not phones:
                raise TextError(f"the word {word!r} has no phones; expected a word and its pronunciation")
            self.pronunciations.setdefault(word, []).append(phones)
            self.words.setdefault(phones, []).append(word)
        if not self.entries:
            raise TextError("the lexicon holds no word")

    @property
    def phones(self) -> list[str]:
        """All phones, sorted."""
        return sorted({phone for phones in self.words for phone in phones})

    @property
    def most_homophones(self) -> int:
        """The largest number of words that share a pronunciation."""
        return max(map(len, self.words.values()))

    def save(self, path: Path) -> None:
        """Write a file that `read_lexicon` reads."""
        path.write_bytes("".join(f"{word}\t{' '.join(phones)}\n" for word, phones in self.entries).encode())


def read_lexicon(path: Path) -> Lexicon:
    """Read a lexicon.

    Raises:
        TextError: If the file cannot be read, or a line is not a word and its phones.
    """
    entries = []
    for number, line in enumerate(read_lines(path, hint=f"; expected lines of {_LINE}"), start=1):
        fields = (line.partition(" #")[0] if "#" in line else line).split()
        if not fields or fields[0].startswith(_COMMENT):
            continue
        word = VARIANT.sub("", fields[0]) if fields[0].endswith(")") else fields[0]
        if len(fields) == 1:
            raise TextError(f"{path}:{number}: {word!r} has no phones; expected {_LINE}")
        entries.append((word, tuple(fields[1:])))
    try:
        return Lexicon(entries)
    except TextError as error:
        raise TextError(f"{path}: {error}") from None
