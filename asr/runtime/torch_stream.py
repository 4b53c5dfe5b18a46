"""The acoustic model on features that arrive in blocks, with the weights that read whole utterances.

A backward LSTM needs the future. Here it gets a chunk and a bounded right context at a time,
while the forward LSTM's state is carried from chunk to chunk (latency-controlled BLSTM, Zhang et
al. 2016; Xue & Yan 2017). Convolutions see every edge as in the whole utterance. With a right
context that reaches the end, the result is the whole utterance's; memory never grows with it.

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

from asr.acoustic.chunks import ChunkSize
from asr.acoustic.model import AcousticModel, RecurrentBlock, Subsampling

State = Any  # of one layer, as its nn.RNNBase takes and returns it; None at the start


class StreamingModel:
    """Runs an acoustic model over streams.

    Args:
        model: In evaluation mode; it may be on any device, and quantised.
        chunk_size: Sizes of chunk and right context.
    """

    def __init__(self, model: AcousticModel, chunk_size: ChunkSize) -> None:
        self.model = model
        self.chunk_size = chunk_size
        is_bidirectional = any(block.recurrent.backward_rnn is not None for block in _blocks(model))
        self.right_context = chunk_size.right_context if is_bidirectional else 0

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.model.feature_mean.device

    def start(self) -> "AcousticStream":
        """A new stream."""
        return AcousticStream(self)

    @torch.inference_mode()
    def advance(self, streams: Sequence["AcousticStream"]) -> list[Tensor]:
        """Read what the streams hold, as far as their right context lets; streams of one shape together.

        Returns:
            For each stream (T', V) log probabilities on the CPU; T' may be 0.
        """
        outputs: list[list[Tensor]] = [[] for _ in streams]
        while groups := self._group(streams):
            for (window, chunk), members in groups.items():
                found = self._run([streams[index] for index in members], window, chunk)
                for index, log_probs in zip(members, found, strict=True):
                    outputs[index].append(log_probs)
        return [torch.cat(parts) if parts else self._nothing() for parts in outputs]

    @staticmethod
    def _group(streams: Sequence["AcousticStream"]) -> dict[tuple[int, int], list[int]]:
        """Streams that can go on, by the shape of their next step."""
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, stream in enumerate(streams):
            if (shape := stream.next_step()) is not None:
                groups[shape].append(index)
        return groups

    @torch.inference_mode()
    def preview(self, streams: Sequence["AcousticStream"]) -> list[Tensor]:
        """What would come out now if nothing followed, of the frames that wait; the streams stay where they are.

        Returns:
            For each stream (T', V) log probabilities on the CPU, a guess that `advance` will replace.
        """
        lengths = torch.tensor([len(stream.hidden) for stream in streams], device=self.device)
        if len(streams) == 0 or int(lengths.max()) == 0:
            return [self._nothing() for _ in streams]
        # Unlike chunks, these differ in length: padded, for one batch is much faster than one a length.
        hidden = pad_sequence([stream.hidden for stream in streams], batch_first=True)
        for depth, block in enumerate(_blocks(self.model)):
            state = _join_states([stream.states[depth] for stream in streams])
            hidden = hidden + block.recurrent(block.norm(hidden), lengths, state)
        log_probs = self.model.read_out(hidden).cpu()
        return [own[:length] for own, length in zip(log_probs, lengths.tolist(), strict=True)]

    def _run(self, streams: Sequence["AcousticStream"], window: int, chunk: int) -> Tensor:
        """One chunk of streams alike: (B, chunk, V)."""
        hidden = torch.stack([stream.hidden[:window] for stream in streams])
        for depth, block in enumerate(_blocks(self.model)):
            state = _join_states([stream.states[depth] for stream in streams])
            hidden, state = run_block(block, hidden, state, chunk)
            for stream, own in zip(streams, _split_state(state, len(streams)), strict=True):
                stream.states[depth] = own
        for stream in streams:
            stream.hidden = stream.hidden[chunk:]
        return self.model.read_out(hidden[:, :chunk]).cpu()

    def _nothing(self) -> Tensor:
        return torch.empty(0, self.model.head.out_features)


class AcousticStream:
    """One recording on its way through a `StreamingModel`.

    Attributes:
        hidden: (T', D) subsampled frames whose log probabilities have not come out yet.
        states: Of each layer's forward direction, at the first of those frames.
    """

    def __init__(self, network: StreamingModel) -> None:
        self._network = network
        self._edges = SubsamplingStream(network.model.subsampling)
        self._ended = False
        self.hidden = torch.empty(0, network.model.head.in_features, device=network.device)
        self.states: list[State] = [None] * len(network.model.blocks)

    @torch.inference_mode()
    def accept(self, features: Tensor, *, last: bool = False) -> None:
        """Take (T, F) normalised features; `StreamingModel.advance` reads them.

        Args:
            features: T may be 0.
            last: Nothing follows.

        Raises:
            ValueError: If the stream has ended before.
        """
        if self._ended:
            raise ValueError("this stream has ended; start another")
        self._ended = last
        self.hidden = torch.cat([self.hidden, self._edges.feed(features.to(self.hidden.device), last=last)])

    def feed(self, features: Tensor, *, last: bool = False) -> Tensor:
        """`accept`, and what can be said then: (T', V) log probabilities on the CPU."""
        self.accept(features, last=last)
        return self._network.advance([self])[0]

    def next_step(self) -> tuple[int, int] | None:
        """Frames that the next step reads, and those that come out of it; None while it must wait."""
        chunk, window = self._network.chunk_size.chunk, self._network.chunk_size.chunk + self._network.right_context
        held = len(self.hidden)
        if self._ended and held:
            return min(held, window), min(held, chunk)
        return (window, chunk) if held >= window else None


class SubsamplingStream:
    """The convolutions of `Subsampling` on blocks of frames: the same result as on all frames at once."""

    def __init__(self, subsampling: Subsampling) -> None:
        self._subsampling = subsampling
        # The frames of each convolution's input that its next output needs; None before the first.
        self._held: list[Tensor | None] = [None] * len(subsampling.convolutions)

    def feed(self, features: Tensor, *, last: bool = False) -> Tensor:
        """(T, F) features to the (T', D) frames that they complete."""
        images = features[None, None]
        for depth, convolution in enumerate(self._subsampling.convolutions):
            images = self._convolve(depth, convolution, images, last=last)
        return self._subsampling.project(images)[0]

    def _convolve(self, depth: int, convolution: Any, images: Tensor, *, last: bool) -> Tensor:
        """Output i needs inputs 2i - 1 to 2i + 1; beyond both ends there is zero."""
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


def run_block(block: RecurrentBlock, hidden: Tensor, state: State, chunk: int) -> tuple[Tensor, State]:
    """A chunk and its right context through one layer and its residual.

    Args:
        block: The layer.
        hidden: (B, W, D), of which the first `chunk` frames are to come out.
        state: Of the forward direction before the first frame.
        chunk: At most W.

    Returns:
        (B, W, D), and the forward direction's state after the chunk.
    """
    normed = block.norm(hidden)
    layer = block.recurrent
    outputs, after_chunk = layer.forward_rnn(normed[:, :chunk], state)
    if chunk < hidden.shape[1]:
        ahead, _ = layer.forward_rnn(normed[:, chunk:], after_chunk)
        outputs = torch.cat([outputs, ahead], dim=1)
    if layer.backward_rnn is not None:
        backward = layer.backward_rnn(normed.flip(1))[0].flip(1)
        outputs = torch.cat([outputs, backward], dim=-1)
    return hidden + outputs, after_chunk


def _blocks(model: AcousticModel) -> list[RecurrentBlock]:
    return list(model.blocks)  # type: ignore[arg-type]


def _join_states(states: Sequence[State]) -> State:
    """States (1, 1, H) of streams to one (1, B, H); an LSTM's is a pair of tensors."""
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
