"""Many files in, their texts out as they come: what `asr transcribe` does."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress

from asr.errors import AsrError, AudioError
from asr.recognize.decoding import Decoding
from asr.recognize.recognizer import load_model
from asr.recognize.sources import find_audio
from asr.recognize.writers import WRITERS


@dataclass
class Summary:
    """What came of a pile of recordings."""

    files: int = 0
    failed: int = 0
    seconds: float = 0.0  # of audio
    elapsed: float = 0.0  # seconds of work

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        speed = self.seconds / self.elapsed if self.elapsed else 0.0
        took = f"{self.seconds:.1f} s of audio in {self.elapsed:.1f} s: {speed:.0f} times real time"
        return f"{self.files} files{failed}, {took}"


def transcribe_files(
    paths: Sequence[Path],
    *,
    model: str,
    format: str,  # noqa: A002  the option's name
    device: str,
    console: Console,
    decoding: Decoding | None = None,
) -> Summary:
    """Transcribe files and folders to standard output.

    A recording that cannot be read is told on the console; the others go on.

    Raises:
        AsrError: If the model or the format is not there.
    """
    if format not in WRITERS:
        raise AsrError(f"--format {format}: no such format; there are: {', '.join(WRITERS)}")
    recognizer = load_model(model, device=device, decoding=decoding)
    files, errors = find_audio(paths)
    summary = Summary(files=len(files) + len(errors))
    for error in errors:
        _report(error, summary, console)
    started = time.perf_counter()
    with _progress(console) as progress:
        for result in progress.track(recognizer.transcribe_many(files), total=len(files), description="transcribing"):
            if isinstance(result, AudioError):
                _report(result, summary, console)
                continue
            summary.seconds += result.duration
            sys.stdout.write(WRITERS[format](result, summary.files > 1))
            sys.stdout.flush()
    summary.elapsed = time.perf_counter() - started
    console.print(str(summary), style="dim", highlight=False)
    return summary


def _progress(console: Console) -> Progress:
    """A bar on standard error; none where the texts themselves appear on the terminal and show the progress."""
    columns = [*Progress.get_default_columns(), MofNCompleteColumn()]
    return Progress(*columns, console=console, transient=True, disable=sys.stdout.isatty() or not console.is_terminal)


def _report(error: AudioError, summary: Summary, console: Console) -> None:
    summary.failed += 1
    console.print(f"[red]failed:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
