"""The ONNX graph of a network that another program trained, on the CPU.

    inputs     features (C + T + C', F) with what lies before and after; then states, one after the other
    outputs    log_probs (T', V); then the states after those frames, in the same order

C and C' are the context of `GraphSettings`: beyond the ends of a recording its `padding` takes their place. States
begin as zeros. A graph without states sees whole utterances only; one with states can follow streams.
"""

from functools import cached_property

import numpy as np
import onnxruntime as ort

from asr.config import GraphSettings
from asr.errors import ModelError, one_line
from asr.runtime.graph import open_session
from asr.runtime.network import Features, LogProbs
from asr.weights import Array

_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


class ImportedGraph:
    """A graph in use; threads may share it, and it can be pickled.

    Args:
        graph: The ONNX model.
        settings: How it is fed.
        subsampling: Frames of features for one frame of log probabilities.

    Raises:
        ModelError: If ONNX Runtime cannot load the graph.
    """

    def __init__(self, graph: bytes, settings: GraphSettings, subsampling: int) -> None:
        self._graph, self.settings, self.subsampling = graph, settings, subsampling
        self._session.get_inputs()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what the session is made from."""
        return type(self), (self._graph, self.settings, self.subsampling)

    @cached_property
    def _session(self) -> ort.InferenceSession:
        try:
            return open_session(self._graph)
        except Exception as error:  # ONNX Runtime's own, which have no common class
            raise ModelError(f"the graph cannot be loaded: {one_line(error)}") from None

    @property
    def feature_size(self) -> int | None:
        """F that the graph expects; None if it says nothing."""
        size = self._session.get_inputs()[0].shape[-1]
        return size if isinstance(size, int) else None

    @cached_property
    def vocab_size(self) -> int:
        """V, known for certain once the graph has computed something."""
        size = self._session.get_outputs()[0].shape[-1]
        if isinstance(size, int):
            return size
        window = sum(self.settings.context) + (self.settings.chunk or 100)
        return int(
            self.step(np.zeros((window, self.feature_size or 1), np.float32), self.initial_states())[0].shape[-1]
        )

    def initial_states(self) -> list[Array]:
        """Return the states before the first frame."""
        inputs = self._session.get_inputs()[1:]
        shapes = [[size if isinstance(size, int) else 1 for size in value.shape] for value in inputs]
        return [np.zeros(shape, _TYPES[value.type]) for value, shape in zip(inputs, shapes, strict=True)]

    def step(self, features: Features, states: list[Array]) -> tuple[LogProbs, list[Array]]:
        """Compute log_probs (T', V) of features with their context, and the states after them."""
        names = [value.name for value in self._session.get_inputs()]
        log_probs, *after = self._session.run(None, dict(zip(names, [features, *states], strict=True)))
        return log_probs, after

    def pad(self, like: Features, end: int, count: int = 0) -> Features:
        """Return what lies before a recording (`end` 0) or after it (1), and `count` frames more."""
        return np.full((self.settings.context[end] + count, like.shape[1]), self.settings.padding, np.float32)

    def finish(self, features: Features, states: list[Array]) -> tuple[LogProbs, list[Array]]:
        """Compute the log_probs (T', V) of the last features (C + T, F) of a recording, T at least 1."""
        num_frames, chunk = len(features) - self.settings.context[0], self.settings.chunk
        if chunk is None:
            return self.step(np.concatenate([features, self.pad(features, 1)]), states)
        missing = -num_frames % chunk
        features = np.concatenate([features, self.pad(features, 1, missing)])
        parts, window = [], chunk + sum(self.settings.context)
        for first in range(0, num_frames, chunk):
            log_probs, states = self.step(features[first : first + window], states)
            parts.append(log_probs)
        return np.concatenate(parts)[: -(-num_frames // self.subsampling)], states
