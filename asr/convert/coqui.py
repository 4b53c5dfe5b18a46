"""Exports of Coqui STT and Mozilla DeepSpeech (from 0.7 on) for TensorFlow Lite in; model folders out.

    MFCC, 9 frames before and after ──► 3 dense layers ──► LSTM ──► dense layer ──► linear ──► log_probs
    (T + 18, 26)                        ReLU up to 20      forward                            (T, V)

The file computes 16 frames at a time, each step of its LSTM by operators of its own (training/coqui_stt_training/
deepspeech_model.py in the public repository coqui-ai/STT). Here the layers' weights are found by the order of the
operators, and become a graph for any number of frames. 8-bit weights stay as they are, and are multiplied in float32.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asr.config import FeatureSettings, GraphSettings, ToolkitSettings
from asr.convert.folder import (
    ImportOptions,
    blank_first,
    build_tokenizer,
    check_output,
    describe_file,
    read_file,
    write_folder,
)
from asr.convert.scorer import read_scorer
from asr.convert.tflite import Graph, Operator, Tensor, read_tflite
from asr.errors import ModelError
from asr.files import read_lines
from asr.runtime.graph import GraphBuilder, Value
from asr.signal.toolkits.mfcc import NUM_BANDS
from asr.weights import SCALE_SUFFIX, Array, Weights

SOURCE = "Coqui STT or DeepSpeech"
_EPSILON = 1e-12  # TensorFlow's, in layer normalisation
_NUM_LAYERS = 6  # with weights: three dense ones, the LSTM, a dense one and the linear one
_RECURRENT = 3  # the LSTM among them
_GATES = (0, 2, 1, 3)  # torch's order i f g o, counted in TensorFlow's i g f o
_COMMENT, _ESCAPED = "#", "\\#"


@dataclass
class Layer:
    """A layer of the file: rows of weights (R, D) by output, float32 or int8 with a scale."""

    weight: Tensor
    bias: Array
    clip: float = 0.0  # of its ReLU; 0 if there is none
    norm: dict[str, Array] = field(default_factory=dict)  # "scale" and "shift" of layer normalisation

    @property
    def rows(self) -> Array:
        """The weights (R, D) as stored."""
        return np.asarray(self.weight.value)


def import_coqui(
    path: Path, options: ImportOptions, *, alphabet: Path | None = None, scorer: Path | None = None
) -> None:
    """Import a model.

    Args:
        path: The .tflite file.
        options: The user's.
        alphabet: The file alphabet.txt; None: the alphabet in the model's file.
        scorer: Its language model: a .scorer file, or ARPA text.

    Raises:
        ModelError: If a file cannot be read, is broken or holds another network.
        AsrError: If the folder cannot be written to.
    """
    check_output(options.output)
    content = read_file(path)
    graph = read_tflite(content, path)
    labels = _read_labels(graph, path) if alphabet is None else read_alphabet(alphabet)
    stack = find_layers(graph, path)
    features, context = _read_features(graph, path)
    vocab_size = len(stack[-1].bias)
    if len(labels) + 1 != vocab_size:
        where = alphabet or path
        raise ModelError(f"{where}: {len(labels)} letters, but the network has {vocab_size - 1}, and the blank")
    order = blank_first(vocab_size - 1, vocab_size)
    weights = arrange(stack, context, order)
    feeding = GraphSettings(source=SOURCE, context=(context, context), streaming=True)
    facts = {
        "imported from": f"{SOURCE}, {describe_file(path, content)}",
        "network": f"3 dense layers, LSTM of {len(stack[_RECURRENT].bias) // 4} units, dense layer, CTC",
        "audio": f"{features.sample_rate} Hz, mono, 26 MFCC every {features.step_seconds * 1000:g} ms",
    }
    language = None
    if scorer is not None:
        language = read_scorer(scorer, labels)
        facts["language model"] = f"`{scorer.name}`, {len(language.model.words)} words, order {language.model.order}"
    tokenizer = build_tokenizer(["", *labels])
    write_folder(build_graph(weights, stack), tokenizer, features, feeding, options, facts, language)


def find_layers(graph: Graph, path: Path) -> list[Layer]:
    """Find the layers of the acoustic model.

    Raises:
        ModelError: If they are not those of a model of Coqui STT or DeepSpeech.
    """
    stack: list[Layer] = []
    for operator in graph.operators:
        constants = {number: graph.tensors[number] for number in operator.inputs if number >= 0}
        constants = {number: tensor for number, tensor in constants.items() if tensor.value is not None}
        if operator.name == "FULLY_CONNECTED":
            _add_layer(stack, graph, operator, path)
        elif stack and constants:
            _add_details(stack[-1], operator, list(constants.values()))
    sizes = [layer.rows.shape for layer in stack]
    cell = sizes[_RECURRENT][0] // 4 if len(sizes) == _NUM_LAYERS else 0
    is_known = (
        len(sizes) == _NUM_LAYERS
        and (sizes[0][0], sizes[1][0]) == (sizes[1][1], sizes[2][1])
        and sizes[_RECURRENT] == (4 * cell, sizes[2][0] + cell)
        and sizes[4][1] == cell
        and sizes[5][1] == sizes[4][0]
    )
    if not is_known:
        raise ModelError(
            f"{path}: not a network of {SOURCE}, with three dense layers, an LSTM and two dense layers; found {sizes}"
        )
    return stack


def _add_layer(stack: list[Layer], graph: Graph, operator: Operator, path: Path) -> None:
    """Add the layer of an operator, unless it is the one before, in another step of the LSTM."""
    weight, bias = (graph.tensors[number] for number in operator.inputs[1:3])
    if weight.value is None or bias.value is None:
        raise ModelError(f"{path}: the weights of {weight.name} are no constants; this network is another one")
    if weight.zero_point:
        raise ModelError(f"{path}: the 8-bit weights of {weight.name} have another zero than 0")
    if not stack or stack[-1].weight is not weight:
        stack.append(Layer(weight, np.asarray(bias.value, np.float32)))


def _add_details(layer: Layer, operator: Operator, constants: Sequence[Tensor]) -> None:
    """Note the limit of a ReLU, or the numbers of a layer normalisation, which follow a layer's product."""
    value = np.asarray(constants[0].value)
    if operator.name == "MINIMUM":
        layer.clip = float(value.reshape(-1)[0])
    elif value.shape == layer.bias.shape and operator.name in ("MUL", "SUB"):
        # TensorFlow computes x * (scale / deviation) + (shift - mean * scale / deviation).
        layer.norm["scale" if operator.name == "MUL" else "shift"] = value.astype(np.float32)


