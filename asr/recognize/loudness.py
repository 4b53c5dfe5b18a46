"""The loudness of a recording that passes by, kept until the words whose boundaries it tells are found."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asr.recognize.boundaries import LEVEL_SECONDS, speech_levels
from asr.recognize.spans import Span
from asr.signal.audio import Waveform

Levels: TypeAlias = npt.NDArray[np.float64]  # (N,) decibels, as `speech_levels` measures them


class Tape:
    """Loudness over a recording.

    Args:
        frame_seconds: Length of a frame of log probabilities.
    """

    def __init__(self, frame_seconds: float) -> None:
        self._levels_per_frame = frame_seconds / LEVEL_SECONDS
        self._first = 0  # the level, counted from the start of the recording, with which what is kept begins
        self._kept: list[Levels] = []

    def append(self, levels: Levels) -> None:
        """The next levels (N,)."""
        self._kept.append(levels)

    def take(self, span: Span) -> Levels:
        """The levels of the next span; they and what came before are forgotten."""
        first = round(span.first * self._levels_per_frame)
        last = round((span.first + len(span.log_probs)) * self._levels_per_frame)
        kept = self.take_rest()
        taken, rest = kept[first - self._first : last - self._first], kept[last - self._first :]
        self._kept, self._first = [rest], last
        return taken

    def take_rest(self) -> Levels:
        """All levels that are kept, which are then forgotten."""
        kept, self._kept = self._kept, []
        return np.concatenate([np.empty(0), *kept])


class Meter:
    """Blocks of a waveform as they are; their loudness and length are measured as they pass.

    Args:
        blocks: (S,) each.
        sample_rate: Hz.
        frame_seconds: As for `Tape`.
    """

    def __init__(self, blocks: Iterable[Waveform], sample_rate: int, frame_seconds: float) -> None:
        self._blocks = blocks
        self._sample_rate = sample_rate
        self._num_samples = 0
        self.tape = Tape(frame_seconds)

    @property
    def seconds(self) -> float:
        """What has passed so far."""
        return self._num_samples / self._sample_rate

    def __iter__(self) -> Iterator[Waveform]:
        for block in self._blocks:
            self.tape.append(speech_levels(block, self._sample_rate))
            self._num_samples += len(block)
            yield block
