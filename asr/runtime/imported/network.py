"""A network that another program trained behind `Network`."""

from collections.abc import Sequence

import numpy as np

from asr.errors import ConfigError
from asr.runtime.imported.graph import ImportedGraph
from asr.runtime.imported.stream import ImportedStreamingNetwork
from asr.runtime.network import ChunkSize, Features, LogProbs
from asr.runtime.threads import map_in_threads


class ImportedNetwork(ImportedGraph):
    """A network that is ready to recognise; see `ImportedGraph`."""

    def run(self, features: Sequence[Features]) -> list[LogProbs]:
        """Compute log probabilities (T', V) of utterances (T, F)."""
        return map_in_threads(self._run, features)

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

    def _run(self, features: Features) -> LogProbs:
        if len(features) == 0:
            return np.empty((0, self.vocab_size), np.float32)
        log_probs, _ = self.finish(np.concatenate([self.pad(features, 0), features]), self.initial_states())
        return log_probs
