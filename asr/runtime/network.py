"""A trained network as recognition sees it: features in, log probabilities of tokens out.

Whole utterances go through a `Network` in batches; streams go through a `StreamingNetwork` chunk by chunk,
those that are ready at the same time together. Both give natural logs (T', V), one frame for one or several
of the features (signal/front_end.py). Knows nothing of audio, words or what computes:
onnx_network.py and onnx_stream.py implement it on the CPU, torch_network.py and torch_stream.py on a GPU.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Features: TypeAlias = npt.NDArray[np.float32]  # (T, F) normalised
LogProbs: TypeAlias = npt.NDArray[np.float32]  # (T', V) natural logs
_Item = TypeVar("_Item")


def make_batches(
    items: Iterable[_Item], seconds: Callable[[_Item], float], batch_seconds: float
) -> Iterator[list[_Item]]:
    """Group neighbours into batches, each as large as fits with padding to its longest item; at least one item.

    Args:
        items: Best sorted by length, which keeps padding short.
        seconds: Returns the length of an item.
        batch_seconds: Most speech in a batch, padding included.
    """
    batch: list[_Item] = []
    longest = 0.0
    for item in items:
        longest = max(longest, seconds(item))
        if batch and (len(batch) + 1) * longest > batch_seconds:
            yield batch
            batch, longest = [], seconds(item)
        batch.append(item)
    if batch:
        yield batch


@dataclass  # not frozen: in bf16, Lightning takes a network's arguments apart and puts them together again
class ChunkSize:
    """How a stream is divided, in frames of log probabilities."""

    chunk: int  # frames that come out together
    right_context: int  # after a chunk, for the backward direction; a network without one ignores this

    def __post_init__(self) -> None:
        if self.chunk < 1 or self.right_context < 0:
            raise ValueError(f"expected a chunk of at least 1 frame and a right context of 0 or more, found {self}")

    @classmethod
    def from_seconds(cls, chunk: float, right_context: float, *, frame_seconds: float) -> "ChunkSize":
        """Round to whole frames."""
        return cls(max(1, round(chunk / frame_seconds)), max(0, round(right_context / frame_seconds)))

    def next_shape(self, num_waiting: int, *, ended: bool) -> tuple[int, int] | None:
        """Return the frames that a stream's next chunk sees and those that it consists of; None if it must wait.

        Args:
            num_waiting: Frames whose log probabilities have not been computed yet.
            ended: Whether no more will follow.
        """
        window = self.chunk + self.right_context
        if ended and num_waiting:
            return min(num_waiting, window), min(num_waiting, self.chunk)
        return (window, self.chunk) if num_waiting >= window else None


class NetworkStream(Protocol):
    """One recording on its way through a `StreamingNetwork`."""

    @property
    def is_ready(self) -> bool:
        """Whether `StreamingNetwork.run` can compute its next chunk."""

    # The end is a flag of the last block, not a separate call: both go through the convolutions at once, and
    # a live stream's last block is one job among those of other streams (live/engine.py).
    def feed(self, features: Features, *, last: bool = False) -> None:
        """Append (T, F) features; T may be 0. The stream ends with the `last`.

        Raises:
            ValueError: If the stream has ended already.
        """


_Stream = TypeVar("_Stream", bound=NetworkStream)


class StreamingNetwork(Protocol[_Stream]):
    """Computes log probabilities of streams, chunk by chunk."""

    def start(self) -> _Stream:
        """Start a stream."""

    def run(self, batch: Sequence[_Stream]) -> list[LogProbs]:
        """Compute all chunks that are ready; (T', V) for each stream, where T' may be 0."""

    def preview(self, batch: Sequence[_Stream]) -> list[LogProbs]:
        """Compute the frames that still wait for their right context, as if the streams ended here.

        The streams do not change: `run` computes these frames again. Returns (T', V) for each stream.
        """


class Network(Protocol):
    """Computes log probabilities of whole utterances."""

    def run(self, features: Sequence[Features]) -> list[LogProbs]:
        """Compute log probabilities (T', V) of utterances (T, F)."""

    def streaming(self, chunk_size: ChunkSize) -> StreamingNetwork[Any]:
        """The same network for streams."""
