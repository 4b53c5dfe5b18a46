"""What a person sees of a job: a line that moves while it runs, a few lines when it has ended."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from time import monotonic
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from asr.errors import AsrError, AudioError
from asr.jobs.inputs import Recording
from asr.signal.audio import NATIVE_SUFFIXES, audio_duration

# Their headers give the length to a fraction of a millisecond; an MP3 file must be scanned for it.
_QUICK_TO_MEASURE = NATIVE_SUFFIXES - {".mp3"}
_MOST_TO_MEASURE = 10_000  # recordings; of more, each counts the same


@dataclass
class Summary:
    """What came of a pile of recordings."""

    files: int = 0
    skipped: int = 0  # done by an earlier job
    failures: list[AsrError] = field(default_factory=list)
    done: int = 0
    seconds: float = 0.0  # of audio
    elapsed: float = 0.0  # seconds of work

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.seconds / self.elapsed if self.elapsed else 0.0

    def __str__(self) -> str:
        parts = [f"{self.files} file" + ("" if self.files == 1 else "s")]
        if self.skipped:
            parts.append(f"{self.skipped} skipped")
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        if self.seconds:
            took = f"{_amount(self.seconds)} of audio in {_amount(self.elapsed)}"
            parts.append(f"{took}: {self.speed:.0f} times real time")
        return ", ".join(parts)

    def report(self, console: Console) -> None:
        """Tell each failure in a line of its own, then the whole in one."""
        for error in self.failures:
            console.print(f"[red]failed:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        console.print(str(self), style="dim", highlight=False)


class JobProgress:
    """A line with the time that is left, by seconds of audio where headers tell them and by files where not.

    Args:
        console: The terminal.
        recordings: What is to be done, in order.
        summary: Where the job counts; its clock runs while this is entered.
        active: Whether to show anything.
    """

    def __init__(self, console: Console, recordings: Sequence[Recording], summary: Summary, *, active: bool) -> None:
        self._summary = summary
        self._started = 0.0
        lengths = _measure(recordings) if active else [1.0] * len(recordings)
        self._starts = [0.0, *accumulate(lengths)]  # of each recording, and the end of all
        columns = [BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[figures]}"), TimeRemainingColumn()]
        self._progress = Progress(*columns, console=console, transient=True, disable=not active)
        self._task = self._progress.add_task("", total=self._starts[-1], figures=f"0/{len(recordings)} files")

    def __enter__(self) -> "JobProgress":
        self._started = monotonic()
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._summary.elapsed = monotonic() - self._started

    def advance(self) -> None:
        """The next recording came to its end, well or not."""
        self._summary.done += 1
        self._summary.elapsed = monotonic() - self._started
        failed = f"  {len(self._summary.failures)} failed" if self._summary.failures else ""
        figures = f"{self._summary.done}/{len(self._starts) - 1} files{failed}  {self._summary.speed:.0f} x real time"
        self._progress.update(self._task, completed=self._starts[self._summary.done], figures=figures)

    def hear(self, seconds: float) -> None:
        """Of the next recording, which is a long one, so many seconds are done."""
        start, end = self._starts[self._summary.done : self._summary.done + 2]
        self._progress.update(self._task, completed=min(start + seconds, end))


def _measure(recordings: Sequence[Recording]) -> list[float]:
    """Seconds of each recording; where there is no telling, the mean of the others."""
    if len(recordings) > _MOST_TO_MEASURE:
        return [1.0] * len(recordings)
    lengths = [_quick_duration(recording) for recording in recordings]
    known = [length for length in lengths if length is not None]
    usual = sum(known) / len(known) if known else 1.0
    return [usual if length is None else length for length in lengths]


def _quick_duration(recording: Recording) -> float | None:
    if not isinstance(recording.source, Path) or recording.source.suffix.lower() not in _QUICK_TO_MEASURE:
        return None
    try:
        return audio_duration(recording.source)
    except AudioError:
        return 0.0  # it will fail, and soon


def _amount(seconds: float) -> str:
    """Seconds as a person would say them."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
