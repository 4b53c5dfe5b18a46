"""A trained model on disk: a folder of weights and text, from which no code is ever run.

    model.safetensors   weights in half precision or in 8 bits (weights.py), with the training set's feature statistics
    config.yaml         the settings of network, features and text
    tokens.txt          the alphabet, one symbol per line (text/tokenizer.py)
    lexicon.txt         the words' pronunciations, if the alphabet consists of phones (text/lexicon.py)
    README.md           the model card

Language models may be added (language_models.py).
"""

from dataclasses import dataclass
from pathlib import Path

from asr.atomic import check_writable
from asr.config import ModelSettings, load_model_settings, write_yaml
from asr.errors import AsrError, ModelError
from asr.runtime.torch_network import AcousticModel, build_acoustic
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


def save_model(model: Model, folder: Path) -> None:
    """Write a model folder without its card.

    Weights are stored in float16: the error rate is the same (recipes/an4/README.md), the file half as large.

    Raises:
        ModelError: If a weight is not finite.
    """
    weights = to_half(model.acoustic, folder / WEIGHTS)
    folder.mkdir(parents=True, exist_ok=True)
    # The folder holds the lexicon itself; its original path means nothing elsewhere.
    tokenizer = model.settings.tokenizer.model_copy(update={"lexicon": None})
    write_yaml(model.settings.model_copy(update={"tokenizer": tokenizer}), folder / SETTINGS)
    model.tokenizer.save(folder)
    save_weights(weights, folder / WEIGHTS)  # last: if they exist, the folder is complete


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
    """Find the folder of a model, given its path or one of the `model_names`."""
    for folder in (Path(name), BUILT_IN / name):
        if (folder / SETTINGS).is_file():
            return folder
    names = ", ".join(model_names()) or "none"
    raise ModelError(
        f"{name}: no such model; give a folder that holds {SETTINGS}, or one of those that come with asr: {names}"
    )


def find_writable_model(name: str) -> Path:
    """Find the folder of a model that will be changed, and check before the work that it can be.

    Raises:
        ModelError: If there is no such model.
        AsrError: If it comes with the package, or its folder cannot be written to.
    """
    folder = find_model(name)
    if folder.resolve().is_relative_to(BUILT_IN.resolve()):
        raise AsrError(f"{name}: comes with the package and must not change; copy {folder} and give the copy")
    check_writable(folder / SETTINGS)
    return folder


def quantize(name: str) -> dict[Path, tuple[int, int]]:
    """Store the weights of a model, a recogniser's or a recurrent language model's, in 8 bits.

    Returns:
        The files, also of recurrent language models in the folder, with their sizes in bytes before and after.

    Raises:
        ModelError: If there is no such model, or its weights cannot be read.
        AsrError: As `find_writable_model`.
    """
    folder = find_writable_model(name)
    files = [folder / WEIGHTS, *sorted(folder.glob(f"*/{WEIGHTS}"))]
    return {path: quantize_weights(path) for path in files}


def model_names() -> list[str]:
    """List the names of the models that come with the package."""
    return sorted(path.parent.name for path in BUILT_IN.glob(f"*/{SETTINGS}"))
