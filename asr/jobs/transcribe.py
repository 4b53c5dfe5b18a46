"""A pile of recordings in, their transcripts out as they come: what `asr transcribe` does.

Knows nothing of how recordings are recognised, how many at a time or by what: that is for the recogniser.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from rich.console import Console

from asr.errors import AsrError, AudioError, TranscriptionInterrupted
from asr.jobs.inputs import Inputs, Recording, StandardInput, find_recordings
from asr.jobs.outputs import Destination, Outputs, open_destination
from asr.jobs.progress import JobProgress, Summary
from asr.signal.audio import AudioSource
from asr.transcript.transcript import Transcript


class Transcribe(Protocol):
    """Gives a transcript, or the reason why there is none, for each recording in its order.

    Of a long recording under way it tells `on_progress` how many seconds of it are done.
    """

    def __call__(
        self, sources: Iterable[AudioSource], *, on_progress: Callable[[float], None]
    ) -> Iterator[Transcript | AudioError]: ...


def transcribe_files(inputs: Inputs, outputs: Outputs, *, load: Callable[[], Transcribe], console: Console) -> Summary:
    """Transcribe recordings into files or to standard output.

    A recording that cannot be read, or whose transcript cannot be written, does not stop the others. All
    failures are listed on the console when the job ends, however it ends.

    Args:
        inputs: What to transcribe.
        outputs: What to write, and where.
        load: Gives what transcribes, such as a recogniser's `transcribe_many`; not called where all is done already.
        console: Where progress and failures are told.

    Raises:
        AsrError: If the wishes make no sense, the model is not there, or nothing can be written any more.
        TranscriptionInterrupted: On SIGINT and SIGTERM. What is complete has been written.
    """
    recordings, errors = find_recordings(inputs)
    files = len(recordings) + len(errors)
    destination = open_destination(outputs, several=files > 1)
    todo = [recording for recording in recordings if not destination.is_done(recording)]
    summary = Summary(files=files, skipped=len(recordings) - len(todo), failures=list(errors))
    try:
        if todo:
            _transcribe(todo, load(), destination, summary, console)
    except KeyboardInterrupt:
        summary.report(console)
        raise TranscriptionInterrupted(_how_to_go_on(summary, outputs)) from None
    except AsrError:
        if summary.done:
            summary.report(console)
        raise
    summary.report(console)
    return summary


def _transcribe(
    recordings: Sequence[Recording],
    transcribe: Transcribe,
    destination: Destination,
    summary: Summary,
    console: Console,
) -> None:
    # Where the texts themselves appear on the terminal, they show the progress, and a bar would break them.
    active = console.is_terminal and (destination.is_silent or not sys.stdout.isatty())
    with (
        _stopping([recording.source for recording in recordings]),
        JobProgress(console, recordings, summary, active=active) as progress,
    ):
        results = transcribe((recording.source for recording in recordings), on_progress=progress.hear)
        for recording, result in zip(recordings, results, strict=True):
            if isinstance(result, AudioError):
                summary.failures.append(result)
            else:
                _write(recording, result, destination, summary)
            progress.advance()


def _write(recording: Recording, transcript: Transcript, destination: Destination, summary: Summary) -> None:
    try:
        destination.write(recording, transcript)
    except AsrError as error:
        destination.check()  # a full disk ends the job; a name that cannot be written does not
        summary.failures.append(error)
    else:
        summary.seconds += transcript.duration


def _how_to_go_on(summary: Summary, outputs: Outputs) -> str:
    told = f"{summary.done + summary.skipped} of {summary.files} recordings are done"
    if outputs.folder is None:
        return f"{told}; with --output-dir, --skip-existing can go on later"
    return f"{told}; the same command with --skip-existing goes on"


@contextmanager
def _stopping(sources: Sequence[object]) -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, as SIGINT does, and neither waits for more on standard input.

    A second signal acts as it did before. Outputs are written whole or not at all, so that a job
    may stop anywhere.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        restore()
        for source in sources:
            if isinstance(source, StandardInput):
                source.stop()
        raise KeyboardInterrupt

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in previous.items():
        if handler is not signal.SIG_IGN:  # a job in the background of a script, or under nohup, is to go on
            signal.signal(number, stop)
    try:
        yield
    finally:
        restore()
