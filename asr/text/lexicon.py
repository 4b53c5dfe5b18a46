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
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np

from asr.errors import TextError
from asr.files import read_lines
from asr.text.pronunciations import Array, as_texts, number_words, to_rows

Phones: TypeAlias = tuple[str, ...]

MOST_HOMOPHONES = 8  # that a network distinguishes, each by a token of its own

VARIANT = re.compile(r"(?<=.)\(\d+\)$")  # how the CMU dictionary numbers the pronunciations of a word
_COMMENT = ";;;"
_LINE = "a word and its phones, such as `red R EH D`"
_UNUSUAL_SPACE = re.compile(r"[^\S\t\n ]|\ufeff")
_LONGEST_PHONE = 8  # bytes, in files that are read at once


class Lexicon:
    """Words and their phones, in their order; duplicate entries count once.

    Attributes:
        phones: All phones, sorted.
        numbers: The words and their numbers, from 0.
        owners: (E,) the number of each entry's word.
        sounds: (E, longest) unsigned, each entry's phones, numbered from 1 and padded with 0.
        homophones: (E,) how many entries before each one have the same phones.

    Raises:
        TextError: If there is no entry, or one without phones.
    """

    def __init__(self, entries: Iterable[tuple[str, Phones]]) -> None:
        entries = list(entries)
        for word, phones in entries:
            if not word or not phones:
                raise TextError(f"the word {word!r} has no phones; expected a word and its pronunciation")
        if not entries:
            raise TextError("the lexicon holds no word")
        names = sorted({phone for _, phones in entries for phone in phones})
        numbers = {phone: number for number, phone in enumerate(names, start=1)}
        lengths = np.array([len(phones) for _, phones in entries])
        sounds = to_rows([numbers[phone] for _, phones in entries for phone in phones], lengths)
        self._set_entries([word for word, _ in entries], names, sounds)

    @classmethod
    def from_rows(cls, words: Sequence[str], phones: list[str], sounds: Array) -> "Lexicon":
        """Make a lexicon of the word (E,) and the phones (E, longest) of each entry; see `phones` and `sounds`."""
        lexicon = cls.__new__(cls)
        lexicon._set_entries(words, phones, sounds)
        return lexicon

    def with_phones(self, phones: list[str]) -> "Lexicon":
        """Return the same entries with their phones numbered by `phones`, sorted, which must contain all of theirs."""
        numbers = np.array([0, *(1 + phones.index(phone) for phone in self.phones)], np.min_scalar_type(len(phones)))
        words = list(self.numbers)
        return Lexicon.from_rows([words[owner] for owner in self.owners.tolist()], phones, numbers[self.sounds])

    @cached_property
    def entries(self) -> tuple[tuple[str, Phones], ...]:
        """The words and their phones."""
        words, names = list(self.numbers), ["", *self.phones]
        return tuple(
            (words[owner], tuple(names[sound] for sound in sounds if sound))
            for owner, sounds in zip(self.owners.tolist(), self.sounds.tolist(), strict=True)
        )

    @cached_property
    def pronunciations(self) -> dict[str, list[Phones]]:
        """Those of each word."""
        pronunciations: dict[str, list[Phones]] = {}
        for word, phones in self.entries:
            pronunciations.setdefault(word, []).append(phones)
        return pronunciations

    @cached_property
    def words(self) -> dict[Phones, list[str]]:
        """Those of each pronunciation."""
        words: dict[Phones, list[str]] = {}
        for word, phones in self.entries:
            words.setdefault(phones, []).append(word)
        return words

    @property
    def most_homophones(self) -> int:
        """The largest number of words that share a pronunciation."""
        return int(self.homophones.max()) + 1

    def save(self, path: Path) -> None:
        """Write a file that `read_lexicon` reads."""
        path.write_bytes("".join(f"{word}\t{' '.join(phones)}\n" for word, phones in self.entries).encode())

    def _set_entries(self, words: Sequence[str], phones: list[str], sounds: Array) -> None:
        # 1. Entries in the order of their phones, and where other phones begin.
        order = as_texts(sounds).argsort(kind="stable")
        texts = as_texts(sounds[order])
        is_first = np.append(True, texts[1:] != texts[:-1])
        # 2. Without duplicates: the same phones of the same word.
        numbers, owners = number_words(words)
        keys = np.cumsum(is_first) * len(numbers) + owners[order]
        rising = keys.argsort(kind="stable")
        is_duplicate = keys[rising[1:]] == keys[rising[:-1]]
        if is_duplicate.any():
            kept = np.sort(np.delete(order[rising], 1 + np.flatnonzero(is_duplicate)))
            self._set_entries([words[entry] for entry in kept], phones, sounds[kept])
            return
        # 3. How far each entry is from the first with its phones.
        places = np.arange(len(order))
        self.homophones = np.empty_like(places)
        self.homophones[order] = places - np.maximum.accumulate(np.where(is_first, places, 0))
        self.phones, self.numbers, self.owners, self.sounds = phones, numbers, owners, sounds


