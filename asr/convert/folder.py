"""The folder of an imported model: graph, settings, tokens and a card that names its source."""

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from asr import __version__
from asr.atomic import write_text
from asr.config import (
    SETTINGS_FILE,
    DecoderSettings,
    FeatureSettings,
    GraphSettings,
    ModelSettings,
    NormalizerSettings,
    TokenizerSettings,
)
from asr.errors import AsrError, ModelError
from asr.language.load import save_ngram
from asr.language.ngram.model import NgramModel
from asr.model_files import CARD, TABLE
from asr.recognize.model_folder import save_imported
from asr.text.tokenizer import BLANK_SYMBOL, CharTokenizer, PieceTokenizer, Tokenizer

_PUNCTUATION = ".,?!"
_TEMPLATE = """# {name}

A speech recognition model that was imported; give this folder to `asr transcribe` as the model.

| | |
| --- | --- |
{facts}

## Results

As measured by `asr evaluate`, which adds rows if it is told to:

{table}
## Limits

It can write only what its tokens can spell. Its confidences are not calibrated; `asr calibrate` does that on
development data. The licence of the original model holds for this copy of its weights.
"""


@dataclass(frozen=True)
class ImportOptions:
    """What a file does not say of its model.

    Attributes:
        output: The folder to write.
        licence: Of the model, for its card.
        source: Where the model comes from, such as an address, for its card.
    """

    output: Path
    licence: str = ""
    source: str = ""


class LanguageModel(NamedTuple):
    """A language model, and how the search uses it."""

    model: NgramModel
    decoder: DecoderSettings


def check_output(folder: Path) -> None:
    """Check that no model would be overwritten. Raises AsrError if one would."""
    if (folder / SETTINGS_FILE).exists():
        raise AsrError(f"{folder}: holds a model already; choose another folder, or remove it")


def write_folder(
    graph: bytes,
    tokenizer: Tokenizer,
    features: FeatureSettings,
    feeding: GraphSettings,
    options: ImportOptions,
    facts: Mapping[str, str],
    language: LanguageModel | None = None,
) -> None:
    """Write the folder of an imported model.

    Args:
        graph: See runtime/imported/graph.py.
        tokenizer: Its tokens, the blank first.
        features: What the graph takes.
        feeding: How it takes them.
        options: The user's.
        facts: For the card, by their names.
        language: Its language model, if it has one.

    Raises:
        ModelError: If the parts do not fit together.
        AsrError: If the folder cannot be written to.
    """
    kind = "char" if isinstance(tokenizer, CharTokenizer) else "piece"
    settings = ModelSettings(
        features=features,
        normalizer=guess_normalizer(tokenizer.symbols),
        tokenizer=TokenizerSettings(kind=kind),
        graph=feeding,
        decoder=DecoderSettings() if language is None else language.decoder,
    )
    if language is not None:
        save_ngram(language.model, options.output / "lm.bin")
    save_imported(graph, tokenizer, settings, options.output)
    streaming = "yes" if feeding.streaming else "no: the network needs whole recordings"
    rows = {
        **facts,
        "task": f"speech to text, {tokenizer.vocab_size - 1} symbols ({kind})",
        "live streams": streaming,
        "source": options.source or "not stated",
        "licence": options.licence or "not stated: that of the original model",
        "made with": f"asr {__version__}, {datetime.date.today().isoformat()}",
    }
    lines = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    name = options.output.resolve().name
    write_text(options.output / CARD, _TEMPLATE.format(name=name, facts=lines, table=TABLE))


def build_tokenizer(symbols: Sequence[str]) -> Tokenizer:
    """Build the tokenizer of a list of symbols, whose first is the blank, whatever the program calls it."""
    symbols = [BLANK_SYMBOL, *symbols[1:]]
    if all(len(symbol) == 1 for symbol in symbols[1:]) and not any(symbol == "\u2581" for symbol in symbols):
        return CharTokenizer(symbols)
    return PieceTokenizer(symbols)


def blank_first(blank: int, vocab_size: int) -> list[int]:
    """Return the order of tokens in which the blank is the first."""
    return [blank, *(token for token in range(vocab_size) if token != blank)]


def guess_normalizer(symbols: Sequence[str]) -> NormalizerSettings:
    """Guess how texts are normalised for these symbols: only what they cannot spell is changed."""
    spelled = {character for symbol in symbols[1:] if not symbol.startswith("<") for character in symbol}
    return NormalizerSettings(
        lowercase=not any(character.isupper() for character in spelled),
        strip_punctuation=not spelled & set(_PUNCTUATION),
    )


def read_file(path: Path) -> bytes:
    """Read a file. Raises ModelError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None


def describe_file(path: Path, content: bytes) -> str:
    """Describe a file that was imported, for a card."""
    return f"`{path.name}`, {len(content) / 1e6:.1f} MB, sha256 {hashlib.sha256(content).hexdigest()[:16]}"
