"""The acoustic model on ONNX Runtime behind `Network`: on the CPU, in fp32 or int8."""

from collections.abc import Sequence

import numpy as np

from asr.config import ModelSettings
from asr.runtime.acoustic_graph import AcousticGraphs
from asr.runtime.graph import adds_int8_exactly, open_session
from asr.runtime.network import ChunkSize, Features, LogProbs
from asr.runtime.onnx_stream import OnnxStreamingNetwork, StreamSessions
from asr.runtime.precision import pick_cpu_precision
from asr.runtime.threads import map_in_threads
from asr.weights import Weights


class OnnxNetwork:
    """An acoustic model that is ready to recognise.

    Utterances go through the graph one by one, as many at a time as there are cores. In int8 a batch side by side would
    be 15 % faster at best, and the result would depend on the neighbours, because activations share a scale.

    Args:
        weights: The network's.
        settings: Its sizes.
        precision: "fp32" or "int8"; "auto" is int8 if the network can compute in it.

    Raises:
        ConfigError: If the network cannot compute with the precision.
    """

    def __init__(self, weights: Weights, settings: ModelSettings, *, precision: str = "auto") -> None:
        self._weights, self._settings = weights, settings
        self.precision = pick_cpu_precision(precision, settings.acoustic.cell)
        int8 = self.precision == "int8"
        graphs = AcousticGraphs(weights, settings, int8=int8, narrow=int8 and not adds_int8_exactly())
        self._vocab_size = weights.shape("head.bias")[0]
        self._session = open_session(graphs.utterance())
        self._stream_sessions = StreamSessions(graphs)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what the sessions are made from."""
        return _restore, (self._weights, self._settings, self.precision)

    def run(self, features: Sequence[Features]) -> list[LogProbs]:
        """Compute log probabilities (T', V) of utterances (T, F)."""
        return map_in_threads(self._run, features)

    def streaming(self, chunk_size: ChunkSize) -> OnnxStreamingNetwork:
        """The same network for streams."""
        return OnnxStreamingNetwork(self._stream_sessions, self._settings, chunk_size, vocab_size=self._vocab_size)

    def _run(self, features: Features) -> LogProbs:
        if len(features) == 0:
            return np.empty((0, self._vocab_size), np.float32)
        log_probs: LogProbs = self._session.run(None, {"features": features})[0]
        return log_probs


def _restore(weights: Weights, settings: ModelSettings, precision: str) -> OnnxNetwork:
    return OnnxNetwork(weights, settings, precision=precision)
