"""The acoustic model in torch behind `StreamingNetwork`: the weights for whole utterances, on features in blocks.

A backward LSTM needs the future. Here it sees one chunk and a bounded right context at a time,
while the forward LSTM's state is carried from chunk to chunk (latency-controlled BLSTM, Zhang et
al. 2016; Xue & Yan 2017). Convolutions see each edge as within the whole utterance. With a right
context that reaches the end, the result is that of the whole utterance; memory does not grow with its length.

Knows nothing of audio or words. One network serves any number of streams: those that are ready
at the same time go through it together.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from asr.acoustic.chunks import Windows
from asr.acoustic.model import AcousticModel, Subsampling
from asr.runtime.network import ChunkSize, Features, LogProbs
from asr.runtime.torch_device import computing_in

State = Any  # of one layer, as its nn.RNNBase takes and returns it; None at the start


class TorchStreamingNetwork:
    """Runs an acoustic model over streams.

    Args:
        model: In evaluation mode; on any device.
        chunk_size: How streams are divided.
        precision: As `pick_torch_precision` returns it.
    """

    def __init__(self, model: AcousticModel, chunk_size: ChunkSize, *, precision: str = "fp32") -> None:
        self.model = model
        self.precision = precision
        self.device = model.feature_mean.device
        is_bidirectional = any(block.recurrent.backward_rnn is not None for block in model.blocks)
        self.chunk_size = chunk_size if is_bidirectional else ChunkSize(chunk_size.chunk, 0)

    def start(self) -> "TorchStream":
        """Start a stream."""
        return TorchStream(self)

    @torch.inference_mode()
    def run(self, batch: "Sequence[TorchStream]") -> list[LogProbs]:
        """Compute all chunks that are ready, those of one shape together; (T', V) for each stream, T' may be 0."""
        outputs: list[list[Tensor]] = [[] for _ in batch]
        with computing_in(self.precision, self.device):
            while groups := self._group(batch):
                for (window, chunk), members in groups.items():
                    chunks = self._run_chunk([batch[index] for index in members], window, chunk)
                    for index, log_probs in zip(members, chunks, strict=True):
                        outputs[index].append(log_probs)
        return [torch.cat(parts).numpy() if parts else self._no_frames() for parts in outputs]

    @staticmethod
    def _group(batch: "Sequence[TorchStream]") -> dict[tuple[int, int], list[int]]:
        """Group the streams that are ready by the shape of their next chunk."""
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, stream in enumerate(batch):
            if (shape := stream.next_shape()) is not None:
                groups[shape].append(index)
        return groups

    @torch.inference_mode()
    def preview(self, batch: "Sequence[TorchStream]") -> list[LogProbs]:
        """Compute the frames that still wait for their right context, as if the streams ended; they do not change."""
        lengths = torch.tensor([len(stream.hidden) for stream in batch], device=self.device)
        if len(batch) == 0 or int(lengths.max()) == 0:
            return [self._no_frames() for _ in batch]
        # Unlike chunks, these differ in length: one padded batch is much faster than a batch per length.
        hidden = pad_sequence([stream.hidden for stream in batch], batch_first=True)  # (B, T', D)
        with computing_in(self.precision, self.device):
            for depth, block in enumerate(self.model.blocks):
                hidden = block(hidden, lengths, _join_states([stream.states[depth] for stream in batch]))
            padded = self.model.read_out(hidden).cpu().numpy()  # (B, T', V)
        return [log_probs[:length] for log_probs, length in zip(padded, lengths.tolist(), strict=True)]

    def _run_chunk(self, batch: "Sequence[TorchStream]", window: int, chunk: int) -> Tensor:
        """Compute the next chunk (B, chunk, V) of streams of one shape."""
        hidden = torch.stack([stream.hidden[:window] for stream in batch])  # (B, window, D)
        lengths = torch.full((len(batch),), window, device=self.device)
        windows = Windows(lengths, chunk, ChunkSize(chunk, window - chunk))
        for depth, block in enumerate(self.model.blocks):
            state = _join_states([stream.states[depth] for stream in batch])
            hidden, state = block.forward_windows(hidden, windows, state)
            for stream, stream_state in zip(batch, _split_state(state, len(batch)), strict=True):
                stream.states[depth] = stream_state
        for stream in batch:
            stream.hidden = stream.hidden[chunk:]
        return self.model.read_out(hidden[:, :chunk]).cpu()

    def _no_frames(self) -> LogProbs:
        return torch.empty(0, self.model.head.out_features).numpy()


class TorchStream:
    """One recording on its way through a `TorchStreamingNetwork`."""

    def __init__(self, network: TorchStreamingNetwork) -> None:
        self._network = network
        self._subsampling = SubsamplingStream(network.model.subsampling)
        self._ended = False
        # (T', D) subsampled frames whose log probabilities have not been computed yet
        self.hidden = torch.empty(0, network.model.head.in_features, device=network.device)
        # of each layer's forward direction, before the first of those frames
        self.states: list[State] = [None] * len(network.model.blocks)

    @property
    def is_ready(self) -> bool:
        """Whether `TorchStreamingNetwork.run` can compute its next chunk."""
        return self.next_shape() is not None

    @torch.inference_mode()
    def feed(self, features: Features, *, last: bool = False) -> None:
        """Append (T, F) features; T may be 0. The stream ends with the `last`.

        Raises:
            ValueError: If the stream has ended already.
        """
        if self._ended:
            raise ValueError("this stream has ended; start another")
        self._ended = last
        with computing_in(self._network.precision, self._network.device):
            frames = self._subsampling.feed(torch.from_numpy(features).to(self.hidden.device), last=last)
        self.hidden = torch.cat([self.hidden, frames])

    def next_shape(self) -> tuple[int, int] | None:
        """See `ChunkSize.next_shape`."""
        return self._network.chunk_size.next_shape(len(self.hidden), ended=self._ended)


class SubsamplingStream:
    """The convolutions of `Subsampling` on blocks of frames, with the result for all frames at once."""

    def __init__(self, subsampling: Subsampling) -> None:
        self._subsampling = subsampling
        # The frames of each convolution's input that its next output needs; None before the first.
        self._held: list[Tensor | None] = [None] * len(subsampling.convolutions)

    def feed(self, features: Tensor, *, last: bool = False) -> Tensor:
        """Return the frames (T', D) that (T, F) features complete."""
        images = features[None, None]
        for depth, convolution in enumerate(self._subsampling.convolutions):
            images = self._convolve(depth, convolution, images, last=last)
        return self._subsampling.project(images)[0]

    def _convolve(self, depth: int, convolution: Any, images: Tensor, *, last: bool) -> Tensor:
        """Convolve the frames that are complete: output i needs inputs 2i - 1 to 2i + 1, zero beyond both ends."""
        held = self._held[depth]
        if held is None:
            held = images.new_zeros(*images.shape[:2], 1, images.shape[3])
        images = torch.cat([held, images], dim=2)
        if last:
            images = F.pad(images, (0, 0, 0, 1))
        num_outputs = max(0, (images.shape[2] - 1) // 2)
        self._held[depth] = images[:, :, 2 * num_outputs :]
        if num_outputs == 0:
            bands = (images.shape[3] + 1) // 2
            return images.new_zeros(images.shape[0], convolution.out_channels, 0, bands)
        window = images[:, :, : 2 * num_outputs + 1]
        return F.relu(F.conv2d(window, convolution.weight, convolution.bias, stride=2, padding=(0, 1)))


def _join_states(states: Sequence[State]) -> State:
    """Join the states (1, 1, H) of streams to one (1, B, H); an LSTM's is a pair of tensors."""
    if all(state is None for state in states):
        return None
    like = next(state for state in states if state is not None)
    filled = [_zeros_like(like) if state is None else state for state in states]
    if isinstance(like, tuple):
        return tuple(torch.cat(parts, dim=1) for parts in zip(*filled, strict=True))
    return torch.cat(filled, dim=1)


def _split_state(state: State, count: int) -> list[State]:
    if isinstance(state, tuple):
        return list(zip(*(part.split(1, dim=1) for part in state), strict=True))[:count]
    return list(state.split(1, dim=1))


def _zeros_like(state: State) -> State:
    return tuple(map(torch.zeros_like, state)) if isinstance(state, tuple) else torch.zeros_like(state)
