"""A trained model on disk: a folder of weights and text, from which no code is ever run.

    model.safetensors   weights in half precision or in 8 bits (weights.py), with the training set's feature statistics
    config.yaml         the settings of network, features and text
    tokens.txt          the alphabet, one symbol per line (text/load.py)
    lexicon.txt         the words' pronunciations, if the alphabet consists of phones (text/lexicon.py)
    README.md           the model card

    punctuator/         what writes words out with marks and capitals, if anything does (language/punctuator.py)

Imported models have a graph in place of weights (runtime/imported/graph.py):

    network.onnx        the network as another program trained it

Language models may be added (language_models.py).
"""

from dataclasses import dataclass
from pathlib import Path

from asr.atomic import atomic_write, check_writable
from asr.config import SETTINGS_FILE, ModelSettings
from asr.errors import AsrError, ModelError, one_line
from asr.model_files import WEIGHTS_FILE, load_model_files, save_model_files
from asr.runtime.imported.network import ImportedNetwork
from asr.runtime.parameters import acoustic_shapes
from asr.signal.front_end import frame_layout
from asr.text.load import load_tokenizer
from asr.text.tokenizer import Tokenizer
from asr.weights import Array, Weights, quantize_weights

BUILT_IN = Path(__file__).parent.parent / "models"
GRAPH_FILE = "network.onnx"


@dataclass(frozen=True)
class Model:
    """The parts of a trained model: weights, or the graph of an imported network."""

    weights: Weights
    tokenizer: Tokenizer
    settings: ModelSettings
    imported: ImportedNetwork | None = None

    @property
    def statistics(self) -> tuple[Array | None, Array | None]:
        """Mean and deviation (F,) of the training set's features; None for features that are not normalised by them."""
        if self.imported is not None:
            return None, None
        return self.weights["feature_mean"], self.weights["feature_deviation"]

    def require_weights(self, purpose: str) -> None:
        """Check that the network can be changed or copied. Raises ModelError that names the purpose if it cannot."""
        if self.imported is not None:
            source = self.imported.settings.source
            raise ModelError(f"{purpose} needs a network of asr, and this one was imported from {source}")

    @property
    def folder_settings(self) -> ModelSettings:
        """The settings as a model folder keeps them; it holds the lexicon, whose path means nothing elsewhere."""
        tokenizer = self.settings.tokenizer.model_copy(update={"lexicon": None})
        return self.settings.model_copy(update={"tokenizer": tokenizer})


def save_model(model: Model, folder: Path) -> None:
    """Write a model folder without its card.

    Raises:
        ModelError: If a weight is not finite.
    """
    save_model_files(model.weights, model.tokenizer, model.folder_settings, folder)


def read_model(name: str | Path) -> Model:
    """Read a model folder, or by its name a model that comes with the package.

    Raises:
        ModelError: If there is no such model, or its parts do not fit together.
    """
    folder = find_model(name)
    if (folder / GRAPH_FILE).is_file():
        return _read_imported(folder)
    return Model(*load_model_files(folder, ModelSettings.load_saved, acoustic_shapes, "model"))


def save_imported(graph: bytes, tokenizer: Tokenizer, settings: ModelSettings, folder: Path) -> Model:
    """Write the folder of an imported model without its card, and read it again.

    Raises:
        ModelError: If its parts do not fit together.
        AsrError: If the folder cannot be written to.
    """
    check_writable(folder / SETTINGS_FILE)
    settings.save(folder / SETTINGS_FILE)
    tokenizer.save(folder)
    with atomic_write(folder / GRAPH_FILE) as partial:
        partial.write_bytes(graph)  # last: if it is there, the rest is too
    return _read_imported(folder)


def _read_imported(folder: Path) -> Model:
    try:
        settings = ModelSettings.load_saved(folder / SETTINGS_FILE)
        tokenizer = load_tokenizer(folder, settings.tokenizer)
        graph = (folder / GRAPH_FILE).read_bytes()
        if settings.graph is None or settings.features.toolkit is None:
            raise ModelError(f"{SETTINGS_FILE} does not say how {GRAPH_FILE} is fed: graph and features.toolkit")
        network = ImportedNetwork(graph, settings.graph, settings.features.toolkit.subsampling)
    except (AsrError, OSError) as error:
        raise ModelError(f"{folder}: not a usable model: {one_line(error)}") from None
    size, vocab_size = frame_layout(settings.features).size, tokenizer.vocab_size
    if network.feature_size not in (size, None) or network.vocab_size != vocab_size:
        raise ModelError(
            f"{folder}: its parts do not fit together: {GRAPH_FILE} takes {network.feature_size} numbers per frame and "
            f"gives {network.vocab_size} probabilities; the features have {size}, and there are {vocab_size} tokens"
        )
    return Model(Weights({}), tokenizer, settings, network)


def find_model(name: str | Path) -> Path:
    """Find the folder of a model, given its path or a name of `list_models`."""
    for folder in (Path(name), BUILT_IN / name):
        if (folder / SETTINGS_FILE).is_file():
            return folder
    if Path(name).is_file():
        raise ModelError(f"{name}: is a file; give the folder of the model, which holds {SETTINGS_FILE}")
    names = ", ".join(list_models()) or "none"
    raise ModelError(
        f"{name}: no such model; give a folder that holds {SETTINGS_FILE}, or one of those that come with asr: {names}"
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
    check_writable(folder / SETTINGS_FILE)
    return folder


def quantize(name: str) -> dict[Path, tuple[int, int]]:
    """Store the weights of a model and of the recurrent language models in its folder in 8 bits.

    Returns:
        The files with their sizes in bytes before and after.

    Raises:
        ModelError: If there is no such model, or its weights cannot be read.
        AsrError: As `find_writable_model`.
    """
    folder = find_writable_model(name)
    if (folder / GRAPH_FILE).is_file():
        read_model(name).require_weights("asr quantize")
    files = [folder / WEIGHTS_FILE, *sorted(folder.glob(f"*/{WEIGHTS_FILE}"))]
    return {path: quantize_weights(path) for path in files}


def list_models() -> dict[str, Path]:
    """Return the names and folders of the models that come with the package."""
    return {path.parent.name: path.parent for path in sorted(BUILT_IN.glob(f"*/{SETTINGS_FILE}"))}
