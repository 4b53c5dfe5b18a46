"""Text files in, sentences out: what language models and lexicons are made from.

A text may be given with a weight: `transcripts.txt:8` counts as if the file were there eight times.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from asr.config import LanguageSettings
from asr.errors import ConfigError, TextError
from asr.files import read_lines
from asr.language.ngram.model import END, START
from asr.text.normalize import normalize

Unit: TypeAlias = Literal["word", "char"]  # what a language model predicts
SPACE = "▁"  # a space, in models of characters


def parse_weighted_text(text: Path | str) -> tuple[Path, int]:
    """Split `PATH:WEIGHT` into a file and how many times it counts; one whose name really ends so counts once.

    Raises:
        ConfigError: If the weight of an existing file is not a whole number of 1 or more.
    """
    path, colon, weight = str(text).rpartition(":")
    if not colon or Path(text).exists():
        return Path(text), 1
    if weight.isascii() and weight.isdecimal() and int(weight) > 0:
        return Path(path), int(weight)
    if Path(path).exists():
        raise ConfigError(f"{text}: the weight is {weight!r}; expected a whole number of 1 or more, such as {path}:8")
    return Path(text), 1  # missing, as reading it will report


def read_sentences(
    texts: Iterable[Path | str], unit: Unit = "word", prepare: Callable[[str], str] = str
) -> Iterator[list[str]]:
    """Yield the words of each sentence of text files, one per line; empty lines are skipped.

    Args:
        texts: UTF-8 text files; each sentence of one with weight n comes n times in a row.
        unit: "char" splits into characters, with `▁` for each space.
        prepare: Applied to each line first.

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


def read_text(texts: Sequence[Path | str], settings: LanguageSettings) -> list[str]:
    """Return the lines of text files as a recurrent model expects them; no empty ones if lines are sentences.

    Raises:
        TextError: If a file cannot be read, or there is no text.
        ConfigError: If a weight is not a whole number of 1 or more.
    """
    lines: list[str] = []
    for path, weight in map(parse_weighted_text, texts):
        lines += [prepare_line(line, settings) for line in read_lines(path)] * weight
    if settings.lines == "sentences":
        lines = [line for line in lines if line]
    if not any(lines):
        raise TextError(f"{', '.join(map(str, texts))}: there is no text")
    return lines


def prepare_line(line: str, settings: LanguageSettings) -> str:
    """Return a line as a recurrent model expects it."""
    if settings.normalizer is not None:
        return normalize(line, settings.normalizer)
    if settings.tokenizer.kind == "subword":
        # Units keep no white space but one space between words; what they cannot express must not be counted.
        return " ".join(line.split())
    # An alphabet has one kind of white space.
    return "".join(" " if letter.isspace() else letter for letter in line)
