"""A path in, the language model that it holds out: n-grams or recurrent.

Torch is loaded for recurrent models alone.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from asr.config import SETTINGS_FILE
from asr.language.ngram.files import load_ngram
from asr.language.ngram.model import NgramModel

if TYPE_CHECKING:
    from asr.language.rnn.model import RnnModel


def is_rnn_folder(path: Path) -> bool:
    """Whether a path is the folder of a recurrent language model, rather than an n-gram model's file."""
    return (path / SETTINGS_FILE).is_file()


def load_language_model(path: Path) -> "NgramModel | RnnModel":
    """Load a language model of either kind.

    Raises:
        ModelError: If it is broken, or a folder of something else.
    """
    if is_rnn_folder(path):
        from asr.language.rnn.model import load_rnn

        return load_rnn(path)
    return load_ngram(path)
