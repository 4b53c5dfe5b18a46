"""Recurrent language models on disk: a model folder (model_files.py) in, a model out, and back.

tokens.txt holds the alphabet; token 0 stands for the line break, which both starts and ends a sentence.
"""

from pathlib import Path

from asr.config import LanguageSettings
from asr.errors import ModelError
from asr.language.rnn.model import RnnModel
from asr.language.rnn.network import LanguageNetwork
from asr.model_files import load_model_files, save_model_files


def build_network(settings: LanguageSettings, vocab_size: int) -> LanguageNetwork:
    """Build the network that the settings describe, with random weights."""
    return LanguageNetwork(settings.network, vocab_size)


def save_rnn(model: RnnModel, folder: Path) -> None:
    """Write a model folder.

    Raises:
        ModelError: If a weight is not finite.
        AsrError: If the folder cannot be written to.
    """
    save_model_files(model.network, model.tokenizer, model.settings, folder)


def load_rnn(folder: Path | str) -> RnnModel:
    """Read a model folder; the network is on the CPU.

    Raises:
        ModelError: If it is not one, or its parts do not fit together.
    """
    folder = Path(folder)
    if folder.is_file():
        raise ModelError(f"{folder}: a file; a recurrent language model is a folder, which training one writes")
    return RnnModel(*load_model_files(folder, LanguageSettings.load, build_network, "recurrent language model"))
