"""Text that grows with the frames: log probabilities of an utterance in, block by block, tokens out.

What is settled never changes; what is open may, as long as frames come.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from asr.decode.decoder import BeamDecoder
from asr.errors import AsrError
from asr.runtime.network import BLANK


class PartialText(Protocol):
    """An utterance on its way through a decoder."""

    settled: list[int]

    def feed(self, log_probs: Tensor) -> None:
        """Read (T, V) log probabilities."""

    def open(self) -> list[int]:
        """The likeliest tokens after the settled ones, as things stand."""

    def preview(self, log_probs: Tensor) -> list[int]:
        """What `open` would say if (T, V) log probabilities followed; nothing is read."""

    def finish(self) -> list[int]:
        """All tokens of the utterance; nothing can be fed after."""


class GreedyPartialText:
    """The most probable path: all of it is settled at once."""

    def __init__(self) -> None:
        self.settled: list[int] = []
        self._before = BLANK

    def feed(self, log_probs: Tensor) -> None:
        path = log_probs.argmax(-1).tolist()
        self.settled += collapse_path(path, self._before)
        self._before = path[-1] if path else self._before

    def open(self) -> list[int]:
        return []

    def preview(self, log_probs: Tensor) -> list[int]:
        return collapse_path(log_probs.argmax(-1).tolist(), self._before)

    def finish(self) -> list[int]:
        return self.settled


class BeamPartialText:
    """Beam search whose state is carried from block to block."""

    def __init__(self, decoder: BeamDecoder) -> None:
        self.settled: list[int] = []
        self._state = decoder.start()

    def feed(self, log_probs: Tensor) -> None:
        self._state.feed(log_probs.numpy())
        self.settled += self._state.settle()[0]

    def open(self) -> list[int]:
        return list(self._state.best()[0].tokens)

    def preview(self, log_probs: Tensor) -> list[int]:
        state = self._state.fork()
        try:
            state.feed(log_probs.numpy())
        except AsrError:  # a vocabulary may allow nothing of what is heard by half
            return self.open()
        return list(state.best()[0].tokens)

    def finish(self) -> list[int]:
        return [*self.settled, *self._state.finish()[0].tokens]


def start_text(decoder: BeamDecoder | None) -> PartialText:
    """A new utterance, by beam search where there is a decoder."""
    return GreedyPartialText() if decoder is None else BeamPartialText(decoder)


def collapse_path(path: Sequence[int], before: int = BLANK) -> list[int]:
    """The tokens of a path: repeats merged, blanks dropped.

    Args:
        path: A token a frame.
        before: The token of the frame before the path.
    """
    merged = torch.unique_consecutive(torch.tensor([before, *path])).tolist()
    return [token for token in merged[1:] if token != BLANK]
