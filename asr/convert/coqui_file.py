"""Files of Coqui STT and Mozilla DeepSpeech in, what they hold out: layers, features and letters.

    .tflite      every step of the LSTM has separate operators; layers are found by the order of the operators
    .pb, .pbmm   layers are found by the names that the programs give them

The network is that of training/coqui_stt_training/deepspeech_model.py in the public repository coqui-ai/STT.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asr.convert.graph_def import Node, read_graph_def
from asr.convert.tflite import Graph, Operator, Tensor, is_tflite, read_tflite
from asr.errors import ModelError
from asr.weights import Array

SOURCE = "Coqui STT or DeepSpeech"
RECURRENT = 3  # the LSTM among the layers
_NUM_LAYERS = 6  # with weights: three dense ones, the LSTM, a dense one and the linear one
_CELL = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell/"
_DENSE = {0: "layer_1/", 1: "layer_2/", 2: "layer_3/", 4: "layer_5/", 5: "layer_6/"}
_NORM = {"scale": "LayerNorm/gamma", "shift": "LayerNorm/beta"}
_FEATURES = ("sample_rate", "feature_win_len", "feature_win_step")


@dataclass
class Layer:
    """A layer of the file: rows of weights (R, D) by output, float32 or int8 with a scale."""

    rows: Array
    bias: Array
    scale: float = 0.0  # of 8-bit rows
    clip: float = 0.0  # of its ReLU; 0 if there is none
    norm: dict[str, Array] = field(default_factory=dict)  # "scale" and "shift" of layer normalisation


@dataclass
class CoquiFile:
    """What a file holds.

    Attributes:
        stack: The layers; the LSTM's gates in TensorFlow's order i g f o, its columns inputs, then states.
        sample_rate: Of the audio, in Hz.
        window: Of a frame of features, in milliseconds.
        step: From a frame to the next, in milliseconds.
        num_features: Of a frame.
        context: Frames before and after each one that the first layer sees.
        letters: The alphabet, for each letter its number and its length, in 16 bits, and its UTF-8; None if missing.
    """

    stack: list[Layer]
    sample_rate: int
    window: int
    step: int
    num_features: int
    context: int
    letters: bytes | None


def read_coqui(content: bytes, path: Path) -> CoquiFile:
    """Read a file.

    Raises:
        ModelError: If it is broken, or holds another network.
    """
    numbers: dict[str, Array | bytes | None]
    if is_tflite(content):
        graph = read_tflite(content, path)
        stack, letters = find_layers(graph, path), _unwrap_string(graph.constant("metadata_alphabet"), path)
        numbers = {name: graph.constant(f"metadata_{name}") for name in _FEATURES}
        given = graph.find(graph.inputs, "input_node")
        shape = None if given is None else given.shape
    else:
        nodes = read_graph_def(content, path)
        constants = {name: node.value for name, node in nodes.items() if node.value is not None}
        numbers = {name: constants.get(f"metadata_{name}") for name in _FEATURES}
        shape = nodes["input_node"].shape if "input_node" in nodes else None
        value = constants.get("metadata_alphabet")
        letters = value if isinstance(value, bytes) else None
        _check_numbers(numbers, path)  # before the layers: other programs' graphs have none
        stack = find_named_layers(nodes, path)
    sample_rate, window, step = _check_numbers(numbers, path)
    _check_sizes(stack, path)
    if shape is None or len(shape) != 4:
        raise ModelError(f"{path}: has no input_node of shape (1, steps, window, features), as {SOURCE} have")
    return CoquiFile(stack, sample_rate, window, step, shape[3], (shape[2] - 1) // 2, letters)


def find_layers(graph: Graph, path: Path) -> list[Layer]:
    """Find the layers in a file for TensorFlow Lite. Raises ModelError if one has no constant weights."""
    stack: list[Layer] = []
    last: Tensor | None = None
    for operator in graph.operators:
        constants = [graph.tensors[number] for number in operator.inputs if number >= 0]
        constants = [tensor for tensor in constants if tensor.value is not None]
        if operator.name == "FULLY_CONNECTED":
            weight, bias = (graph.tensors[number] for number in operator.inputs[1:3])
            if weight is not last:  # the same in another step of the LSTM
                stack.append(_make_layer(weight, bias, path))
            last = weight
        elif stack and constants:
            _add_details(stack[-1], operator, constants)
    return stack


def _make_layer(weight: Tensor, bias: Tensor, path: Path) -> Layer:
    if weight.value is None or bias.value is None:
        raise ModelError(f"{path}: the weights of {weight.name} are no constants; this network is another one")
    if weight.zero_point:
        raise ModelError(f"{path}: the 8-bit weights of {weight.name} have another zero than 0")
    return Layer(np.asarray(weight.value), np.asarray(bias.value, np.float32), weight.scale)


def _add_details(layer: Layer, operator: Operator, constants: Sequence[Tensor]) -> None:
    """Note the limit of a ReLU, or the numbers of a layer normalisation, which follow a layer's product."""
    value = np.asarray(constants[0].value)
    if operator.name == "MINIMUM":
        layer.clip = float(value.reshape(-1)[0])
    elif value.shape == layer.bias.shape and operator.name in ("MUL", "SUB"):
        # TensorFlow computes x * (scale / deviation) + (shift - mean * scale / deviation).
        layer.norm["scale" if operator.name == "MUL" else "shift"] = value.astype(np.float32)


