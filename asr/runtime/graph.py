"""ONNX graphs, node by node: weights and layers in, an ONNX Runtime session out.

Weights enter a graph under the names and in the layout of model.safetensors; ONNX's own layout is made by nodes that
the runtime evaluates once, when it loads the graph. So a graph holds what the file holds.

A session computes with one thread, and many threads may run it at the same time: nothing waits in a spinning loop,
the result does not depend on the machine's load, and a forked process can go on. Knows nothing of speech.
"""

import platform
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper, numpy_helper

from asr.config import Cell
from asr.weights import SCALE_SUFFIX, Array, QuantizedMatrix, Weights

Value = str  # the name of a value in a graph

CONSTANT = "constant."  # what the names of constants begin with, unlike those of weights
_OPSET, _IR_VERSION = 17, 8  # of 2022, which every runtime since then reads
_OWN_OPERATORS = "com.microsoft"  # ONNX Runtime's: the LSTM in 8 bits
# The order of gates in ONNX, counted in torch's order: LSTM i f g o, GRU r z n.
_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
_MATRICES = ("ih", "hh")  # in the names of weights: input to hidden, hidden to hidden
_OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
_EPSILON = 1e-5  # torch's, in layer normalisation
_LARGEST_NARROW = 64  # the largest 8-bit weight, halved and rounded
_ERRORS = 3  # the level of messages that are logged