def read_lexicon(path: Path) -> Lexicon:
    """Read a lexicon.

    Raises:
        TextError: If the file cannot be read, or a line is not a word and its phones.
    """
    if (lexicon := _read_plain(path)) is not None:
        return lexicon
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


def _read_plain(path: Path) -> Lexicon | None:
    """Read a lexicon at once if its lines are as `Lexicon.save` writes them; else return None.

    Lines are a word, a tab and phones with single spaces between. No comment, no number of a variant.
    """
    try:
        content = path.read_bytes()
        text = content.decode()
    except (OSError, UnicodeDecodeError):
        return None
    codes = np.frombuffer(content, np.uint8)
    # 1. Fields end at white space, which is a tab after each line's first field.
    ends = np.flatnonzero(codes <= ord(" "))
    lengths = np.diff(ends, prepend=-1) - 1
    after = codes[ends]
    is_word, ends_line = after == ord("\t"), after == ord("\n")
    phone_fields = np.flatnonzero(~is_word)
    is_plain = (
        content.endswith(b"\n")
        and lengths.all()
        and (is_word | ends_line | (after == ord(" "))).all()
        and np.array_equal(is_word, np.append(True, ends_line[:-1]))
        and not any(mark in content for mark in (b"#", b";", b")"))
        and (text.isascii() or not _UNUSUAL_SPACE.search(text))
        and lengths[phone_fields].max() <= _LONGEST_PHONE
    )
    if not is_plain:
        return None
    # 2. The eight bytes from each phone's first on, as a number of which the bytes after the phone are cleared.
    ends, lengths = ends[phone_fields], lengths[phone_fields]
    spare_bits = np.arange(64, -1, -8, dtype=np.uint64)[lengths]
    eights = np.ndarray(len(content), ">u8", content + bytes(8), strides=(1,))
    names = eights[ends - lengths] >> spare_bits << spare_bits
    phones, numbers = _number_names(names)
    sounds = to_rows(numbers, np.diff(np.flatnonzero(ends_line), prepend=-1) - 1)
    return Lexicon.from_rows(text.replace("\n", "\t").split("\t")[:-1:2], phones, sounds)


def _number_names(names: Array) -> tuple[list[str], Array]:
    """Return the different names, sorted, and the number of each name (N,), from 1; a name is eight bytes, a uint64."""
    # Most lexicons have some fifty phones, which seldom share one of these slots. This saves sorting all names.
    slots = names * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(48)
    owners = np.zeros(1 << 16, np.uint64)
    owners[slots] = names
    if not np.array_equal(owners[slots], names):
        owners, slots = names, np.arange(len(names))
    different = sorted(set(owners[owners > 0].tolist()))
    numbers = (np.searchsorted(np.array(different, np.uint64), owners) + 1).astype(np.int32)[slots]
    return [name.to_bytes(8, "big").rstrip(b"\0").decode() for name in different], numbers