def find_named_layers(nodes: Mapping[str, Node], path: Path) -> list[Layer]:
    """Find the layers in a frozen graph.

    Raises:
        ModelError: If one is missing, or the LSTM has what those of these programs have not.
    """

    def find(name: str) -> Array:
        if name not in nodes or not isinstance(nodes[name].value, np.ndarray):
            raise ModelError(f"{path}: not a network of {SOURCE}: it has no constant {name}")
        value = np.asarray(nodes[name].value, np.float32)
        if value.size == 0:
            raise ModelError(f"{path}: broken: {name} is empty")
        return value

    cells = [node.numbers for node in nodes.values() if node.kind == "BlockLSTM"]
    if (
        len(cells) != 1
        or cells[0].get("use_peephole")
        or cells[0].get("forget_bias")
        or cells[0].get("cell_clip", 0) > 0
    ):
        raise ModelError(f"{path}: not a network of {SOURCE}, with one LSTM without peepholes, limit and forget bias")
    clips = {float(find(node.inputs[-1]).max()) for node in nodes.values() if node.kind == "Minimum" and node.inputs}
    if len(clips) > 1:
        raise ModelError(f"{path}: not a network of {SOURCE}: its layers have several limits, {sorted(clips)}")
    stack = [
        Layer(find(f"{name}weights").T, find(f"{name}bias"), clip=max(clips, default=0.0)) for name in _DENSE.values()
    ]
    for layer, name in zip(stack, _DENSE.values(), strict=True):
        layer.norm = {key: find(name + norm) for key, norm in _NORM.items() if name + norm in nodes}
    stack.insert(RECURRENT, Layer(find(f"{_CELL}kernel").T, find(f"{_CELL}bias")))
    return stack


def _check_sizes(stack: Sequence[Layer], path: Path) -> None:
    sizes = [layer.rows.shape for layer in stack]
    cell = sizes[RECURRENT][0] // 4 if len(sizes) == _NUM_LAYERS else 0
    is_known = (
        len(sizes) == _NUM_LAYERS
        and all(len(size) == 2 for size in sizes)
        and (sizes[0][0], sizes[1][0]) == (sizes[1][1], sizes[2][1])
        and sizes[RECURRENT] == (4 * cell, sizes[2][0] + cell)
        and sizes[4][1] == cell
        and sizes[5][1] == sizes[4][0]
        and all(values.shape == (len(layer.rows),) for layer in stack for values in (layer.bias, *layer.norm.values()))
    )
    if not is_known:
        raise ModelError(
            f"{path}: not a network of {SOURCE}, with three dense layers, an LSTM and two dense layers; found {sizes}"
        )


def _check_numbers(numbers: Mapping[str, Array | bytes | None], path: Path) -> list[int]:
    for name, value in numbers.items():
        if not isinstance(value, np.ndarray) or value.size != 1:
            raise ModelError(
                f"{path}: has no metadata_{name}; models of DeepSpeech before 0.7 and of other programs cannot be read"
            )
    return [int(np.asarray(value).reshape(-1)[0]) for value in numbers.values()]


def _unwrap_string(value: Array | bytes | None, path: Path) -> bytes | None:
    """Return the only string of a tensor of strings: their number, where each begins, where the last ends."""
    if not isinstance(value, bytes):
        return None
    try:
        first, end = struct.unpack_from("<II", value, 4)
    except struct.error as error:
        raise ModelError(f"{path}: its alphabet is broken: {error}") from None
    return value[first:end]
