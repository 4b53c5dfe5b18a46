"""The files of a model folder, a recogniser's or a recurrent language model's, from which no code is ever run.

model.safetensors   weights in half precision or in 8 bits (weights.py)
config.yaml         what is needed to build the network and to prepare its input (config.py)
tokens.txt, ...     the tokenizer (text/)
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from asr.atomic import atomic_write
from asr.config import SETTINGS_FILE, LanguageSettings, ModelSettings
from asr.errors import AsrError, ModelError
from asr.text.load import load_tokenizer
from asr.text.tokenizer import Tokenizer
from asr.weights import Array, Shapes, Weights, read_weights, save_weights, to_half

WEIGHTS_FILE = "model.safetensors"
CARD = "README.md"
TABLE = (
    "| speech | utterances | words | WER | 95 % interval | CER | ECE of confidences |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)

_Settings = TypeVar("_Settings", ModelSettings, LanguageSettings)


def save_model_files(
    weights: Mapping[str, Array], tokenizer: Tokenizer, settings: ModelSettings | LanguageSettings, folder: Path
) -> None:
    """Write a model folder, with weights in float16: error rates do not notice, and the file is half as large.

    Raises:
        ModelError: If a weight is not finite.
        AsrError: If the folder cannot be written to.
    """
    half = to_half(weights, folder / WEIGHTS_FILE)
    settings.save(folder / SETTINGS_FILE)
    tokenizer.save(folder)
    save_weights(half, folder / WEIGHTS_FILE)  # last: if they are there, the rest is too


def load_model_files(
    folder: Path,
    load_settings: Callable[[Path], _Settings],
    list_shapes: Callable[[_Settings, int], Shapes],
    kind: str,
) -> tuple[Weights, Tokenizer, _Settings]:
    """Read a model folder.

    Args:
        folder: The folder.
        load_settings: Reads its settings.
        list_shapes: Returns the shapes of the network's weights, given the settings and the number of tokens.
        kind: What messages call the model.

    Raises:
        ModelError: If a file is missing or broken, or the files do not fit together.
    """
    try:
        settings = load_settings(folder / SETTINGS_FILE)
        tokenizer = load_tokenizer(folder, settings.tokenizer)
    except AsrError as error:
        raise ModelError(f"{folder}: not a usable {kind}: {error}") from None
    weights = read_weights(folder / WEIGHTS_FILE)
    weights.check(list_shapes(settings, tokenizer.vocab_size), folder / WEIGHTS_FILE)
    return weights, tokenizer, settings


def copy_model_files(source: Path, folder: Path) -> None:
    """Copy the files of a model folder, but not its subfolders.

    Raises:
        AsrError: If the folder cannot be written to.
    """
    files = filter(Path.is_file, source.iterdir())
    for path in sorted(files, key=lambda path: (path.name == WEIGHTS_FILE, path)):  # the weights last
        with atomic_write(folder / path.name) as partial:
            shutil.copyfile(path, partial)