class GraphBuilder:
    """Adds nodes to a graph; each method returns the name of its result.

    Args:
        weights: By the names that `weight` takes.
        int8: Whether LSTMs and `product` compute in 8 bits: weights as stored, activations scaled at run time.
        narrow: Whether 8-bit weights lose a bit, for processors without `adds_int8_exactly`.
        compact: Whether weights that are in 8 bits stay so in the graph, and become float32 when it is loaded.
    """

    def __init__(self, weights: Weights, *, int8: bool = False, narrow: bool = False, compact: bool = False) -> None:
        self._weights = weights
        self._compact = compact
        self._int8 = int8
        self._narrow = narrow
        self._nodes: list[Any] = []
        self._initializers: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, shape: Sequence[int | str], dtype: int = TensorProto.FLOAT) -> Value:
        """Declare an input; strings in its shape name sizes that vary."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name: str, value: Value, shape: Sequence[int | str], dtype: int = TensorProto.FLOAT) -> None:
        """Declare an output."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def node(self, operator: str, *inputs: Value, **attributes: Any) -> Value:
        """Add an operator with one result."""
        return self.nodes(operator, inputs, 1, **attributes)[0]

    def nodes(self, operator: str, inputs: Sequence[Value], num_outputs: int, **attributes: Any) -> list[Value]:
        """Add an operator with several results."""
        outputs = [f"{operator.lower()}.{len(self._nodes)}.{index}" for index in range(num_outputs)]
        self._nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs

    def constant(self, value: Any, dtype: Any = np.int64) -> Value:
        """Add a constant."""
        array = np.asarray(value, dtype)
        return self._initialize(f"{CONSTANT}{array.dtype}.{array.tolist()}", lambda: array)

    def weight(self, name: str) -> Value:
        """Add a weight, in float32."""
        if self._compact and self._weights.is_quantized(name):
            values, scales = self._quantized(name)
            shape = [-1] + [1] * (len(self._weights.shape(name)) - 1)
            factors = self.node("Reshape", scales, self.constant(shape))
            return self.node("Mul", self.node("Cast", values, to=TensorProto.FLOAT), factors)
        return self._initialize(name, lambda: self._weights[name])

    def linear(self, value: Value, prefix: str) -> Value:
        """Multiply (..., D) by the matrix `prefix`.weight (E, D) and add `prefix`.bias (E,): (..., E)."""
        product = self.node("MatMul", value, self.node("Transpose", self.weight(f"{prefix}.weight"), perm=[1, 0]))
        return self.node("Add", product, self.weight(f"{prefix}.bias"))

    def product(self, value: Value, name: str) -> Value:
        """Multiply (N, D) by a matrix (E, D), in 8 bits if LSTMs are: (N, E)."""
        if not self._int8:
            return self.node("MatMul", value, self.node("Transpose", self.weight(name), perm=[1, 0]))
        values, scales = self._quantized(name)
        matrix = self.node("Transpose", values, perm=[1, 0])
        return self.node("DynamicQuantizeMatMul", value, matrix, scales, domain=_OWN_OPERATORS)

    def layer_norm(self, value: Value, prefix: str) -> Value:
        """Normalise the last dimension; scale and shift are `prefix`.weight and .bias."""
        scale, shift = self.weight(f"{prefix}.weight"), self.weight(f"{prefix}.bias")
        return self.node("LayerNormalization", value, scale, shift, axis=-1, epsilon=_EPSILON)

    def recurrent(
        self,
        cell: Cell,
        value: Value,
        prefixes: Sequence[str],
        *,
        reverse: bool = False,
        lengths: Value = "",
        state: Sequence[Value] = (),
    ) -> tuple[Value, list[Value]]:
        """Add a recurrent layer over (T, B, D).

        Args:
            cell: Kind of recurrence.
            value: The inputs.
            prefixes: What the names of the layer's weights begin with: forward and backward, or one of them.
            reverse: Whether a single one runs backward.
            lengths: (B,) int32 valid steps; none: all.
            state: Initial hidden state (1, B, H) and, of an LSTM, its cell; none: zeros.

        Returns:
            (T, B, N H) for N directions, and the states after the last step, each (N, B, H).
        """
        hidden_size = self._weights.shape(f"{prefixes[0]}weight_hh_l0")[1]
        direction = "bidirectional" if len(prefixes) == 2 else "reverse" if reverse else "forward"
        attributes: dict[str, Any] = {"hidden_size": hidden_size, "direction": direction}
        both = [
            self.node("Concat", *(self._gates(cell, f"{prefix}bias_{kind}_l0") for kind in _MATRICES), axis=0)
            for prefix in prefixes
        ]
        initial = [self._stack(both), lengths, *state]
        num_results = 3 if cell == "lstm" else 2
        if cell == "lstm" and self._int8:
            inputs = self._int8_inputs(value, prefixes, initial)
            results = self.nodes("DynamicQuantizeLSTM", inputs, num_results, domain=_OWN_OPERATORS, **attributes)
        else:
            if cell == "gru":
                attributes["linear_before_reset"] = 1  # as in torch
            matrices = [
                self._stack([self._gates(cell, f"{prefix}weight_{kind}_l0") for prefix in prefixes])
                for kind in _MATRICES
            ]
            results = self.nodes(_OPERATORS[cell], [value, *matrices, *initial], num_results, **attributes)
        outputs = self.node("Transpose", results[0], perm=[0, 2, 1, 3])  # (T, B, N, H)
        return self.node("Reshape", outputs, self.constant([0, 0, len(prefixes) * hidden_size])), results[1:]

    def _int8_inputs(self, value: Value, prefixes: Sequence[str], initial: Sequence[Value]) -> list[Value]:
        """Return the inputs of an LSTM in 8 bits: matrices (N, D, 4H), and for each scales and zero points (N, 4H)."""
        matrices, scales = [], []
        for kind in _MATRICES:
            names = [f"{prefix}weight_{kind}_l0" for prefix in prefixes]
            pairs = [self._quantized(name) for name in names]
            arranged = [
                self._order_gates("lstm", values, self._weights.shape(name))
                for (values, _), name in zip(pairs, names, strict=True)
            ]
            matrices.append(self._stack([self.node("Transpose", matrix, perm=[1, 0]) for matrix in arranged]))
            rows = self._weights.shape(names[0])[0]
            zeros = self.node("Expand", self.constant(0, np.int8), self.constant([len(prefixes), rows]))
            scales += [self._stack([self._order_gates("lstm", scale, (rows,)) for _, scale in pairs]), zeros]
        padding = [""] * (4 - len(initial)) + [""]  # no state, no peepholes
        return [value, *matrices, *initial, *padding, *scales]

    def _gates(self, cell: Cell, name: str) -> Value:
        return self._order_gates(cell, self.weight(name), self._weights.shape(name))

    def _order_gates(self, cell: Cell, value: Value, shape: Sequence[int]) -> Value:
        """Put rows, which torch groups by gates, into ONNX's order."""
        order = _GATES[cell]
        by_gate = self.node("Reshape", value, self.constant([len(order), shape[0] // len(order), *shape[1:]]))
        return self.node("Reshape", self.node("Gather", by_gate, self.constant(order), axis=0), self.constant(shape))

    def _stack(self, values: Sequence[Value]) -> Value:
        """Stack arrays of one shape along a new first dimension."""
        expanded = [self.node("Unsqueeze", value, self.constant([0])) for value in values]
        return expanded[0] if len(expanded) == 1 else self.node("Concat", *expanded, axis=0)

    def _quantized(self, name: str) -> tuple[Value, Value]:
        """Add a matrix in 8 bits: its integers, and the scales of its rows."""
        matrix = self._weights.quantized(name)
        if self._narrow and np.abs(matrix.values).max() > _LARGEST_NARROW:  # a file may hold no more
            matrix = QuantizedMatrix(np.rint(matrix.values / 2).astype(np.int8), 2 * matrix.scales)
        return (
            self._initialize(name, lambda: matrix.values),
            self._initialize(f"{name}{SCALE_SUFFIX}", lambda: matrix.scales),
        )

    def _initialize(self, name: str, make: Callable[[], Array]) -> Value:
        """Add an array, once."""
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.ascontiguousarray(make()), name)
        return name

    def build(self, metadata: dict[str, str] | None = None) -> ModelProto:
        """Return the graph as an ONNX model."""
        graph = helper.make_graph(
            self._nodes, "asr", self._inputs, self._outputs, initializer=list(self._initializers.values())
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_OWN_OPERATORS, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="asr")
        helper.set_model_props(model, metadata or {})
        return model


def open_session(model: ModelProto | bytes) -> ort.InferenceSession:
    """Load a graph, to compute with one thread."""
    ort.disable_telemetry_events()  # if it was imported before asr could say so (asr/__init__.py)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@cache
def adds_int8_exactly() -> bool:
    """Return whether this processor multiplies and adds 8-bit numbers without overflow.

    x86 processors without VNNI add pairs of products in 16 bits, which overflow for large 8-bit weights and silently
    change the result; 7-bit weights fit. Where nothing is known of the processor, the answer is no.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags
