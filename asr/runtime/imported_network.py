"""A network that another program trained behind `Network`: an ONNX graph on the CPU.

    inputs     features (C + T + C', F) with what lies before and after; then states, one after the other
    outputs    log_probs (T', V); then the states after those frames, in the same order

C and C' are the context of `GraphSettings`: beyond the ends of a recording its `padding` takes their place. States
begin as zeros. A graph without states sees whole utterances only; one with states can follow streams.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime as ort

from asr.config import GraphSettings
from asr.errors import ConfigError, ModelError, one_line
from asr.runtime.graph import open_session
from asr.runtime.network import ChunkSize, Features, LogProbs
from asr.runtime.threads import map_in_threads
from asr.weights import Array

_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


class ImportedNetwork:
    """A network that is ready to recognise; threads may share it, and it can be pickled.

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
        return ImportedNetwork, (self._graph, self.settings, self.subsampling)

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

    def run(self, features: Sequence[Features]) -> list[LogProbs]:
        """Compute log probabilities (T', V) of utterances (T, F)."""
        return map_in_threads(self._run, features)

    def _run(self, features: Features) -> LogProbs:
        if len(features) == 0:
            return np.empty((0, self.vocab_size), np.float32)
        log_probs, _ = self.finish(np.concatenate([self.pad(features, 0), features]), self.initial_states())
        return log_probs

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

    def streaming(self, chunk_size: ChunkSize) -> "ImportedStreamingNetwork":
        """The same network for streams.

        Raises:
            ConfigError: If it sees whole utterances only.
        """
        if not self.settings.streaming:
            raise ConfigError(
                f"this model, imported from {self.settings.source}, needs whole recordings and cannot follow a live "
                "stream; `asr transcribe` runs it"
            )
        return ImportedStreamingNetwork(self, chunk_size)


class ImportedStreamingNetwork:
    """Runs an imported network over streams.

    Args:
        network: One with states.
        chunk_size: Frames of log probabilities that come out together, unless the graph has its own number; the right
            context is the graph's.
    """

    def __init__(self, network: ImportedNetwork, chunk_size: ChunkSize) -> None:
        self.network = network
        self.chunk = network.settings.chunk or chunk_size.chunk * network.subsampling  # frames of features

    def start(self) -> "ImportedStream":
        """Start a stream."""
        return ImportedStream(self)

    def run(self, batch: "Sequence[ImportedStream]") -> list[LogProbs]:
        """Compute all chunks that are ready; (T', V) for each stream, T' may be 0."""
        return map_in_threads(self._run_stream, batch)

    def preview(self, batch: "Sequence[ImportedStream]") -> list[LogProbs]:
        """Compute the frames that still wait for their right context, as if the streams ended; they do not change."""
        return map_in_threads(self._preview_stream, batch)

    def _run_stream(self, stream: "ImportedStream") -> LogProbs:
        network = self.network
        parts = [np.empty((0, network.vocab_size), np.float32)]
        window = self.chunk + sum(network.settings.context)
        while stream.num_waiting >= self.chunk + network.settings.context[1]:
            log_probs, stream.states = network.step(stream.features[:window], stream.states)
            stream.features = stream.features[self.chunk :]
            parts.append(log_probs)
        if stream.ended and stream.num_waiting > 0:
            log_probs, stream.states = network.finish(stream.features, stream.states)
            stream.features = stream.features[:0]
            parts.append(log_probs)
        return np.concatenate(parts)

    def _preview_stream(self, stream: "ImportedStream") -> LogProbs:
        if stream.num_waiting <= 0:
            return np.empty((0, self.network.vocab_size), np.float32)
        return self.network.finish(stream.features, stream.states)[0]


class ImportedStream:
    """One recording on its way through an `ImportedStreamingNetwork`.

    Attributes:
        features: Those that have not been computed yet, and the context before them.
        states: Before the first of them.
        ended: Whether the last features have been fed.
    """

    def __init__(self, network: ImportedStreamingNetwork) -> None:
        self._network = network
        self.features: Any = None
        self.states = network.network.initial_states()
        self.ended = False

    @property
    def num_waiting(self) -> int:
        """Frames that have not been computed yet."""
        return 0 if self.features is None else len(self.features) - self._network.network.settings.context[0]

    @property
    def is_ready(self) -> bool:
        """Whether `ImportedStreamingNetwork.run` can compute its next chunk."""
        right = self._network.network.settings.context[1]
        return self.num_waiting >= (1 if self.ended else self._network.chunk + right)

    def feed(self, features: Features, *, last: bool = False) -> None:
        """Append (T, F) features; T may be 0. The stream ends with the `last`.

        Raises:
            ValueError: If the stream has ended already.
        """
        if self.ended:
            raise ValueError("this stream has ended; start another")
        self.ended = last
        before = self._network.network.pad(features, 0) if self.features is None else self.features
        self.features = np.concatenate([before, features])
