"""Plain text in, text with marks and capitals out, line by line."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from asr.config import SETTINGS_FILE, ModelSettings, WrittenSettings
from asr.errors import ModelError, TextError
from asr.files import decode_lines, read_lines
from asr.jobs.inputs import STANDARD_INPUT
from asr.language.punctuator import PUNCTUATOR_FOLDER, Punctuator, is_punctuator_folder
from asr.recognize.model_folder import find_model
from asr.recognize.options import check_numbers
from asr.text.normalize import normalize
from asr.text.written.punctuated import write_punctuated


def load_punctuator(name: str | Path) -> tuple[Punctuator, WrittenSettings]:
    """Load a punctuator from its own folder, or that of a recogniser's model, with the model's settings.

    Raises:
        ModelError: If there is no such folder, or the model has no punctuator.
    """
    if is_punctuator_folder(Path(name)):
        return Punctuator.load(name), WrittenSettings()
    model = find_model(name)
    if not is_punctuator_folder(model / PUNCTUATOR_FOLDER):
        raise ModelError(f"{name}: has no punctuator; expected one in {model / PUNCTUATOR_FOLDER}")
    return Punctuator.load(model / PUNCTUATOR_FOLDER), ModelSettings.load_saved(model / SETTINGS_FILE).written


def punctuate_lines(lines: Iterable[str], punctuator: Punctuator, *, numbers: str = "words") -> Iterator[str]:
    """Write each line as a text of its own; marks and capitals that it has already do not count.

    Args:
        lines: Text; its digits stay digits.
        punctuator: Adds marks and capitals.
        numbers: "words", or "digits" to write number words as people do.

    Raises:
        ConfigError: If `numbers` is neither, or the punctuator's language is not English.
    """
    settings = punctuator.settings.normalizer
    check_numbers(numbers, settings)
    settings = settings.model_copy(update={"spell_out_numbers": None})
    for line in lines:
        words = normalize(line, settings).split()
        written = punctuator.punctuate(words)
        if numbers == "digits":
            written = [group.text for group in write_punctuated(words, written)]
        yield " ".join(written)


def read_input(path: str) -> Iterator[str]:
    """Yield the lines of a text file, or of standard input. Raises TextError if it cannot be read."""
    if path != STANDARD_INPUT:
        return read_lines(path)
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise TextError("standard input is closed; give a file")
    return decode_lines(stream, "standard input")
