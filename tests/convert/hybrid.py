"""What TensorFlow Lite computes with 8-bit weights, in numpy: it rounds what goes into each layer to 8 bits, too.

Each row x of a layer's input becomes 127 x / max|x|, rounded to integers (half away from zero); the products are sums
of integers, and only then multiplied by both scales (EvalHybrid in tensorflow/lite/kernels/fully_connected.cc, and
PortableSymmetricQuantizeFloats in kernels/internal/reference/portable_tensor_utils.cc). `asr` multiplies the same
integers by inputs that are not rounded.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from asr.weights import SCALE_SUFFIX, Array

_LARGEST = np.float32(127)
_CLIP = 20  # of the ReLU


def read_weights(model: Path) -> dict[str, Array]:
    """Return the weights of an imported model by their names in its graph."""
    graph = onnx.load(model / "network.onnx").graph
    return {value.name: numpy_helper.to_array(value) for value in graph.initializer}


def round_rows(values: Array) -> tuple[Array, Array]:
    """Round rows (N, D) to integers; also return the scale (N, 1) of each."""
    largest = np.abs(values).max(axis=1, keepdims=True)
    largest = np.where(largest > 0, largest, _LARGEST).astype(np.float32)
    scaled = values * (_LARGEST / largest)
    return np.trunc(scaled + np.copysign(np.float32(0.5), scaled)), largest / _LARGEST


def compute_log_probs(weights: Mapping[str, Array], features: Array, context: int, *, rounded: bool = True) -> Array:
    """Compute log_probs (T, V) of features (T, F); unless `rounded`, without rounding what goes into layers."""

    def multiply(values: Array, rows: Array, scale: Array) -> Array:
        values, factor = round_rows(values) if rounded else (values, np.float32(1))
        return (values @ rows.astype(np.float64).T).astype(np.float32) * (factor * scale)

    def dense(values: Array, name: str) -> Array:
        rows, scale = weights[f"{name}.weight"], weights[f"{name}.weight{SCALE_SUFFIX}"]
        if rows.ndim == 3:  # a convolution over frames (R, F, W)
            rows = rows.transpose(0, 2, 1).reshape(len(rows), -1)
        return multiply(values, rows, scale) + weights[f"{name}.bias"]

    padded = np.pad(features, ((context, context), (0, 0)))
    hidden = np.stack([padded[frame : frame + 2 * context + 1].ravel() for frame in range(len(features))])
    for name in ("dense.0", "dense.1", "dense.2"):
        hidden = np.clip(dense(hidden, name), 0, _CLIP)
    rows = np.concatenate([weights["lstm.weight_ih_l0"], weights["lstm.weight_hh_l0"]], axis=1)
    scale, bias = weights[f"lstm.weight_ih_l0{SCALE_SUFFIX}"], weights["lstm.bias_ih_l0"]
    h = c = np.zeros((1, len(rows) // 4), np.float32)
    outputs = []
    for frame in hidden:
        gates = multiply(np.concatenate([frame[None], h], axis=1), rows, scale) + bias
        i, f, g, o = np.split(gates, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        outputs.append(h[0])
    hidden = np.clip(dense(np.stack(outputs), "dense.4"), 0, _CLIP)
    logits = dense(hidden, "dense.5")
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def _sigmoid(values: Array) -> Array:
    return (1 / (1 + np.exp(-values))).astype(np.float32)
