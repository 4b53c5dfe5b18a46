"""Text files in, sentences out: what language models and lexicons are made from.

A text may be given with a weight: `transcripts.txt:8` counts as if the file were there eight times.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from asr.errors import ConfigError, TextError
from asr.files import read_lines
from asr.language.ngram.model import END, START

Unit: TypeAlias = Literal["word", "char"]  # what a language model predicts
SPACE = "▁"  # a space, in models of characters


class WeightedText(NamedTuple):
    """A text file and how many times it counts."""

    path: Path
    weight: int = 1


def parse_weighted_text(text: Path | str) -> WeightedText:
    """Split `PATH:WEIGHT`; a file whose name really ends so is taken whole, once.

    Raises:
        ConfigError: If the weight of an existing file is not a whole number of 1 or more.
    """
    path, colon, weight = str(text).rpartition(":")
    if not colon or Path(text).exists():
        return WeightedText(Path(text))
    if weight.isascii() and weight.isdecimal() and int(weight) > 0:
        return WeightedText(Path(path), int(weight))
    if Path(path).exists():
        raise ConfigError(f"{text}: the weight is {weight!r}; expected a whole number of 1 or more, such as {path}:8")
    return WeightedText(Path(text))  # missing, as reading it will report


def read_sentences(
    texts: Iterable[Path | str], unit: Unit = "word", prepare: Callable[[str], str] = str
) -> Iterator[list[str]]:
    """Yield the sentences of text files, one per line; empty lines are skipped.

    Args:
        texts: UTF-8 text files, each perhaps with a weight; `.gz` and `.xz` are decompressed.
        unit: "char" splits into characters, with `▁` for each space.
        prepare: Applied to each line first.

    Yields:
        Words or characters; a sentence of a text with weight n comes n times in a row.

    Raises:
        TextError: If a file cannot be read, or contains `<s>` or `</s>`.
        ConfigError: If a weight is not a whole number of 1 or more.
    """
    for path, weight in [parse_weighted_text(text) for text in texts]:
        for number, line in enumerate(read_lines(path), start=1):
            words = prepare(line).split()
            if unit == "char":
                words = list(SPACE.join(words))
            elif START in words or END in words:
                raise TextError(f"{path}:{number}: {START} and {END} are added by the program; remove them")
            for _ in range(weight if words else 0):
                yield words
