"""The files of a model folder, a recogniser's or a recurrent language model's, from which no code is ever run.

model.safetensors   weights in half precision or in 8 bits (weights.py)
config.yaml         what is needed to build the network and to prepare its input (config.py)
tokens.txt, ...     the tokenizer (text/)
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from torch import nn

from asr.atomic import atomic_write
from asr.config import SETTINGS_FILE, LanguageSettings, ModelSettings
from asr.errors import AsrError, ModelError
from asr.text.load import load_tokenizer
from asr.text.tokenizer import Tokenizer
from asr.weights import load_weights, save_weights, to_half

WEIGHTS_FILE = "model.safetensors"

_Network = TypeVar("_Network", bound=nn.Module)
_Settings = TypeVar("_Settings", ModelSettings, LanguageSettings)


def save_model_files(
    network: nn.Module, tokenizer: Tokenizer, settings: ModelSettings | LanguageSettings, folder: Path
) -> None:
    """Write a model folder, with weights in float16: error rates do not notice, and the file is half as large.

    Raises:
        ModelError: If a weight is not finite.
        AsrError: If the folder cannot be written to.
    """
    weights = to_half(network, folder / WEIGHTS_FILE)
    settings.save(folder / SETTINGS_FILE)
    tokenizer.save(folder)
    save_weights(weights, folder / WEIGHTS_FILE)  # last: if they are there, the rest is too


def load_model_files(
    folder: Path,
    load_settings: Callable[[Path], _Settings],
    build_network: Callable[[_Settings, int], _Network],
    kind: str,
) -> tuple[_Network, Tokenizer, _Settings]:
    """Read a model folder; `build_network` takes the settings and the number of tokens, messages name the kind.

    Returns:
        The network in float32 on the CPU, in evaluation mode; its tokenizer and settings.

    Raises:
        ModelError: If a file is missing or broken, or the files do not fit together.
    """
    try:
        settings = load_settings(folder / SETTINGS_FILE)
        tokenizer = load_tokenizer(folder, settings.tokenizer)
    except AsrError as error:
        raise ModelError(f"{folder}: not a usable {kind}: {error}") from None
    network = build_network(settings, tokenizer.vocab_size)
    load_weights(network, folder / WEIGHTS_FILE)
    return network.eval(), tokenizer, settings


def copy_model_files(source: Path, folder: Path) -> None:
    """Copy the files of a model folder, but not its subfolders.

    Raises:
        AsrError: If the folder cannot be written to.
    """
    files = filter(Path.is_file, source.iterdir())
    for path in sorted(files, key=lambda path: (path.name == WEIGHTS_FILE, path)):  # the weights last
        with atomic_write(folder / path.name) as partial:
            shutil.copyfile(path, partial)
