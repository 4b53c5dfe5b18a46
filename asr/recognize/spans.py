"""Log probabilities of a long recording in, stretches to decode out, cut where nobody speaks.

Where the cuts fall depends on the log probabilities alone, never on the blocks in which they come:
a recording that streams and one that is read whole are decoded in the same stretches. Short
recordings stay whole.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

LogProbs: TypeAlias = npt.NDArray[np.float32]

_BLANK = 0
# Blanks lie between letters, too; a pause is a run of nearly certain ones.
_QUIET = math.log(0.9)
PAUSE_SECONDS = 0.6
SHORTEST_SECONDS = 20.0  # so that a language model sees whole sentences
LONGEST_SECONDS = 60.0  # so that memory stays bounded where nobody draws breath


@dataclass(frozen=True)
class Span:
    """A stretch of a recording.

    Attributes:
        first: Its first frame, counted from the start of the recording.
        log_probs: (T, V) natural-log probabilities.
    """

    first: int
    log_probs: LogProbs


class SpanCutter:
    """Cuts one recording at the first pause after `SHORTEST_SECONDS`, or before `LONGEST_SECONDS` at the best place.

    Args:
        frame_seconds: Length of a frame.
    """

    def __init__(self, frame_seconds: float) -> None:
        self._pause = max(2, round(PAUSE_SECONDS / frame_seconds))
        self._shortest = round(SHORTEST_SECONDS / frame_seconds)
        self._longest = round(LONGEST_SECONDS / frame_seconds)
        self._first = 0
        self._held: LogProbs | None = None

    def feed(self, log_probs: LogProbs) -> Iterator[Span]:
        """The spans that (T, V) more frames complete."""
        self._held = log_probs if self._held is None else np.concatenate([self._held, log_probs])
        while (cut := self._find_cut(self._held[:, _BLANK])) is not None:
            yield Span(self._first, self._held[:cut])
            self._first, self._held = self._first + cut, self._held[cut:]

    def finish(self) -> Iterator[Span]:
        """What is left at the end of the recording."""
        if self._held is not None and len(self._held):
            yield Span(self._first, self._held)
        self._held = None

    def _find_cut(self, blanks: npt.NDArray[np.float32]) -> int | None:
        """Where the held frames part: in the middle of a pause that is just long enough."""
        blanks = blanks[: self._longest]
        runs = _quiet_runs(blanks > _QUIET)
        found = np.flatnonzero(runs[self._shortest - 1 :] >= self._pause)
        if len(found):
            return self._shortest + int(found[0]) - self._pause // 2
        return self._last_resort(blanks, runs) if len(blanks) == self._longest else None

    def _last_resort(self, blanks: npt.NDArray[np.float32], runs: npt.NDArray[np.int64]) -> int:
        """The middle of the longest quiet run of the second half, or where a blank is most probable."""
        half = self._longest // 2
        longest = half + int(runs[half:].argmax())
        if runs[longest] > 0:
            return longest + 1 - int(runs[longest]) // 2
        return half + int(blanks[half:].argmax())


def cut_spans(log_probs: LogProbs, frame_seconds: float) -> list[Span]:
    """The spans of a whole recording's (T, V) log probabilities; none where there are no frames."""
    cutter = SpanCutter(frame_seconds)
    return [*cutter.feed(log_probs), *cutter.finish()]


def _quiet_runs(quiet: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each frame, how many quiet ones in a row end there."""
    positions = np.arange(len(quiet))
    last_loud = np.maximum.accumulate(np.where(quiet, -1, positions))
    return positions - last_loud
