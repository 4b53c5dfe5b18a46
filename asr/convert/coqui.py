"""Models of Coqui STT and Mozilla DeepSpeech (from 0.7 on) in; model folders out.

    MFCC, 9 frames before and after ──► 3 dense layers ──► LSTM ──► dense layer ──► linear ──► log_probs
    (T + 18, 26)                        ReLU up to 20      forward                            (T, V)

coqui_file.py reads the layers' weights, which become a graph for any number of frames. 8-bit weights stay as they are,
and are multiplied in float32.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from asr.config import FeatureSettings, GraphSettings, ToolkitSettings
from asr.convert.coqui_file import RECURRENT, SOURCE, CoquiFile, Layer, read_coqui
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
from asr.errors import ModelError
from asr.files import read_lines
from asr.runtime.graph import GraphBuilder, Value
from asr.signal.toolkits.mfcc import NUM_BANDS
from asr.weights import SCALE_SUFFIX, Array, Weights

_EPSILON = 1e-12  # TensorFlow's, in layer normalisation
_GATES = (0, 2, 1, 3)  # torch's order i f g o, counted in TensorFlow's i g f o
_COMMENT, _ESCAPED = "#", "\\#"


def import_coqui(
    path: Path, options: ImportOptions, *, alphabet: Path | None = None, scorer: Path | None = None
) -> None:
    """Import a model.

    Args:
        path: The file: .tflite, .pb or .pbmm.
        options: The user's.
        alphabet: The file alphabet.txt; None: the alphabet in the model's file.
        scorer: Its language model: a .scorer file, or ARPA text.

    Raises:
        ModelError: If a file cannot be read, is broken or holds another network.
        AsrError: If the folder cannot be written to.
    """
    check_output(options.output)
    content = read_file(path)
    file = read_coqui(content, path)
    stack, context = file.stack, file.context
    labels = _read_labels(file, path) if alphabet is None else read_alphabet(alphabet)
    features = _describe_features(file)
    vocab_size = len(stack[-1].bias)
    if len(labels) + 1 != vocab_size:
        where = alphabet or path
        raise ModelError(f"{where}: {len(labels)} letters, but the network has {vocab_size - 1}, and the blank")
    order = blank_first(vocab_size - 1, vocab_size)
    weights = arrange(stack, context, order)
    feeding = GraphSettings(source=SOURCE, context=(context, context), streaming=True)
    facts = {
        "imported from": f"{SOURCE}, {describe_file(path, content)}",
        "network": f"3 dense layers, LSTM of {len(stack[RECURRENT].bias) // 4} units, dense layer, CTC",
        "audio": f"{features.sample_rate} Hz, mono, 26 MFCC every {features.step_seconds * 1000:g} ms",
    }
    language = None
    if scorer is not None:
        language = read_scorer(scorer, labels)
        facts["language model"] = f"`{scorer.name}`, {len(language.model.words)} words, order {language.model.order}"
    tokenizer = build_tokenizer(["", *labels])
    write_folder(build_graph(weights, stack), tokenizer, features, feeding, options, facts, language)


def arrange(stack: Sequence[Layer], context: int, order: Sequence[int]) -> dict[str, Array]:
    """Return weights by the names of `build_graph`, 8-bit ones with the scales of their rows.

    Args:
        stack: Of `CoquiFile`.
        context: Frames before and after each one that the first layer sees.
        order: Of the tokens.
    """
    arranged: dict[str, Array] = {}
    for index, layer in enumerate(stack):
        rows, bias, name = layer.rows, layer.bias, f"dense.{index}"
        if index == 0:  # a convolution over frames: (R, W F) to (R, F, W)
            rows = rows.reshape(len(rows), 2 * context + 1, -1).transpose(0, 2, 1)
        elif index == len(stack) - 1:
            rows, bias = rows[list(order)], bias[list(order)]
        if index != RECURRENT:
            arranged |= _with_scales(f"{name}.weight", rows, layer.scale) | {f"{name}.bias": bias}
            arranged |= {f"{name}.{kind}": value for kind, value in layer.norm.items()}
            continue
        width = len(bias) // 4
        chosen = np.concatenate([np.arange(gate * width, (gate + 1) * width) for gate in _GATES])
        arranged |= _with_scales("lstm.weight_ih_l0", rows[chosen, :-width], layer.scale)
        arranged |= _with_scales("lstm.weight_hh_l0", rows[chosen, -width:], layer.scale)
        arranged |= {"lstm.bias_ih_l0": bias[chosen], "lstm.bias_hh_l0": np.zeros_like(bias)}
    return arranged


def _with_scales(name: str, rows: Array, scale: float) -> dict[str, Array]:
    if rows.dtype != np.int8:
        return {name: rows.astype(np.float32)}
    return {name: rows, name + SCALE_SUFFIX: np.full(len(rows), scale, np.float32)}


def build_graph(arranged: Mapping[str, Array], stack: Sequence[Layer]) -> bytes:
    """Build the graph: features (T + 18, F) and states h and c (1, 1, H) to log_probs (T, V) and the states after."""
    builder = GraphBuilder(Weights(arranged), compact=True)
    num_features, width = arranged["dense.0.weight"].shape[1], len(stack[RECURRENT].bias) // 4
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


def _read_labels(file: CoquiFile, path: Path) -> list[str]:
    """Read the alphabet that a file holds."""
    packed = file.letters
    if packed is None:
        raise ModelError(f"{path}: holds no alphabet; give its alphabet.txt")
    try:
        position, letters = 2, list[str]()
        for _ in range(struct.unpack_from("<H", packed)[0]):
            _, length = struct.unpack_from("<HH", packed, position)
            letters.append(packed[position + 4 : position + 4 + length].decode())
            position += 4 + length
    except UnicodeDecodeError:
        raise ModelError(f"{path}: its letters are bytes (bytes output mode), which asr cannot decode") from None
    except struct.error as error:
        raise ModelError(f"{path}: its alphabet is broken: {error}") from None
    return letters


def _describe_features(file: CoquiFile) -> FeatureSettings:
    return FeatureSettings(
        sample_rate=file.sample_rate,
        num_mels=NUM_BANDS,
        window_seconds=file.window / 1000,
        step_seconds=file.step / 1000,
        toolkit=ToolkitSettings(kind="mfcc", num_coefficients=file.num_features),
    )
