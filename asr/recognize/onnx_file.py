"""A model in one ONNX file: its graph, and as metadata all that is needed to feed it and to read what comes out.

    graph      features (B, T, F) and lengths (B,) to log_probs (B, T', V) and num_frames (B,)
    metadata   "features": a JSON object with the sizes of windows and bands and the training set's statistics;
               "config.yaml", "tokens.txt" and the tokenizer's other files, as a model folder holds them

docs/onnx.md shows how to run it without asr. The graph's weights have the names that they have in model.safetensors, so
that a file can be read back.
"""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from asr.atomic import atomic_write
from asr.config import SETTINGS_FILE, ModelSettings
from asr.errors import AsrError, ModelError, one_line
from asr.recognize.model_folder import Model
from asr.runtime.acoustic_graph import AcousticGraphs
from asr.runtime.graph import CONSTANT
from asr.runtime.parameters import acoustic_shapes
from asr.runtime.precision import pick_cpu_precision
from asr.signal import gain
from asr.signal.features import ENERGY_FLOOR, FeatureExtractor
from asr.signal.front_end import frame_layout
from asr.text.load import load_tokenizer
from asr.text.phones import LEXICON_FILE
from asr.text.tokenizer import SUBWORD_FILE, TOKENS_FILE, Tokenizer
from asr.weights import Weights

_FEATURES = "features"  # the key of the metadata
_FILES = {SETTINGS_FILE, TOKENS_FILE, LEXICON_FILE, SUBWORD_FILE}  # the other keys
_STATISTICS = ("feature_mean", "feature_deviation")
_BINARY = "base64:"  # what the text of a file that is not UTF-8 begins with


def write_onnx(model: Model, path: Path, *, precision: str = "fp32") -> None:
    """Write a model as one file.

    Args:
        model: The model; its language models are not part of the file.
        path: The file.
        precision: "fp32", which every runtime for ONNX computes, or "int8", which ONNX Runtime does.

    Raises:
        ConfigError: If the network cannot compute with the precision.
        AsrError: If the file cannot be written.
    """
    model.require_weights("asr export")
    int8 = pick_cpu_precision(precision, model.settings.acoustic.cell) == "int8"
    graphs = AcousticGraphs(model.weights, model.settings, int8=int8, narrow=int8)
    graph = graphs.batch({_FEATURES: json.dumps(_describe_features(model)), **_list_files(model)})
    with atomic_write(path) as partial:
        partial.write_bytes(graph.SerializeToString())


def read_onnx(path: Path) -> Model:
    """Read a file that `write_onnx` wrote.

    Raises:
        ModelError: If it is another file, or broken.
    """
    try:
        graph = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # protobuf's own, which has no public name
        raise ModelError(f"{path}: cannot be read as a model that `asr export` wrote: {one_line(error)}") from None
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    if not metadata.keys() >= {_FEATURES, SETTINGS_FILE}:
        raise ModelError(f"{path}: not a model that `asr export` wrote")
    try:
        settings, tokenizer = _read_files(metadata, path)
        statistics = json.loads(metadata[_FEATURES])
        stored = {array.name: numpy_helper.to_array(array) for array in graph.graph.initializer}
        stored = {name: array for name, array in stored.items() if not name.startswith(CONSTANT)}
        weights = Weights(stored | {name: np.array(statistics[name], np.float32) for name in _STATISTICS})
    except (AsrError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not a usable model: {one_line(error)}") from None
    weights.check(acoustic_shapes(settings, tokenizer.vocab_size), path)
    return Model(weights, tokenizer, settings)


def _read_files(metadata: dict[str, str], path: Path) -> tuple[ModelSettings, Tokenizer]:
    """Read what would stand in a model folder; errors name `path` in place of the folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in _FILES & metadata.keys():
            (folder / file).write_bytes(_to_bytes(metadata[file]))
        try:
            settings = ModelSettings.load_saved(folder / SETTINGS_FILE)
            return settings, load_tokenizer(folder, settings.tokenizer)
        except AsrError as error:
            raise ModelError(str(error).replace(name, path.name)) from None


def _describe_features(model: Model) -> dict[str, Any]:
    statistics = {name: model.weights[name].tolist() for name in _STATISTICS}
    features = model.settings.features
    if features.kind == "whisper":
        layout = frame_layout(features)
        sizes = {"sample_rate": features.sample_rate, "step": layout.step, "size": layout.size}
        return {"kind": features.kind, "encoder": features.encoder, **sizes, **statistics}
    extractor = FeatureExtractor(features)
    return {
        "sample_rate": features.sample_rate,
        "num_mels": features.num_mels,
        "window": extractor.window,
        "step": extractor.step,
        "fft_size": extractor.fft_size,
        "energy_floor": ENERGY_FLOOR,
        "prior_frames": extractor.prior_frames,
        "automatic_gain": _describe_gain(extractor) if features.automatic_gain else None,
        **statistics,
    }


def _describe_gain(extractor: FeatureExtractor) -> dict[str, Any]:
    return {
        "bands": [int(extractor.level_bands[0]), int(extractor.level_bands[-1]) + 1],
        "reference": gain.REFERENCE,
        "smoothed": gain.SMOOTHED,
        "above_noise": gain.ABOVE_NOISE,
        "forgotten": gain.FORGOTTEN * extractor.settings.step_seconds,
        "lowest": gain.LOWEST,
    }


def _list_files(model: Model) -> dict[str, str]:
    """Return the texts of a model folder's files, but not the weights, by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.folder_settings.save(folder / SETTINGS_FILE)
        model.tokenizer.save(folder)
        return {path.name: _to_text(path.read_bytes()) for path in sorted(folder.iterdir())}


def _to_text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return _BINARY + base64.b64encode(content).decode()


def _to_bytes(text: str) -> bytes:
    return base64.b64decode(text.removeprefix(_BINARY), validate=True) if text.startswith(_BINARY) else text.encode()
