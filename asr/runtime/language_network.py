"""The network of a recurrent language model on ONNX Runtime: token ids in, log probabilities of the next tokens out.

    tokens (T, B) ──► embedding ──► recurrent layers, with residuals ──► outputs (T, B, H) ──► log_probs (T, B, V)
                                       ▲          │
                             state (K, B, H) ──► state after the last token

The last step, which multiplies by a matrix as wide as the alphabet, is a separate graph: not every output needs it,
and those of many tokens take it much faster together. The two compute what train/rnn_network.py, which trains the
network, computes. Knows nothing of text.
"""

from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto

from asr.config import LanguageNetworkSettings
from asr.runtime.graph import GraphBuilder, Value, adds_int8_exactly, open_session
from asr.runtime.precision import check_precision
from asr.weights import Array, Weights


class OnnxLanguageNetwork:
    """Runs the network; threads may share it, and it can be pickled.

    A state (K, B, H) holds, for each layer, its hidden state and, of an LSTM, its cell.

    In int8 the activations of a batch share a scale, so results depend a little on the neighbours. They are sentences
    of one utterance, in the second pass, or contexts of one search: what is recognised depends on the utterance alone.
    One by one they would give no better scores, and take twice as long.

    Args:
        weights: Those of `language_shapes`.
        settings: The network's sizes.
        precision: "int8": LSTMs and the last matrices compute in 8 bits; "auto": likewise. Anything else is fp32, and
            so are networks of other cells.
    """

    def __init__(self, weights: Weights, settings: LanguageNetworkSettings, *, precision: str = "auto") -> None:
        self.weights = weights
        self.settings = settings
        is_int8 = settings.cell == "lstm" and check_precision(precision) in ("auto", "int8")
        self.precision = "int8" if is_int8 else "fp32"

    def initial_state(self, batch_size: int) -> Array:
        """Return the state (K, B, H) before any token."""
        return np.zeros((_num_states(self.settings), batch_size, self.settings.hidden_size), np.float32)

    def run(self, tokens: Array, state: Array) -> tuple[Array, Array]:
        """Process tokens (T, B), T and B at least 1, from a state (K, B, H).

        Returns:
            (T, B, H) outputs, for `predict`, and the state (K, B, H) after the last token.
        """
        outputs, after = self._sessions[0].run(None, {"tokens": tokens, "state": state})
        return outputs, after

    def predict(self, outputs: Array) -> Array:
        """Return (N, V) float32 log probabilities of the tokens that follow, from outputs (N, H)."""
        log_probs: Array = self._sessions[1].run(None, {"outputs": outputs})[0]
        return log_probs

    @cached_property
    def _sessions(self) -> tuple[ort.InferenceSession, ort.InferenceSession]:
        int8 = self.precision == "int8"
        narrow = int8 and not adds_int8_exactly()
        recurrence = build_recurrence(self.weights, self.settings, int8=int8, narrow=narrow)
        read_out = build_read_out(self.weights, self.settings, int8=int8, narrow=narrow)
        return open_session(recurrence), open_session(read_out)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_sessions"}  # they are built anew


def build_recurrence(
    weights: Weights, settings: LanguageNetworkSettings, *, int8: bool = False, narrow: bool = False
) -> ModelProto:
    """Build the graph of all but the last step: tokens, state to outputs, state_after; options as `GraphBuilder`'s."""
    builder, num_states = GraphBuilder(weights, int8=int8, narrow=narrow), _num_states(settings)
    tokens = builder.input("tokens", ["T", "B"], TensorProto.INT64)
    state = builder.input("state", [num_states, "B", settings.hidden_size])
    before = builder.nodes("Split", [state], num_states, axis=0)
    hidden, after = builder.node("Gather", builder.weight("embedding.weight"), tokens), list[Value]()  # (T, B, E)
    per_layer = num_states // settings.num_layers
    for index in range(settings.num_layers):
        own = before[index * per_layer :][:per_layer]
        outputs, last = builder.recurrent(settings.cell, hidden, [f"layers.{index}."], state=own)
        after += last
        hidden = outputs if index == 0 else builder.node("Add", hidden, outputs)
    builder.output("outputs", hidden, ["T", "B", settings.hidden_size])
    builder.output("state_after", builder.node("Concat", *after, axis=0), [num_states, "B", settings.hidden_size])
    return builder.build()


def build_read_out(
    weights: Weights, settings: LanguageNetworkSettings, *, int8: bool = False, narrow: bool = False
) -> ModelProto:
    """Build the graph of the last step: outputs to log_probs; options as `GraphBuilder`'s."""
    builder = GraphBuilder(weights, int8=int8, narrow=narrow)
    outputs = builder.input("outputs", ["N", settings.hidden_size])
    if settings.tied and settings.hidden_size != settings.embedding_size:
        outputs = builder.node("Add", builder.product(outputs, "projection.weight"), builder.weight("projection.bias"))
    product = builder.product(outputs, "embedding.weight" if settings.tied else "head_weight")
    logits = builder.node("Add", product, builder.weight("head_bias"))
    builder.output("log_probs", builder.node("LogSoftmax", logits, axis=-1), ["N", "V"])
    return builder.build()


def _num_states(settings: LanguageNetworkSettings) -> int:
    return settings.num_layers * (2 if settings.cell == "lstm" else 1)
