"""Recordings in, units of work out: by duration, as far as the size of a file tells it. Opens no recording.

Units shrink as the work runs out (guided self-scheduling, Polychronopoulos & Kuck 1987): large at first, so that little
time goes into handing them out; small in the end, so that no worker is left with much when the others have finished.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.jobs.inputs import Recording

LONG_SECONDS = 600.0  # longer recordings are split, for several workers
_LARGEST, _SMALLEST = 600.0, 20.0  # seconds of audio in a unit
_SHARE = 3  # a unit is at most this fraction of what would be left for each worker
_MOST_RECORDINGS = 500  # in a unit, however short they are
# Bytes per second of common encodings of speech. They need not be exact: they decide how the work is cut, not what
# comes out.
_RATES = {".wav": 32e3, ".flac": 16e3, ".mp3": 8e3, ".ogg": 6e3, ".oga": 6e3, ".opus": 3e3, ".m4a": 12e3, ".aac": 12e3}
_OTHER_RATE = 32e3
_UNKNOWN_SIZE = 160_000  # bytes


@dataclass(frozen=True)
class Item:
    """One recording of a job."""

    index: int  # in the job
    recording: Recording
    seconds: float  # about


def estimate_seconds(source: Any) -> float:
    """Estimate the length of a recording by the size of its file."""
    if isinstance(source, Path):
        try:
            size: float = source.stat().st_size
        except OSError:
            return 0.0  # it will fail, and soon
        name = source.name
    else:
        size, name = getattr(source, "size", None) or _UNKNOWN_SIZE, str(getattr(source, "name", ""))
    return size / _RATES.get(Path(name.partition("?")[0]).suffix.lower(), _OTHER_RATE)


class WorkQueue:
    """The recordings of a job that nobody works on yet.

    Args:
        recordings: All that are to be done; the longest are handed out first.
    """

    def __init__(self, recordings: Iterable[tuple[int, Recording]]) -> None:
        items = [Item(index, recording, estimate_seconds(recording.source)) for index, recording in recordings]
        self.items = {item.index: item for item in items}
        self.seconds = sum(item.seconds for item in items)  # of all, those that were handed out included
        self.long = deque(sorted((item for item in items if item.seconds > LONG_SECONDS), key=lambda i: -i.seconds))
        self._short = deque(item for item in items if item.seconds <= LONG_SECONDS)
        self._left = sum(item.seconds for item in self._short)
        self._again: deque[tuple[Item, ...]] = deque()

    def __bool__(self) -> bool:
        return bool(self._short or self._again)

    def put_back(self, items: Sequence[Item], *, singly: bool = False) -> None:
        """Hand these out again, before all others; each by itself, if one of them may be what killed a worker."""
        self._again.extend([(item,) for item in items] if singly else [tuple(items)])

    def next_unit(self, num_workers: int) -> tuple[Item, ...]:
        """Return the next unit for one of a number of workers; empty if there is none."""
        if self._again:
            return self._again.popleft()
        limit = min(_LARGEST, max(_SMALLEST, self._left / (_SHARE * max(1, num_workers))))
        unit: list[Item] = []
        seconds = 0.0
        while self._short and len(unit) < _MOST_RECORDINGS and (not unit or seconds + self._short[0].seconds <= limit):
            unit.append(self._short.popleft())
            seconds += unit[-1].seconds
        self._left -= seconds
        return tuple(unit)
