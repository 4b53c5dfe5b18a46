"""ARPA text, plain or gzipped: the exchange format of n-gram models (Doug Paul's; see ngram-format(5) of SRILM).

    \\data\\
    ngram 1=4
    ngram 2=3

    \\1-grams:
    -1.2 <unk>
    0 <s> -0.3
    ...
    \\end\\
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr.atomic import atomic_write
from asr.errors import ModelError
from asr.files import open_text, read_lines
from asr.language.ngram.model import MAX_STATES, NgramTables, OrderTable

_ROWS_AT_ONCE = 1 << 16
_BLANKS = " \t\r\n\0"  # as in KenLM: words may hold other white space, such as U+00A0
_LEAST, _MOST_BACKOFF = -1000.0, 10.0  # log10; values beyond would overflow in a search


def read_arpa(path: Path | str) -> NgramTables:
    """Read a model.

    Raises:
        ModelError: If the file cannot be read, is cut short or is not ARPA. The message names the line.
    """
    return _Parser(Path(path)).parse()


def write_arpa(tables: NgramTables, path: Path | str) -> None:
    """Write a model, whole or not at all; a name that ends in `.gz` is compressed.

    Raises:
        AsrError: If the file cannot be written.
    """
    with atomic_write(Path(path)) as partial, open_text(partial) as file:
        file.write("\\data\\\n")
        for order, table in enumerate(tables.orders, start=1):
            file.write(f"ngram {order}={len(table.scores)}\n")
        for order, table in enumerate(tables.orders, start=1):
            file.write(f"\n\\{order}-grams:\n")
            for first in range(0, len(table.scores), _ROWS_AT_ONCE):
                file.writelines(_format_lines(tables.words, table, first, has_backoff=order < len(tables.orders)))
        file.write("\n\\end\\\n")


def _format_lines(words: list[str], table: OrderTable, first: int, *, has_backoff: bool) -> Iterator[str]:
    rows = slice(first, first + _ROWS_AT_ONCE)
    columns = zip(table.ngrams[rows].tolist(), table.scores[rows].tolist(), table.backoffs[rows].tolist(), strict=True)
    for ngram, score, backoff in columns:
        text = " ".join([words[number] for number in ngram])
        # 32-bit floats hold no more than seven digits.
        yield f"{score:.7g}\t{text}\t{backoff:.7g}\n" if has_backoff else f"{score:.7g}\t{text}\n"


class _Parser:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = read_lines(path, ModelError)
        self.line_number = 0
        self.numbers: dict[str, int] = {}

    def parse(self) -> NgramTables:
        counts, line = self._read_header()
        orders = []
        for order, count in enumerate(counts, start=1):
            self._expect(f"\\{order}-grams:", line)
            orders.append(self._read_order(order, count, len(counts)))
            line = self._next_line()
        self._expect("\\end\\", line, f" after the {len(counts)}-grams")
        return NgramTables(list(self.numbers), orders)

    def _read_header(self) -> tuple[list[int], str]:
        """Return the number of n-grams of each order, and the line after them."""
        while (line := self._next_line()) != "\\data\\":
            if line.startswith("\\") or self.line_number > 1000:
                raise self._error(f"expected \\data\\ at the beginning of an ARPA file, found {line[:60]!r}")
        counts: list[int] = []
        while match := re.fullmatch(r"ngram\s+([0-9]{1,18})\s*=\s*([0-9]{1,18})", line := self._next_line()):
            if int(match[1]) != len(counts) + 1:
                raise self._error(f"expected the number of {len(counts) + 1}-grams, found {line!r}")
            counts.append(int(match[2]))
        if not counts or not counts[0]:
            raise self._error("expected at least one unigram in \\data\\")
        return counts, line

    def _expect(self, section: str, line: str, after: str = "") -> None:
        if line != section:
            raise self._error(f"expected {section}{after}, found {line[:60]!r}")

    def _read_order(self, order: int, count: int, max_order: int) -> OrderTable:
        try:
            if count > MAX_STATES:
                raise MemoryError
            ngrams, scores, backoffs = np.empty((count, order), np.int32), *np.zeros((2, count), np.float32)
        except MemoryError:
            raise self._error(f"\\data\\ announces {count} {order}-grams, more than memory can hold") from None
        for row in range(count):
            fields = _split(self._next_line())
            if len(fields) not in (order + 1, order + 2) or (len(fields) == order + 2 and order == max_order):
                line = " ".join(fields)[:60]
                if line.startswith("\\"):
                    raise self._error(
                        f"\\data\\ announces {count} {order}-grams, but after {row} of them comes {line!r}"
                    )
                raise self._error(f"expected a log10 probability, {order} words and perhaps a backoff, found {line!r}")
            scores[row] = self._number(fields[0], is_probability=True)
            if len(fields) == order + 2:
                backoffs[row] = self._number(fields[-1], is_probability=False)
            ngrams[row] = self._find_numbers(fields[1 : order + 1], order)
        return OrderTable(ngrams, scores, backoffs)

    def _number(self, text: str, *, is_probability: bool) -> float:
        try:
            value = float(text)
        except ValueError:
            raise self._error(f"expected a number, found {text!r}") from None
        if text.lower() == "-inf":
            return -100.0 if is_probability else -99.0  # as in KenLM and SRILM
        if not math.isfinite(value):
            raise self._error(f"expected a finite number, found {text!r}")
        if is_probability and value > 0:
            raise self._error(f"a log10 probability is at most 0, found {text!r}")
        if not _LEAST <= value <= _MOST_BACKOFF:
            raise self._error(f"expected a log10 between {_LEAST:g} and {_MOST_BACKOFF:g}, found {text!r}")
        return value

    def _find_numbers(self, words: list[str], order: int) -> list[int]:
        if order == 1:
            word = "<unk>" if words[0] == "<UNK>" else words[0]
            if word in self.numbers:
                raise self._error(f"the unigram {word!r} appears twice")
            self.numbers[word] = len(self.numbers)
            return [self.numbers[word]]
        try:
            return [self.numbers[word] for word in words]
        except KeyError as error:
            if error.args[0] == "<UNK>" and "<unk>" in self.numbers:
                return [self.numbers["<unk>" if word == "<UNK>" else word] for word in words]
            raise self._error(f"the word {error.args[0]!r} is in no unigram") from None

    def _next_line(self) -> str:
        """Return the next line that is not empty."""
        for line in self.lines:
            self.line_number += 1
            if line := line.strip(_BLANKS):
                return line
        raise self._error("the file ends before \\end\\: it is cut short")

    def _error(self, problem: str) -> ModelError:
        return ModelError(f"{self.path}:{self.line_number}: {problem}")


def _split(line: str) -> list[str]:
    """Split at ASCII blanks; `str.split` would also split at others."""
    return [field for field in line.replace("\t", " ").split(" ") if field]
