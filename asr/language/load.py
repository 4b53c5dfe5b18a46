"""Language models on disk: n-grams in either format (ngram/arpa.py, ngram/binary.py), or a recurrent model's folder.

ONNX Runtime is loaded for recurrent models alone.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from asr.config import SETTINGS_FILE
from asr.errors import ModelError
from asr.language.ngram.arpa import read_arpa, write_arpa
from asr.language.ngram.binary import is_binary, read_binary, write_binary
from asr.language.ngram.model import NgramModel, NgramTables

if TYPE_CHECKING:
    from asr.language.rnn.model import RnnModel


def is_rnn_folder(path: Path) -> bool:
    """Whether a path is the folder of a recurrent language model, rather than an n-gram model's file."""
    return (path / SETTINGS_FILE).is_file()


def load_language_model(path: Path, *, precision: str = "auto") -> "NgramModel | RnnModel":
    """Load a language model of either kind.

    Raises:
        ModelError: If it is broken, or a folder of something else.
    """
    if is_rnn_folder(path):
        from asr.language.rnn.model import load_rnn

        return load_rnn(path, precision=precision)
    return load_ngram(path)


def load_ngram(path: Path | str) -> NgramModel:
    """Load a model from ARPA text (`.arpa`, `.arpa.gz`) or from the binary form.

    Raises:
        ModelError: If the file cannot be read or is broken.
    """
    if Path(path).is_dir():
        raise ModelError(
            f"{path}: a folder that holds no recurrent language model; expected a file of n-grams, or such a folder"
        )
    if is_binary(path):
        return read_binary(path)
    tables = read_arpa(path)
    try:
        return NgramModel.from_tables(tables)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def save_ngram(model: NgramTables | NgramModel, path: Path | str, *, compact: bool = False) -> None:
    """Write ARPA text if the name ends in `.arpa` or `.arpa.gz`, else the binary form (`compact`: see `write_binary`).

    Raises:
        AsrError: If the file cannot be written.
    """
    if str(path).endswith((".arpa", ".arpa.gz")):
        write_arpa(model.to_tables() if isinstance(model, NgramModel) else model, path)
    else:
        write_binary(model if isinstance(model, NgramModel) else NgramModel.from_tables(model), path, compact=compact)
