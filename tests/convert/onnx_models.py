"""Small CTC models with random weights in the format of sherpa-onnx, as icefall, NeMo and WeNet export theirs."""

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper, save_model

SYMBOLS = ["<blk>", "\u2581a", "b", "\u2581c", "de", "\u2581", "f"]  # of icefall
STREAM_CHUNK, STREAM_WINDOW = 32, 45  # frames, as icefall exports them
_HIDDEN = 12
_STATE_SHAPES = [  # of one layer of a streaming zipformer, and those of its convolutions and its position
    [16, 1, 8],
    [1, 1, 16, 6],
    [16, 1, 8],
    [16, 1, 8],
    [1, 8, 15],
    [1, 8, 15],
    [1, 128, 3, 19],
]


class _Builder:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes, self.arrays = [], []

    def array(self, name: str, value: np.ndarray) -> str:
        self.arrays.append(numpy_helper.from_array(value, name))
        return name

    def drawn(self, name: str, *shape: int, scale: float = 1.0) -> str:
        return self.array(name, (scale * self.rng.normal(size=shape)).astype(np.float32))

    def node(self, operator: str, *inputs: str, output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def network(self, by_band: str, size: int, stride: int, vocab_size: int, *, bias: str = "") -> str:
        """Frames (1, F, T) to logits (1, T', V): a convolution over three frames, tanh, a linear layer."""
        kernel = self.drawn("kernel", _HIDDEN, size, 3, scale=0.1)
        convolved = self.node("Conv", by_band, kernel, output="convolved", strides=[stride], pads=[1, 1])
        hidden = self.node("Transpose", self.node("Tanh", convolved, output="tanh"), output="hidden", perm=[0, 2, 1])
        logits = self.node("MatMul", hidden, self.drawn("head", _HIDDEN, vocab_size, scale=2), output="product")
        return self.node("Add", logits, bias or self.drawn("bias", vocab_size), output="logits")

    def build(self, inputs: list, outputs: list, metadata: dict[str, object]) -> ModelProto:
        graph = helper.make_graph(self.nodes, "tiny", inputs, outputs, initializer=self.arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
        return model


def _value(name: str, shape: list, kind: int = TensorProto.FLOAT) -> object:
    return helper.make_tensor_value_info(name, kind, shape)


def zipformer(path: Path, *, kind: str = "zipformer2_ctc", size: int = 80, seed: int = 1, **metadata: object) -> None:
    """Of icefall for whole recordings; with another kind in the metadata, of others that are fed alike."""
    builder = _Builder(seed)
    turned = builder.node("Transpose", "x", output="by_band", perm=[0, 2, 1])
    logits = builder.network(turned, size, 4, len(SYMBOLS))
    builder.node("LogSoftmax", logits, output="log_probs", axis=-1)
    four = builder.array("four", np.array([4], np.int64))
    builder.node("Div", "x_lens", four, output="log_probs_len")
    inputs = [_value("x", ["N", "T", size]), _value("x_lens", ["N"], TensorProto.INT64)]
    outputs = [_value("log_probs", ["N", "S", len(SYMBOLS)]), _value("log_probs_len", ["N"], TensorProto.INT64)]
    save_model(builder.build(inputs, outputs, {"model_type": kind, **metadata}), path)


def tdnn(path: Path) -> None:
    """Of icefall's recipe yesno: 23 bands, no lengths."""
    builder = _Builder(2)
    turned = builder.node("Transpose", "x", output="by_band", perm=[0, 2, 1])
    logits = builder.network(turned, 23, 3, 4)
    builder.node("LogSoftmax", logits, output="log_prob", axis=-1)
    outputs = [_value("log_prob", ["N", "S", 4])]
    model = builder.build([_value("x", ["N", "T", 23])], outputs, {"model_type": "tdnn", "vocab_size": 4})
    save_model(model, path)


def nemo(path: Path, *, vocab_size: int = 7, normalize_type: str = "per_feature") -> None:
    """Of NeMo: bands before frames, and the blank as the last token."""
    builder = _Builder(3)
    logits = builder.network("audio_signal", 80, 4, vocab_size)
    builder.node("LogSoftmax", logits, output="logprobs", axis=-1)
    inputs = [_value("audio_signal", ["B", 80, "T"]), _value("length", ["B"], TensorProto.INT64)]
    facts = {"model_type": "EncDecCTCModelBPE", "vocab_size": vocab_size - 1, "subsampling_factor": 4}
    model = builder.build(
        inputs, [_value("logprobs", ["B", "S", vocab_size])], facts | {"normalize_type": normalize_type}
    )
    save_model(model, path)


def streaming_zipformer(path: Path) -> None:
    """Of icefall for streams: a chunk of 32 frames in a window of 45, and states, one of which counts what it heard."""
    builder = _Builder(4)
    first = [
        builder.array(f"{name}", np.array(value, np.int64))
        for name, value in (("from", [6]), ("to", [38]), ("axis", [1]))
    ]
    chunk = builder.node("Slice", "x", *first, output="chunk")
    turned = builder.node("Transpose", chunk, output="by_band", perm=[0, 2, 1])
    names = [f"cached_{index}" for index in range(len(_STATE_SHAPES))]
    index = [
        builder.array(name, np.array(value, np.int64)) for name, value in (("a", [0, 0, 0, 0]), ("b", [1, 7, 1, 1]))
    ]
    axes = builder.array("axes", np.arange(4))
    seen = builder.node("Slice", names[-1], *index, axes, output="seen")  # (1, V, 1, 1)
    flat = builder.node("Reshape", seen, builder.array("flat", np.array([1, 1, 7], np.int64)), output="bias")
    logits = builder.network(turned, 80, 4, len(SYMBOLS), bias=flat)
    builder.node("LogSoftmax", logits, output="log_probs", axis=-1)
    mean = builder.node("ReduceMean", "x", output="mean", axes=[0, 1, 2], keepdims=1)
    ramp = builder.array("ramp", np.linspace(-0.1, 0.1, 128, dtype=np.float32).reshape(1, 128, 1, 1))
    change = builder.node(
        "Mul",
        builder.node("Reshape", mean, builder.array("one", np.ones(4, np.int64)), output="m"),
        ramp,
        output="change",
    )
    for number, name in enumerate(names[:-1]):
        builder.node("Identity", name, output=f"new_{number}")
    builder.node("Add", names[-1], change, output=f"new_{len(names) - 1}")
    step = builder.array("step", np.array([STREAM_CHUNK], np.int64))
    builder.node("Add", "processed_lens", step, output="new_processed_lens")
    states = [_value(name, shape) for name, shape in zip(names, _STATE_SHAPES, strict=True)]
    after = [_value(f"new_{number}", shape) for number, shape in enumerate(_STATE_SHAPES)]
    inputs = [_value("x", ["N", STREAM_WINDOW, 80]), *states, _value("processed_lens", ["N"], TensorProto.INT64)]
    outputs = [
        _value("log_probs", ["N", 8, len(SYMBOLS)]),
        *after,
        _value("new_processed_lens", ["N"], TensorProto.INT64),
    ]
    facts = {"model_type": "zipformer2_ctc", "T": STREAM_WINDOW, "decode_chunk_len": STREAM_CHUNK, "encoder_dims": 8}
    facts |= {"query_head_dims": 4, "value_head_dims": 4, "num_heads": 2, "num_encoder_layers": 1}
    facts |= {"cnn_module_kernels": 31, "left_context_len": 16}
    save_model(builder.build(inputs, outputs, facts), path)


def write_tokens(path: Path, symbols: list[str]) -> None:
    path.write_text("".join(f"{symbol} {number}\n" for number, symbol in enumerate(symbols)), encoding="utf-8")
