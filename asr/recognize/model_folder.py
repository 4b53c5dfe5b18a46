"""A trained model on disk: a folder of weights and text, from which no code is ever run.

model.safetensors   weights in half precision or in 8 bits (weights.py), with the training set's feature statistics
config.yaml         what is needed to build the network and to read audio and text
tokens.txt          the alphabet, a symbol a line (text/tokenizer.py)
lexicon.txt         how words are pronounced, where the alphabet is of phones (text/lexicon.py)
README.md           the model card
"""

from dataclasses import dataclass
from pathlib import Path

from asr.acoustic.model import AcousticModel
from asr.atomic import check_writable
from asr.config import ModelSettings, load_model_settings, write_yaml
from asr.errors import AsrError, ModelError
from asr.text.load import load_tokenizer
from asr.text.tokenizer import Tokenizer
from asr.weights import load_weights, quantize_weights, save_weights, to_half

WEIGHTS = "model.safetensors"
SETTINGS = "config.yaml"
BUILT_IN = Path(__file__).parent.parent / "models"


@dataclass(frozen=True)
class Model:
    """The parts of a trained model."""

    acoustic: AcousticModel
    tokenizer: Tokenizer
    settings: ModelSettings


def build_acoustic(settings: ModelSettings, vocab_size: int) -> AcousticModel:
    """The network that the settings describe, with random weights."""
    return AcousticModel(settings.acoustic, num_mels=settings.features.num_mels, vocab_size=vocab_size)


def save_model(model: Model, folder: Path) -> None:
    """Write a model folder, but for its card.

    Weights go in float16: the error rate does not notice (recipes/an4/README.md), the file is half as large.

    Raises:
        ModelError: If a weight is not finite.
    """
    weights = to_half(model.acoustic, folder / WEIGHTS)
    folder.mkdir(parents=True, exist_ok=True)
    # The folder holds the lexicon; where it came from is of no use to anybody else.
    tokenizer = model.settings.tokenizer.model_copy(update={"lexicon": None})
    write_yaml(model.settings.model_copy(update={"tokenizer": tokenizer}), folder / SETTINGS)
    model.tokenizer.save(folder)
    save_weights(weights, folder / WEIGHTS)  # last: where they are, the rest is too


def read_model(name: str | Path) -> Model:
    """Read a model folder, or a model that comes with the package by its name.

    Returns:
        The model in float32, on the CPU, ready to recognise.

    Raises:
        ModelError: If there is no such model, or its parts do not fit together.
    """
    folder = find_model(name)
    try:
        settings = load_model_settings(folder / SETTINGS)
        tokenizer = load_tokenizer(folder, settings.tokenizer)
    except AsrError as error:
        raise ModelError(f"{folder}: not a usable model: {error}") from None
    acoustic = build_acoustic(settings, tokenizer.vocab_size)
    load_weights(acoustic, folder / WEIGHTS)
    return Model(acoustic.eval(), tokenizer, settings)


def find_model(name: str | Path) -> Path:
    """The folder of a model: a path as it is, else a name among `model_names`."""
    for folder in (Path(name), BUILT_IN / name):
        if (folder / SETTINGS).is_file():
            return folder
    known = ", ".join(model_names()) or "none"
    raise ModelError(
        f"{name}: no such model; give a folder that holds {SETTINGS}, or one of those that come with asr: {known}"
    )


def find_writable_model(name: str) -> Path:
    """The folder of a model that is to be changed; found out before the work.

    Raises:
        ModelError: If there is no such model.
        AsrError: If it comes with the package, or its folder cannot be written to.
    """
    folder = find_model(name)
    if folder.resolve().is_relative_to(BUILT_IN.resolve()):
        raise AsrError(f"{name}: comes with the package and stays as it is; copy {folder} and name the copy")
    check_writable(folder / SETTINGS)
    return folder


def quantize(name: str) -> dict[Path, tuple[int, int]]:
    """Store the weights of a model, a recogniser's or a recurrent language model's, in 8 bits.

    Returns:
        The files, those of recurrent language models in the folder too, with their sizes in bytes before and after.

    Raises:
        ModelError: If there is no such model, or its weights cannot be read.
        AsrError: As `find_writable_model`.
    """
    folder = find_writable_model(name)
    files = [folder / WEIGHTS, *sorted(folder.glob(f"*/{WEIGHTS}"))]
    return {path: quantize_weights(path) for path in files}


def model_names() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.parent.name for path in BUILT_IN.glob(f"*/{SETTINGS}"))
