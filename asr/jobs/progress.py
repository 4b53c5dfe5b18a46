"""What a person sees of a job: a progress bar while it runs, a few lines when it has ended."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from time import monotonic
from typing import Any

from asr.errors import AsrError, AudioError
from asr.jobs.inputs import Recording
from asr.reporter import ProgressBar, Reporter
from asr.signal.audio import NATIVE_SUFFIXES, audio_duration

# Their headers give the length to a fraction of a millisecond; an MP3 file must be scanned for it.
_QUICK_TO_MEASURE = NATIVE_SUFFIXES - {".mp3"}
_MOST_TO_MEASURE = 10_000  # recordings; in larger jobs all count as equally long


@dataclass
class Summary:
    """The outcome of a job of many recordings."""

    files: int = 0
    skipped: int = 0  # done by an earlier job
    failures: list[AsrError] = field(default_factory=list)
    done: int = 0
    seconds: float = 0.0  # of audio
    elapsed: float = 0.0  # seconds of work
    starting: float = 0.0  # of these, seconds until a cluster's first worker had its model

    @property
    def speed(self) -> float:
        """Seconds of audio per second of work."""
        return self.seconds / self.elapsed if self.elapsed else 0.0

    def __str__(self) -> str:
        parts = [f"{self.files} file" + ("" if self.files == 1 else "s")]
        if self.skipped:
            parts.append(f"{self.skipped} skipped")
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        if self.seconds:
            work = f"{describe_duration(self.seconds)} of audio in {describe_duration(self.elapsed)}"
            parts.append(f"{work}: {self.speed:.0f} times real time")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome for a report: counts, seconds, and the reason of each failure."""
        return {
            "files": self.files,
            "skipped": self.skipped,
            "done": self.files - self.skipped - len(self.failures),
            "failed": len(self.failures),
            "audio_seconds": round(self.seconds, 3),
            "elapsed_seconds": round(self.elapsed, 3),
            "starting_seconds": round(self.starting, 3),
            "times_real_time": round(self.speed, 2),
            "failures": list(map(str, self.failures)),
        }

    def report(self, reporter: Reporter) -> None:
        """Show each failure on its own line, then the totals."""
        for error in self.failures:
            reporter.line(str(error), "failure")
        reporter.line(str(self), "quiet")


class JobProgress:
    """Counts finished recordings and moves a bar by their lengths, which are in any one unit."""

    def __init__(self, bar: ProgressBar, lengths: Sequence[float], summary: Summary) -> None:
        self._bar = bar
        self._summary = summary
        self._started = monotonic()
        self._starts = [0.0, *accumulate(lengths)]  # of each recording, and the end of the last
        self._show(0.0)

    def finish_recording(self) -> None:
        """Count the next recording, whether it succeeded or failed."""
        self._summary.done += 1
        self.stop_clock()
        self._show(self._starts[self._summary.done])

    def show_seconds(self, seconds: float) -> None:
        """Move the bar to this many seconds within the next recording, which is a long one."""
        start, end = self._starts[self._summary.done : self._summary.done + 2]
        self._show(min(start + seconds, end))

    def stop_clock(self) -> None:
        """Record how long the job has taken until now."""
        self._summary.elapsed = monotonic() - self._started

    def _show(self, completed: float) -> None:
        failed = f"  {len(self._summary.failures)} failed" if self._summary.failures else ""
        speed = f"  {self._summary.speed:.0f} x real time" if self._summary.done else ""
        self._bar.update(completed, f"{self._summary.done}/{len(self._starts) - 1} files{failed}{speed}")


@contextmanager
def track_progress(
    recordings: Sequence[Recording], summary: Summary, reporter: Reporter, label: str = "transcribing"
) -> Iterator[JobProgress]:
    """Show the progress of a job, and measure its time, while the block runs."""
    lengths = _measure_lengths(recordings) if reporter.shows_progress else [1.0] * len(recordings)
    with reporter.progress(label, sum(lengths), transient=True) as bar:
        progress = JobProgress(bar, lengths, summary)
        try:
            yield progress
        finally:
            progress.stop_clock()


def _measure_lengths(recordings: Sequence[Recording]) -> list[float]:
    """Return the seconds of each recording; the mean of the others if a header does not give them."""
    if len(recordings) > _MOST_TO_MEASURE:
        return [1.0] * len(recordings)
    lengths = [_quick_duration(recording) for recording in recordings]
    measured = [length for length in lengths if length is not None]
    mean = sum(measured) / len(measured) if measured else 1.0
    return [mean if length is None else length for length in lengths]


def _quick_duration(recording: Recording) -> float | None:
    if not isinstance(recording.source, Path) or recording.source.suffix.lower() not in _QUICK_TO_MEASURE:
        return None
    try:
        return audio_duration(recording.source, verify=False)
    except AudioError:
        return 0.0  # it will fail, and soon


def describe_duration(seconds: float) -> str:
    """Write a duration in the unit that a person would use."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
