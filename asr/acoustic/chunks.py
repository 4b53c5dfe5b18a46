"""Utterances cut into chunks, each with a right context, so that training sees what streams see.

A stream (runtime/torch_stream.py) processes its chunks one after another; here they lie side by side in a batch.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from asr.runtime.network import ChunkSize


class Windows:
    """The windows of a batch: each a chunk and its right context, up to the utterance's end.

    Args:
        lengths: (B,) valid frames.
        num_frames: T, padding included.

    Attributes:
        chunk: Frames of a chunk.
        count: K, chunks of the longest utterance.
        lengths: (B * K,) valid frames of each window; 0 past an utterance's end.
    """

    def __init__(self, lengths: Tensor, num_frames: int, chunk_size: ChunkSize) -> None:
        self.chunk = chunk_size.chunk
        self._size = self.chunk + chunk_size.right_context
        self._num_frames = num_frames
        self.count = -(-num_frames // self.chunk)
        starts = torch.arange(self.count, device=lengths.device) * self.chunk
        self.lengths = (lengths[:, None] - starts).clamp(0, self._size).flatten()

    def cut(self, frames: Tensor) -> Tensor:
        """Cut (B, T, D) into windows (B * K, W, D)."""
        padding = (self.count - 1) * self.chunk + self._size - self._num_frames
        windows = F.pad(frames, (0, 0, 0, padding)).unfold(1, self._size, self.chunk)
        return windows.transpose(2, 3).flatten(0, 1)

    def join(self, windows: Tensor) -> Tensor:
        """Join the chunks of windows (B * K, W, D), one after the other: (B, T, D)."""
        chunks = windows[:, : self.chunk]
        return chunks.reshape(-1, self.count * self.chunk, windows.shape[-1])[:, : self._num_frames]