def arrange(stack: Sequence[Layer], context: int, order: Sequence[int]) -> dict[str, Array]:
    """Return weights by the names of `build_graph`, 8-bit ones with the scales of their rows.

    Args:
        stack: Of `find_layers`.
        context: Frames before and after each one that the first layer sees.
        order: Of the tokens.
    """
    arranged: dict[str, Array] = {}
    for index, layer in enumerate(stack):
        rows, bias, name = layer.rows, layer.bias, f"dense.{index}"
        if index == 0:  # a convolution over frames: (R, W F) to (R, F, W)
            rows = rows.reshape(len(rows), 2 * context + 1, -1).transpose(0, 2, 1)
        elif index == _NUM_LAYERS - 1:
            rows, bias = rows[list(order)], bias[list(order)]
        if index != _RECURRENT:
            arranged |= _with_scales(f"{name}.weight", rows, layer.weight.scale) | {f"{name}.bias": bias}
            arranged |= {f"{name}.{kind}": value for kind, value in layer.norm.items()}
            continue
        width = len(bias) // 4
        chosen = np.concatenate([np.arange(gate * width, (gate + 1) * width) for gate in _GATES])
        arranged |= _with_scales("lstm.weight_ih_l0", rows[chosen, :-width], layer.weight.scale)
        arranged |= _with_scales("lstm.weight_hh_l0", rows[chosen, -width:], layer.weight.scale)
        arranged |= {"lstm.bias_ih_l0": bias[chosen], "lstm.bias_hh_l0": np.zeros_like(bias)}
    return arranged


def _with_scales(name: str, rows: Array, scale: float) -> dict[str, Array]:
    if rows.dtype != np.int8:
        return {name: rows.astype(np.float32)}
    return {name: rows, name + SCALE_SUFFIX: np.full(len(rows), scale, np.float32)}


