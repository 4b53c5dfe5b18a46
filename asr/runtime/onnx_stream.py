"""The acoustic model on ONNX Runtime behind `StreamingNetwork`: a network's weights, on features in blocks.

A backward LSTM needs the future. Here it sees one chunk and a bounded right context at a time,
while the forward LSTM's state is carried from chunk to chunk (latency-controlled BLSTM, Zhang et
al. 2016; Xue & Yan 2017). Convolutions see each edge as within the whole utterance. With a right
context that reaches the end, the result is that of the whole utterance; memory does not grow with its length.

Knows nothing of audio or words. One network serves any number of streams, as many at a time as there are cores.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import onnxruntime as ort

from asr.config import ModelSettings
from asr.runtime.acoustic_graph import AcousticGraphs
from asr.runtime.graph import open_session
from asr.runtime.network import ChunkSize, Features, LogProbs
from asr.runtime.threads import map_in_threads
from asr.weights import Array


class StreamSessions:
    """The parts of a network that streams need, loaded when the first one does; a pickle holds the graphs alone."""

    def __init__(self, graphs: AcousticGraphs) -> None:
        self._graphs = graphs
        self.image_shapes = [graphs.image_shape(index) for index in range(graphs.num_convolutions + 1)]
        self.num_states = graphs.num_states

    def __reduce__(self) -> tuple[object, ...]:
        return StreamSessions, (self._graphs,)

    @cached_property
    def convolutions(self) -> list[ort.InferenceSession]:
        """See `AcousticGraphs.convolution`."""
        return [open_session(self._graphs.convolution(index)) for index in range(self._graphs.num_convolutions)]

    @cached_property
    def projection(self) -> ort.InferenceSession:
        """See `AcousticGraphs.projection`."""
        return open_session(self._graphs.projection())

    @cached_property
    def chunk(self) -> ort.InferenceSession:
        """A chunk that nothing follows; see `AcousticGraphs.chunk`."""
        return open_session(self._graphs.chunk(right_context=False))

    @cached_property
    def chunk_with_context(self) -> ort.InferenceSession:
        """A chunk that is followed by its right context."""
        return open_session(self._graphs.chunk(right_context=True))


class OnnxStreamingNetwork:
    """Runs an acoustic model over streams.

    Args:
        sessions: The network's parts.
        settings: Its sizes.
        chunk_size: How streams are divided.
        vocab_size: V.
    """

    def __init__(
        self, sessions: StreamSessions, settings: ModelSettings, chunk_size: ChunkSize, *, vocab_size: int
    ) -> None:
        self.sessions = sessions
        acoustic = settings.acoustic
        is_bidirectional = acoustic.direction == "bi"
        self.chunk_size = chunk_size if is_bidirectional else ChunkSize(chunk_size.chunk, 0)
        # What a stream starts with; nothing changes these arrays.
        self.edges = [_zeros(channels, 1, bands) for channels, bands in sessions.image_shapes]
        self.no_images = [_zeros(channels, 0, bands) for channels, bands in sessions.image_shapes[1:]]
        self.no_frames = _zeros(0, acoustic.hidden_size * (2 if is_bidirectional else 1))
        self.no_states = _zeros(sessions.num_states, 1, acoustic.hidden_size)
        self._no_log_probs = _zeros(0, vocab_size)

    def start(self) -> "OnnxStream":
        """Start a stream."""
        return OnnxStream(self)

    def run(self, batch: "Sequence[OnnxStream]") -> list[LogProbs]:
        """Compute all chunks that are ready; (T', V) for each stream, T' may be 0."""
        return map_in_threads(self._run_stream, batch)

    def preview(self, batch: "Sequence[OnnxStream]") -> list[LogProbs]:
        """Compute the frames that still wait for their right context, as if the streams ended; they do not change."""
        return map_in_threads(self._preview_stream, batch)

    def _run_stream(self, stream: "OnnxStream") -> LogProbs:
        parts = [self._no_log_probs]
        while (shape := stream.next_shape()) is not None:
            window, chunk = shape
            log_probs, stream.states = self._run_chunk(stream.frames[:window], chunk, stream.states)
            stream.frames = stream.frames[chunk:]
            parts.append(log_probs)
        return np.concatenate(parts)

    def _preview_stream(self, stream: "OnnxStream") -> LogProbs:
        if len(stream.frames) == 0:
            return self._no_log_probs
        return self._run_chunk(stream.frames, len(stream.frames), stream.states)[0]

    def _run_chunk(self, frames: Array, chunk: int, states: Array) -> tuple[LogProbs, Array]:
        """Compute the first `chunk` of frames (W, D) after states (K, 1, H): (chunk, V), and the states after them."""
        session = self.sessions.chunk if chunk == len(frames) else self.sessions.chunk_with_context
        inputs = {"frames": frames, "chunk": np.array([chunk]), "states": states}
        log_probs, after = session.run(None, inputs)
        return log_probs, after


class OnnxStream:
    """One recording on its way through an `OnnxStreamingNetwork`.

    Attributes:
        frames: (T', D) subsampled frames whose log probabilities have not been computed yet.
        states: (K, 1, H) of the forward direction before the first of them.
    """

    def __init__(self, network: OnnxStreamingNetwork) -> None:
        self._network = network
        self._ended = False
        self._held = network.edges[:-1]  # of each convolution's input, the frames that its next output needs
        self.frames = network.no_frames
        self.states = network.no_states

    @property
    def is_ready(self) -> bool:
        """Whether `OnnxStreamingNetwork.run` can compute its next chunk."""
        return self.next_shape() is not None

    def feed(self, features: Features, *, last: bool = False) -> None:
        """Append (T, F) features; T may be 0. The stream ends with the `last`.

        Raises:
            ValueError: If the stream has ended already.
        """
        if self._ended:
            raise ValueError("this stream has ended; start another")
        self._ended = last
        image: Array = features[None]  # (1, T, F)
        for index, session in enumerate(self._network.sessions.convolutions):
            held = np.concatenate([self._held[index], image], axis=-2)
            if last:
                held = np.concatenate([held, self._network.edges[index]], axis=-2)
            image, self._held[index] = self._convolve(index, session, held)
        if image.shape[1]:
            projected = self._network.sessions.projection.run(None, {"image": image})[0]
            self.frames = np.concatenate([self.frames, projected])

    def next_shape(self) -> tuple[int, int] | None:
        """See `ChunkSize.next_shape`."""
        return self._network.chunk_size.next_shape(len(self.frames), ended=self._ended)

    def _convolve(self, index: int, session: ort.InferenceSession, image: Array) -> tuple[Array, Array]:
        """Convolve the frames of an image (C, T, F) that are complete.

        Output i needs inputs 2i - 1 to 2i + 1, zero beyond both ends.

        Returns:
            The output, and the frames that the next one needs.
        """
        num_outputs = (image.shape[-2] - 1) // 2
        rest = image[..., 2 * num_outputs :, :]
        if num_outputs == 0:
            return self._network.no_images[index], rest
        outputs: Array = session.run(None, {"image": image[..., : 2 * num_outputs + 1, :]})[0]
        return outputs, rest


def _zeros(*shape: int) -> Array:
    return np.zeros(shape, np.float32)
