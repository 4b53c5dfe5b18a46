"""Plain text in, text with marks and capitals out, line by line."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from asr.config import SETTINGS_FILE, ModelSettings, NormalizerSettings, WrittenSettings
from asr.errors import ModelError, TextError
from asr.files import decode_lines, read_lines
from asr.jobs.inputs import STANDARD_INPUT
from asr.language.punctuator import PUNCTUATOR_FOLDER, Punctuator, is_punctuator_folder
from asr.recognize.model_folder import find_model
from asr.recognize.options import check_numbers
from asr.text.annotations import drop_annotations
from asr.text.normalize import normalize
from asr.text.written.punctuated import write_punctuated

_OPENING, _ENDING = "\"'([{“‘«¿¡", "\"')]}”’».,;:!?…"
_ABBREVIATION = re.compile(r"([^\W\d_]\.){2,}")  # p.m., U.S.
_COMPOUND = re.compile(r"[^\W\d_]+(['’-][^\W\d_]+)+")  # well-known


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

    Figures, abbreviations and addresses stay as they are, except for the marks at their ends: 3.5%, $1,000.50, p.m.,
    me@example.com.

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
        # An annotation may be several words, [background noise], and the words are taken one by one.
        if settings.annotations == "drop":
            line = drop_annotations(line, settings.extra_annotations)
        tokens = _split(line, settings)
        forms = punctuator.punctuate([word for token in tokens for word in token.words])
        written, first = [], 0
        for token in tokens:
            written.append(token.write(forms[first : first + len(token.words)]))
            first += len(token.words)
        if numbers == "digits":
            written = [group.text for group in write_punctuated([token.text for token in tokens], written)]
        yield " ".join(written)


class _Token(NamedTuple):
    """What stands between spaces."""

    text: str  # without the marks at its ends
    words: list[str]  # normalised, as the network knows them

    def write(self, forms: Sequence[str]) -> str:
        """Put capitals and a mark on it, given its words with theirs."""
        if self.words == [self.text]:
            return forms[0]
        mark = forms[-1][len(self.words[-1]) :]
        capital = _COMPOUND.fullmatch(self.text) is not None and forms[0][:1].isupper()
        text = self.text[:1].upper() + self.text[1:] if capital else self.text
        return text + mark.removeprefix(".") if text.endswith(".") else text + mark


def _split(line: str, settings: NormalizerSettings) -> list[_Token]:
    words, tokens = normalize(line, settings).split(), []
    for part in line.split():
        own = normalize(part, settings).split()
        text = part.lstrip(_OPENING).rstrip(_ENDING)
        if _ABBREVIATION.fullmatch(f"{text}."):
            text += "."
        if own:
            is_word = own == [text.lower()] and not any(map(str.isdigit, text))
            tokens.append(_Token(own[0] if is_word else text, own))
    # If words change when they are taken one by one, the line is read as words alone.
    whole = [word for token in tokens for word in token.words] == words
    return tokens if whole else [_Token(word, [word]) for word in words]


def read_input(path: str) -> Iterator[str]:
    """Yield the lines of a text file, or of standard input. Raises TextError if it cannot be read."""
    if path != STANDARD_INPUT:
        return read_lines(path)
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise TextError("standard input is closed; give a file")
    return decode_lines(stream, "standard input")
