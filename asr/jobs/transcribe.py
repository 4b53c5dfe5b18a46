"""Many recordings in, their transcripts out as they are ready: `asr transcribe`.

Knows nothing of how recordings are recognised, or how many at a time: the recogniser decides.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from asr.errors import AsrError, AudioError, TranscriptionInterrupted
from asr.jobs.inputs import Inputs, Recording, StandardInput, find_recordings
from asr.jobs.outputs import Destination, Outputs, open_destination
from asr.jobs.progress import Summary, track_progress
from asr.reporter import SILENT, Reporter
from asr.signal.audio import AudioSource
from asr.transcript.transcript import Transcript


class Transcribe(Protocol):
    """Yields one result per recording, in order: its transcript, or the reason why there is none.

    Calls `on_progress` with the seconds of a long recording that are done.
    """

    def __call__(
        self, sources: Iterable[AudioSource], *, on_progress: Callable[[float], None]
    ) -> Iterator[Transcript | AudioError]: ...


def transcribe_files(
    inputs: Inputs, outputs: Outputs, *, load: Callable[[], Transcribe], reporter: Reporter = SILENT
) -> Summary:
    """Transcribe recordings into files or to standard output.

    A recording that cannot be read, or whose transcript cannot be written, does not stop the others. All
    failures are listed when the job ends, however it ends.

    Args:
        load: Returns what transcribes, such as a recogniser's `transcribe_many`; not called if everything is done.

    Raises:
        AsrError: If the options conflict, the model is missing, or the output cannot be written.
        TranscriptionInterrupted: On SIGINT and SIGTERM. Finished transcripts are complete.
    """
    recordings, errors = find_recordings(inputs)
    files = len(recordings) + len(errors)
    destination = open_destination(outputs, several=files > 1)
    remaining = [recording for recording in recordings if not destination.is_done(recording)]
    summary = Summary(files=files, skipped=len(recordings) - len(remaining), failures=list(errors))
    try:
        if remaining:
            _transcribe(remaining, load(), destination, summary, reporter)
    except KeyboardInterrupt:
        for error in summary.failures:
            reporter.line(str(error), "failure")
        done = summary.done + summary.skipped
        raise TranscriptionInterrupted(f"{done} of {summary.files} recordings are done") from None
    except AsrError:
        if summary.done:
            summary.report(reporter)
        raise
    summary.report(reporter)
    return summary


def _transcribe(
    recordings: Sequence[Recording],
    transcribe: Transcribe,
    destination: Destination,
    summary: Summary,
    reporter: Reporter,
) -> None:
    # Texts on the terminal show the progress themselves, and a bar would garble them.
    shown = SILENT if destination.uses_stdout and sys.stdout.isatty() else reporter
    with (
        stop_on_signals([recording.source for recording in recordings]),
        track_progress(recordings, summary, shown) as progress,
    ):
        results = transcribe((recording.source for recording in recordings), on_progress=progress.show_seconds)
        for recording, result in zip(recordings, results, strict=True):
            if isinstance(result, AudioError):
                summary.failures.append(result)
            else:
                _write(recording, result, destination, summary)
                for warning in result.warnings:
                    reporter.line(f"{result.source or recording.name}: {warning}", "warning")
            progress.finish_recording()


def _write(recording: Recording, transcript: Transcript, destination: Destination, summary: Summary) -> None:
    try:
        destination.write(recording, transcript)
    except AsrError as error:
        destination.check()  # a full disk ends the job; a file name that cannot be written does not
        summary.failures.append(error)
    else:
        summary.seconds += transcript.duration


@contextmanager
def stop_on_signals(sources: Sequence[object]) -> Iterator[None]:
    """Make SIGTERM raise KeyboardInterrupt, as SIGINT does; neither waits for more on standard input.

    A second signal acts as it did before. Outputs are written whole or not at all, so a job may stop anywhere.
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

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in previous.items():
        if handler is not signal.SIG_IGN:  # a script's background job, or one under nohup, must continue
            signal.signal(number, stop)
    try:
        yield
    finally:
        restore()
