"""The language models of a model folder: found, loaded and replaced.

A folder may hold one for beam search, n-grams or a recurrent one, and a recurrent one for rescoring.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from asr.atomic import atomic_write
from asr.decode.scorer.rnn import RnnLM
from asr.language import load
from asr.language.load import is_rnn_folder
from asr.language.ngram.binary import is_binary, write_binary
from asr.language.ngram.model import NgramModel
from asr.model_files import copy_model_files

# For beam search; the first that exists counts. The one without a suffix is the folder of a recurrent model.
LANGUAGE_MODELS = ("lm", "lm.bin", "lm.arpa.gz", "lm.arpa")
RESCORER = "rescore"  # the folder of the recurrent one for rescoring


def find_language_model(folder: Path) -> Path | None:
    """Find the language model for beam search in a model folder."""
    paths = (folder / name for name in LANGUAGE_MODELS)
    return next((path for path in paths if path.is_file() or is_rnn_folder(path)), None)


def find_rescorer(folder: Path) -> Path | None:
    """Find the recurrent language model for rescoring in a model folder."""
    return folder / RESCORER if is_rnn_folder(folder / RESCORER) else None


def load_language_model(path: Path, symbols: Sequence[str], *, precision: str = "auto") -> NgramModel | RnnLM:
    """Load a language model for beam search: n-grams from a file, or from a folder a recurrent one, with its precision.

    Raises:
        ModelError: If it is broken, or a folder of something else.
        ConfigError: If a recurrent one has another alphabet than the symbols.
    """
    model = load.load_language_model(path, precision=precision)
    return model if isinstance(model, NgramModel) else RnnLM(model, symbols)


def save_language_model(model: NgramModel | RnnLM, source: Path, folder: Path) -> None:
    """Make a language model, which was loaded from `source`, the one for beam search in a model folder."""
    if isinstance(model, NgramModel):
        if is_binary(source):  # keeps compact models compact
            with atomic_write(folder / "lm.bin") as partial:
                shutil.copyfile(source, partial)
        else:
            write_binary(model, folder / "lm.bin")
        shutil.rmtree(folder / "lm", ignore_errors=True)
    else:
        copy_model_files(source, folder / "lm")


def save_rescorer(source: Path, folder: Path) -> None:
    """Make the recurrent language model in the folder `source` the one for rescoring in a model folder."""
    copy_model_files(source, folder / RESCORER)
