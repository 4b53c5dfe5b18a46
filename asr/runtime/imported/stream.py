"""A network that another program trained behind `StreamingNetwork`: the graph and its states, chunk by chunk."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from asr.runtime.imported.graph import ImportedGraph
from asr.runtime.network import ChunkSize, Features, LogProbs
from asr.runtime.threads import map_in_threads


class ImportedStreamingNetwork:
    """Runs an imported network over streams.

    Args:
        network: One with states.
        chunk_size: Frames of log probabilities that come out together, unless the graph has its own number; the right
            context is the graph's.
    """

    def __init__(self, network: ImportedGraph, chunk_size: ChunkSize) -> None:
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
