"""The network of a punctuator on ONNX Runtime: words as rows of a table in, scores of marks and capitals out.

    rows (T, P) ──► embedding, summed ──► silences appended ──► bidirectional LSTMs ──► marks (T, M), cases (T, C)
                                          (T, E + 2)            (T, 2H)

It computes what train/punctuator/network.py, which trains the network, computes. Knows nothing of text.
"""

from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto

from asr.config import PunctuatorNetworkSettings
from asr.runtime.graph import GraphBuilder, adds_int8_exactly, open_session
from asr.runtime.parameters import NUM_CASES, NUM_MARKS, SILENCE_SIZE
from asr.runtime.precision import check_precision
from asr.weights import Array, Weights

_SILENCE_SCALE = 0.1  # seconds: silences much shorter than this hardly differ


class OnnxPunctuatorNetwork:
    """Runs the network on one text at a time, so that scores depend on nothing but its words; threads may share it.

    Args:
        weights: Those of `punctuator_shapes`.
        settings: The network's sizes.
        precision: "int8": LSTMs compute in 8 bits; "auto": likewise. Anything else is fp32.
    """

    def __init__(self, weights: Weights, settings: PunctuatorNetworkSettings, *, precision: str = "auto") -> None:
        self._weights = weights
        self._settings = settings
        self.precision = "int8" if check_precision(precision) in ("auto", "int8") else "fp32"
        self.after_mark = weights["after_mark.weight"]  # (M, C) what a word's mark adds to the next word's cases

    def run(self, rows: Array, silences: Array) -> tuple[Array, Array]:
        """Score T words, at least one.

        Args:
            rows: (T, P) int64 rows of the embedding that make up each word.
            silences: (T,) seconds of silence after each word; NaN where they are not known.

        Returns:
            (T, M) scores of the marks after each word and (T, C) of its cases, before `after_mark` is added.
        """
        marks, cases = self._session.run(None, {"rows": rows, "silences": encode_silences(silences)})
        return marks, cases

    @cached_property
    def _session(self) -> ort.InferenceSession:
        int8 = self.precision == "int8"
        graph = build_punctuator(self._weights, self._settings, int8=int8, narrow=int8 and not adds_int8_exactly())
        return open_session(graph)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_session"}  # it is built anew


def encode_silences(seconds: Array) -> Array:
    """Return the network's (..., 2) float32 inputs for silences (...): whether each is known, and its logarithm."""
    known = ~np.isnan(seconds)
    logarithms = np.log1p(np.where(known, seconds, 0.0).clip(0.0) / _SILENCE_SCALE)
    return np.stack([known, logarithms], axis=-1).astype(np.float32)


def build_punctuator(
    weights: Weights, settings: PunctuatorNetworkSettings, *, int8: bool = False, narrow: bool = False
) -> ModelProto:
    """Build the graph: rows, silences to marks, cases; options as `GraphBuilder`'s."""
    builder = GraphBuilder(weights, int8=int8, narrow=narrow)
    rows = builder.input("rows", ["T", "P"], TensorProto.INT64)
    silences = builder.input("silences", ["T", SILENCE_SIZE])
    vectors = builder.node("Gather", builder.weight("embedding.weight"), rows)  # (T, P, E)
    summed = builder.node("ReduceSum", vectors, builder.constant([1]), keepdims=0)  # (T, E)
    hidden = builder.node("Unsqueeze", builder.node("Concat", summed, silences, axis=1), builder.constant([1]))
    for index in range(settings.num_layers):
        prefixes = [f"layers.{index}.{direction}_rnn." for direction in ("forward", "backward")]
        hidden = builder.recurrent("lstm", hidden, prefixes)[0]  # (T, 1, 2H)
    outputs = builder.node("Squeeze", hidden, builder.constant([1]))
    for name, size in (("marks", NUM_MARKS), ("cases", NUM_CASES)):
        builder.output(name, builder.linear(outputs, name), ["T", size])
    return builder.build()