def build_graph(arranged: Mapping[str, Array], stack: Sequence[Layer]) -> bytes:
    """Build the graph: features (T + 18, F) and states h and c (1, 1, H) to log_probs (T, V) and the states after."""
    builder = GraphBuilder(Weights(arranged), compact=True)
    num_features, width = arranged["dense.0.weight"].shape[1], len(stack[_RECURRENT].bias) // 4
    features = builder.input("features", ["W", num_features])
    state = [builder.input(name, [1, 1, width]) for name in ("h", "c")]
    by_feature = builder.node("Unsqueeze", builder.node("Transpose", features, perm=[1, 0]), builder.constant([0]))
    convolved = builder.node("Conv", by_feature, builder.weight("dense.0.weight"), builder.weight("dense.0.bias"))
    hidden = builder.node("Transpose", convolved, perm=[2, 0, 1])  # (T, 1, R)
    hidden = _activate(builder, hidden, stack[0], 0)
    for index in (1, 2):
        hidden = _activate(builder, builder.linear(hidden, f"dense.{index}"), stack[index], index)
    hidden, after = builder.recurrent("lstm", hidden, ["lstm."], state=state)
    hidden = _activate(builder, builder.linear(hidden, "dense.4"), stack[4], 4)
    log_probs = builder.node("LogSoftmax", builder.linear(hidden, "dense.5"), axis=-1)
    vocab_size = len(arranged["dense.5.bias"])
    builder.output("log_probs", builder.node("Squeeze", log_probs, builder.constant([1])), ["T", vocab_size])
    for name, value in zip(("h_after", "c_after"), after, strict=True):
        builder.output(name, value, [1, 1, width])
    return builder.build().SerializeToString()


def _activate(builder: GraphBuilder, value: Value, layer: Layer, index: int) -> Value:
    """Add the ReLU of a dense layer, and its layer normalisation if it has one."""
    bounds = [builder.constant(0, np.float32), *([builder.constant(layer.clip, np.float32)] if layer.clip else [])]
    value = builder.node("Clip", value, *bounds)
    if not layer.norm:
        return value
    scale, shift = (builder.weight(f"dense.{index}.{kind}") for kind in ("scale", "shift"))
    return builder.node("LayerNormalization", value, scale, shift, axis=-1, epsilon=_EPSILON)


def read_alphabet(path: Path) -> list[str]:
    """Read alphabet.txt: a letter on each line, in the order of the network's outputs; `#` begins a comment.

    Raises:
        ModelError: If the file cannot be read.
    """
    letters = []
    for line in read_lines(path, ModelError):
        if line == _ESCAPED:
            letters.append(_COMMENT)
        elif line and not line.startswith(_COMMENT):
            letters.append(line)
    return letters


def _read_labels(graph: Graph, path: Path) -> list[str]:
    """Read the alphabet that the file holds: for each letter its number and its length, in 16 bits, and its UTF-8."""
    value = graph.constant("metadata_alphabet")
    if not isinstance(value, bytes):
        raise ModelError(f"{path}: holds no alphabet; give its alphabet.txt")
    try:
        # A tensor of strings: their number, where each begins, where the last ends.
        first, end = struct.unpack_from("<II", value, 4)
        packed, position, letters = value[first:end], 2, list[str]()
        for _ in range(struct.unpack_from("<H", packed)[0]):
            _, length = struct.unpack_from("<HH", packed, position)
            letters.append(packed[position + 4 : position + 4 + length].decode())
            position += 4 + length
    except UnicodeDecodeError:
        raise ModelError(f"{path}: its letters are bytes (bytes output mode), which asr cannot decode") from None
    except struct.error as error:
        raise ModelError(f"{path}: its alphabet is broken: {error}") from None
    return letters


def _read_features(graph: Graph, path: Path) -> tuple[FeatureSettings, int]:
    """Read the sizes of features from the file, and the frames before and after each one that the network sees."""
    given = graph.find(graph.inputs, "input_node")
    numbers = [
        _read_number(graph, f"metadata_{name}", path) for name in ("sample_rate", "feature_win_len", "feature_win_step")
    ]
    if given is None or len(given.shape) != 4:
        raise ModelError(f"{path}: has no input_node of shape (1, steps, window, features), as {SOURCE} have")
    _, _, window, num_features = given.shape
    features = FeatureSettings(
        sample_rate=numbers[0],
        num_mels=NUM_BANDS,
        window_seconds=numbers[1] / 1000,
        step_seconds=numbers[2] / 1000,
        toolkit=ToolkitSettings(kind="mfcc", num_coefficients=num_features),
    )
    return features, (window - 1) // 2


def _read_number(graph: Graph, name: str, path: Path) -> int:
    value = graph.constant(name)
    if not isinstance(value, np.ndarray) or value.size != 1:
        raise ModelError(f"{path}: has no {name}; models of DeepSpeech before 0.7 and of other programs cannot be read")
    return int(value.reshape(-1)[0])
