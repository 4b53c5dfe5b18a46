"""N-gram models on disk, in either of two formats: ARPA text (arpa.py) and the binary form (binary.py)."""

from pathlib import Path

from asr.errors import ModelError
from asr.language.ngram.arpa import read_arpa, write_arpa
from asr.language.ngram.binary import is_binary, read_binary, write_binary
from asr.language.ngram.model import NgramModel, NgramTables


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
    """Write a model: ARPA text if the name ends in `.arpa` or `.arpa.gz`, else the binary form.

    Args:
        model: The model.
        path: The file.
        compact: See `write_binary`.

    Raises:
        AsrError: If the file cannot be written.
    """
    if str(path).endswith((".arpa", ".arpa.gz")):
        write_arpa(model.to_tables() if isinstance(model, NgramModel) else model, path)
    else:
        model = model if isinstance(model, NgramModel) else NgramModel.from_tables(model)
        write_binary(model, path, compact=compact)
