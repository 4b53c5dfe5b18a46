"""CTC models in ONNX with the metadata of sherpa-onnx in; model folders out.

    icefall    zipformer2_ctc, whole recordings, and live streams in chunks
    NeMo       EncDecCTCModel, EncDecCTCModelBPE, EncDecHybridRNNTCTCBPEModel
    WeNet      wenet_ctc
    others     tdnn, of icefall's recipe yesno

The graph stays as it is, between nodes that give it a batch of one and put the blank first. Features are those that
sherpa-onnx computes, which for NeMo's models stand in for NeMo's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from asr.config import SAMPLE_RATE, FeatureSettings, GraphSettings, ToolkitSettings
from asr.convert.folder import (
    ImportOptions,
    blank_first,
    build_tokenizer,
    check_output,
    describe_file,
    read_file,
    write_folder,
)
from asr.errors import ModelError, one_line
from asr.files import read_lines
from asr.runtime.imported.network import ImportedNetwork

_BLANKS = ("<blk>", "<eps>", "<blank>")
_LOG_ENERGY_OF_NOTHING = -23.025850929940457  # log(1e-10), with which sherpa-onnx fills up
_PREFIX = "asr."  # of the names that are added
_FEATURES = f"{_PREFIX}features"
_STREAMS = "decode_chunk_len"  # metadata of models for streams: the frames of a chunk
_USUAL_SIZE = 80  # bands
_BYTE_LEVEL = 0xC6  # the first byte of the last letters that icefall writes bytes with
_TRIAL = 400  # frames from which the subsampling is measured


@dataclass(frozen=True)
class Family:
    """Models that are fed alike."""

    name: str
    toolkit: Literal["kaldi", "nemo"] = "kaldi"
    full_scale: float = 1.0


_NEMO = Family("NeMo", "nemo")
_FAMILIES = {
    "zipformer2_ctc": Family("icefall (zipformer)"),
    "tdnn": Family("icefall (TDNN)"),
    "wenet_ctc": Family("WeNet", full_scale=32768.0),
    "EncDecCTCModel": _NEMO,
    "EncDecCTCModelBPE": _NEMO,
    "EncDecHybridRNNTCTCBPEModel": _NEMO,
}
# What other models are, by what their type, or the name of an output, begins with.
_OTHERS = {
    "EncDecRNNT": "a transducer",
    "zipformer": "a transducer",
    "conformer": "a transducer",
    "lstm": "a transducer",
    "emformer": "a transducer",
    "encoder_out": "the encoder of a transducer, or of a network with attention",
    "n_layer_cross_k": "a network with attention",
    "whisper": "a network with attention",
    "moonshine": "a network with attention",
    "fire": "a network with attention",
    "canary": "a network with attention",
    "EncDecMultiTask": "a network with attention",
    "paraformer": "a network with attention",
    "sense_voice": "a network that is told language and style",
}


def import_onnx(path: Path, tokens: Path, options: ImportOptions, *, sample_rate: int = SAMPLE_RATE) -> None:
    """Import a model.

    Args:
        path: The .onnx file.
        tokens: Its tokens.txt: a symbol and its number on each line.
        options: The user's.
        sample_rate: Of its training speech, which the file does not say.

    Raises:
        ModelError: If a file cannot be read, or the model is none of those above.
        AsrError: If the folder cannot be written to.
    """
    check_output(options.output)
    content = read_file(path)
    model = _load(content, path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    family = find_family(model, metadata, path)
    symbols = read_tokens(tokens)
    blank = next((symbols.index(name) for name in _BLANKS if name in symbols), None)
    if blank is None:
        raise ModelError(f"{tokens}: holds none of {', '.join(_BLANKS)}, one of which is the blank")
    sizes = [dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim]
    if sizes and sizes[-1] not in (0, len(symbols)):
        raise ModelError(f"{tokens}: {len(symbols)} tokens, but the network has {sizes[-1]}")
    size = _feature_size(model, family)
    order = blank_first(blank, len(symbols))
    try:
        graph = wrap(model, family, size, order, streaming=_STREAMS in metadata)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    feeding, subsampling = _describe_feeding(graph, metadata, family, path)
    has_bands = metadata.get("normalize_type") == "per_feature"
    toolkit = ToolkitSettings(
        kind=family.toolkit,
        full_scale=family.full_scale,
        normalization="bands" if has_bands else "none",
        subsampling=subsampling,
    )
    features = FeatureSettings(sample_rate=sample_rate, num_mels=size, toolkit=toolkit)
    facts = {
        "imported from": f"{family.name}, {describe_file(path, content)}",
        "network": f"`{metadata['model_type']}`, CTC",
        "audio": f"{sample_rate} Hz, mono, {size} mel bands",
        **{f"{key} in the file": metadata[key] for key in ("comment", "url", "license") if metadata.get(key)},
    }
    tokenizer = build_tokenizer([symbols[token] for token in order])
    write_folder(graph, tokenizer, features, feeding, options, facts)


def find_family(model: ModelProto, metadata: Mapping[str, str], path: Path) -> Family:
    """Find out how a model is fed.

    Raises:
        ModelError: If it is no CTC model, or one that is fed otherwise.
    """
    kind = metadata.get("model_type", "")
    if metadata.get("is_giga_am") == "1":
        raise ModelError(f"{path}: a GigaAM model, whose features asr does not compute")
    if metadata.get("feature"):
        raise ModelError(f"{path}: a model on features of {metadata['feature']}, which asr does not compute for it")
    if kind in _FAMILIES:
        return _FAMILIES[kind]
    names = [kind, *(value.name for value in model.graph.output)]
    known = (what for name in names for start, what in _OTHERS.items() if name.startswith(start))
    what = next(known, "of no known type" if kind else "without metadata of sherpa-onnx (model_type)")
    called = f" ({kind})" if kind else ""
    raise ModelError(f"{path}: {what}{called}, which asr cannot run; it runs CTC models: {', '.join(_FAMILIES)}")


def read_tokens(path: Path) -> list[str]:
    """Read tokens.txt: a symbol and its number on each line; a number alone is that of the space.

    Raises:
        ModelError: If the file cannot be read, or its numbers are not 0, 1, 2 and so on.
    """
    symbols: dict[int, str] = {}
    for number, line in enumerate(read_lines(path, ModelError), start=1):
        *before, last = line.split() or [""]
        if len(before) > 1 or not last.isdigit():
            raise ModelError(f"{path}:{number}: expected a symbol and its number, found {line!r}")
        symbols[int(last)] = before[0] if before else " "
    if sorted(symbols) != list(range(len(symbols))) or not symbols:
        raise ModelError(f"{path}: its numbers are not 0 to {len(symbols) - 1}, each once")
    spelled = "".join(symbols.values()).replace("\u2581", "").encode()
    if max(spelled, default=0) == _BYTE_LEVEL:
        raise ModelError(f"{path}: its units are pieces of bytes (byte-level BPE), which asr cannot decode")
    return [symbols[token] for token in range(len(symbols))]


def wrap(model: ModelProto, family: Family, size: int, order: Sequence[int], *, streaming: bool) -> bytes:
    """Return a graph as runtime/imported/graph.py describes it.

    Args:
        model: With inputs (1, T, F), or (1, F, T) of NeMo, and then their lengths, or states.
        family: Of the model.
        size: F.
        order: Of the tokens.
        streaming: Whether there are states.

    Raises:
        ModelError: If there are other inputs.
    """
    wrapped = ModelProto()
    wrapped.CopyFrom(model)
    graph = wrapped.graph
    given, *others = _inputs(model)
    source, shape, before = _FEATURES, [1, -1, size], []
    if family.toolkit == "nemo":
        source, shape = f"{_PREFIX}turned", [1, size, -1]
        before.append(helper.make_node("Transpose", [_FEATURES], [source], perm=[1, 0]))
    before.append(helper.make_node("Reshape", [source, _constant(graph, "batch", shape)], [given.name]))
    if not streaming:
        if len(others) > 1:
            names = ", ".join(value.name for value in others)
            raise ModelError(
                f"inputs {names}: asr knows features and their lengths, and states of zipformers for streams"
            )
        for value in others:
            before += _count_frames(graph, value)
    log_probs = f"{_PREFIX}log_probs"
    after = _put_in_order(graph, order, None if streaming else _find_count(model))
    nodes = [*before, *graph.node, *after]
    states, states_after = (others, list(graph.output)[1:]) if streaming else ([], [])
    inputs = [helper.make_tensor_value_info(_FEATURES, TensorProto.FLOAT, ["T", size]), *states]
    outputs = [helper.make_tensor_value_info(log_probs, TensorProto.FLOAT, ["S", len(order)]), *states_after]
    for field, values in (("node", nodes), ("input", inputs), ("output", outputs)):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        graph.ClearField(field)
        getattr(graph, field).extend(copies)
    return bytes(wrapped.SerializeToString())


def _put_in_order(graph: Any, order: Sequence[int], count: str | None) -> list[Any]:
    """Return nodes from the first output (1, T', V) to log_probs (T', V), of which a value counts the frames."""
    flat, kept, ordered, log_probs = (f"{_PREFIX}{name}" for name in ("flat", "kept", "ordered", "log_probs"))
    rows = _constant(graph, "rows", [-1, len(order)])
    nodes = [helper.make_node("Reshape", [graph.output[0].name, rows], [flat])]
    if count is not None:
        ends, start = f"{_PREFIX}ends", _constant(graph, "start", [0])
        nodes.append(helper.make_node("Cast", [count], [ends], to=TensorProto.INT64))
        nodes.append(helper.make_node("Slice", [flat, start, ends, start], [kept]))
    columns = _constant(graph, "order", order)
    nodes.append(helper.make_node("Gather", [kept if count is not None else flat, columns], [ordered], axis=1))
    # Changes nothing where the file gives log probabilities.
    return [*nodes, helper.make_node("LogSoftmax", [ordered], [log_probs], axis=1)]


def _find_count(model: ModelProto) -> str | None:
    """Return the name of the output that holds the number of frames (1,); None if there is none."""
    for value in list(model.graph.output)[1:]:
        kind = value.type.tensor_type
        if kind.elem_type in (TensorProto.INT64, TensorProto.INT32) and len(kind.shape.dim) == 1:
            return str(value.name)
    return None


def _inputs(model: ModelProto) -> list[Any]:
    """Return the inputs that have no value; files of old versions list constants as well."""
    constants = {array.name for array in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def _constant(graph: Any, name: str, values: Sequence[int]) -> str:
    """Add integers to a graph, and return their name."""
    array = numpy_helper.from_array(np.array(values, np.int64), f"{_PREFIX}{name}")
    graph.initializer.append(array)
    return str(array.name)


def _count_frames(graph: Any, value: Any) -> list[Any]:
    """Return nodes that give an input of lengths (1,) the number of frames."""
    shape, count = f"{_PREFIX}shape.{value.name}", f"{_PREFIX}count.{value.name}"
    kind = value.type.tensor_type.elem_type
    return [
        helper.make_node("Shape", [_FEATURES], [shape]),
        helper.make_node("Gather", [shape, _constant(graph, f"first.{value.name}", [0])], [count], axis=0),
        helper.make_node("Cast", [count], [value.name], to=kind),
    ]


def _load(content: bytes, path: Path) -> ModelProto:
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own, which has no public name
        raise ModelError(f"{path}: not an ONNX file: {one_line(error)}") from None
    if not model.graph.output or not _inputs(model):
        raise ModelError(f"{path}: not an ONNX file of a network")
    if any(array.data_location == TensorProto.EXTERNAL for array in model.graph.initializer):
        raise ModelError(f"{path}: its weights lie in other files; save it as one file with onnx.save_model")
    return model


def _feature_size(model: ModelProto, family: Family) -> int:
    """Return F, of which there are 80 if the file does not say."""
    sizes = [dim.dim_value for dim in _inputs(model)[0].type.tensor_type.shape.dim]
    size = sizes[1 if family.toolkit == "nemo" else 2] if len(sizes) == 3 else 0
    return int(size) or _USUAL_SIZE


def _describe_feeding(
    graph: bytes, metadata: Mapping[str, str], family: Family, path: Path
) -> tuple[GraphSettings, int]:
    """Return how a wrapped graph is fed, and how many frames it takes for each that it gives."""
    streaming = _STREAMS in metadata
    try:
        chunk = int(metadata[_STREAMS]) if streaming else None
        window = int(metadata["T"]) if streaming else _TRIAL
        stated = int(metadata.get("subsampling_factor", 0))
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: its metadata is not that of sherpa-onnx: {one_line(error)}") from None
    feeding = GraphSettings(
        source=family.name,
        context=(0, window - chunk if chunk else 0),
        padding=_LOG_ENERGY_OF_NOTHING,
        chunk=chunk,
        streaming=streaming,
    )
    try:
        network = ImportedNetwork(graph, feeding, 1)
        frames = np.zeros((window, network.feature_size or 1), np.float32)
        count = len(network.step(frames, network.initial_states())[0])
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except Exception as error:  # ONNX Runtime's own, which have no common class
        raise ModelError(f"{path}: cannot be run: {one_line(error)}") from None
    return feeding, stated or max(1, round((chunk or window) / count))
