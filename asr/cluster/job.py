"""Many recordings in, their transcripts out by a cluster: `asr transcribe` with one.

The arguments, names of files and messages are those of a single machine (jobs/).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr.cluster.connect import connect
from asr.cluster.model import pack
from asr.cluster.schedule import Schedule
from asr.cluster.shards import check_kind
from asr.cluster.units import WorkQueue
from asr.cluster.worker import ModelFiles, Outcome, WorkerSetup, open_outputs
from asr.config import BATCH_SECONDS, JOBS
from asr.errors import AsrError, AudioError, TranscriptionInterrupted
from asr.jobs.inputs import STANDARD_INPUT, Inputs, Recording, find_recordings
from asr.jobs.outputs import Outputs
from asr.jobs.progress import Summary, describe_duration
from asr.jobs.transcribe import stop_on_signals
from asr.recognize.model_folder import find_model
from asr.recognize.options import DecodingOptions
from asr.remote import is_url, without_scheme
from asr.reporter import SILENT, ProgressBar, Reporter
from asr.runtime.precision import check_precision
from asr.signal.channels import ChannelChoice

_LINE_SECONDS = 60.0  # between lines of progress where no bar is seen


@dataclass(frozen=True)
class ClusterOptions:
    """What a cluster is to do.

    Attributes:
        cluster: Its name; see `connect`.
        model: A model's name, folder or file on this machine; workers get a copy.
        shards: "jsonl" or "parquet" for files of many recordings; None for files by recording.
    """

    cluster: str
    model: str
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    channel: ChannelChoice = "mix"
    precision: str = "auto"
    batch_seconds: float = BATCH_SECONDS
    jobs: int = JOBS
    shards: str | None = None


def transcribe_on_cluster(
    inputs: Inputs, outputs: Outputs, options: ClusterOptions, *, reporter: Reporter = SILENT
) -> Summary:
    """Transcribe recordings into files, by the workers of a cluster.

    All machines must see the recordings and the output folder under the same paths or URLs.

    Raises:
        AsrError: If options conflict, there is no such cluster, the model is missing or the output cannot be written.
        TranscriptionInterrupted: On SIGINT and SIGTERM. Finished transcripts are complete.
    """
    if outputs.folder is None:
        raise AsrError("the workers of a cluster write files; give an output folder, which all of them see, or a URL")
    kind = None if options.shards is None else check_kind(options.shards)
    outputs = replace(outputs, folder=_absolute(outputs.folder))
    recordings, errors = find_recordings(inputs)
    if any(getattr(recording.source, "name", None) == "stdin" for recording in recordings):
        raise AsrError(f"{STANDARD_INPUT}: a cluster cannot read the standard input of this machine; give a file")
    destination = open_outputs(outputs, kind)
    remaining = [(i, one) for i, one in enumerate(recordings) if not destination.is_done(one)]
    files = len(recordings) + len(errors)
    summary = Summary(files=files, skipped=len(recordings) - len(remaining), failures=list(errors))
    if remaining:
        setup = WorkerSetup(
            outputs=replace(outputs, formats=tuple(outputs.formats)),
            shards=kind,
            decoding=options.decoding,
            channel=options.channel,
            precision=check_precision(options.precision),
            batch_seconds=options.batch_seconds,
            jobs=options.jobs,
            folder=str(Path.cwd()),
        )
        _run(remaining, setup, _read_files(options), options.cluster, summary, reporter)
    summary.report(reporter)
    return summary


def _run(
    remaining: Sequence[tuple[int, Recording]],
    setup: WorkerSetup,
    files: ModelFiles,
    cluster: str,
    summary: Summary,
    reporter: Reporter,
) -> None:
    queue = WorkQueue(remaining)
    started = time.monotonic()
    try:
        with (
            connect(cluster),
            stop_on_signals([]),
            reporter.progress("transcribing", queue.seconds, transient=True) as bar,
        ):
            progress = ClusterProgress(queue, summary, bar, reporter)
            schedule = Schedule(queue, setup, files, progress.finish)
            reporter.line(f"{len(remaining)} recordings to do, about {describe_duration(queue.seconds)}", "quiet")
            try:
                schedule.run(lambda: progress.show(schedule))
            finally:
                summary.elapsed = time.monotonic() - started
                summary.starting = (schedule.first_loaded or time.monotonic()) - started
                progress.sort_failures()
    except KeyboardInterrupt:
        for error in summary.failures:
            reporter.line(str(error), "failure")
        done = summary.done + summary.skipped
        raise TranscriptionInterrupted(f"{done} of {summary.files} recordings are done") from None
    if schedule.num_lost:
        reporter.line(f"{schedule.num_lost} workers died, and others did their work again", "warning")


class ClusterProgress:
    """Counts outcomes, shows them, and publishes them as metrics of the Ray cluster."""

    def __init__(self, queue: WorkQueue, summary: Summary, bar: ProgressBar, reporter: Reporter) -> None:
        from ray.util import metrics  # of [cluster]

        self._queue, self._summary, self._bar, self._reporter = queue, summary, bar, reporter
        self._started = self._reported = time.monotonic()
        self._failures: list[tuple[int, AudioError]] = []
        self._completed = 0.0  # estimated seconds of the recordings that have an outcome
        self._recordings = metrics.Counter("asr_recordings", "Recordings that are done, by result.", ("result",))
        self._seconds = metrics.Counter("asr_audio_seconds", "Seconds of audio that are transcribed.")
        self._workers = metrics.Gauge("asr_workers", "Workers that have loaded their model.")

    def finish(self, outcome: Outcome) -> None:
        """Count a recording."""
        summary = self._summary
        summary.done += 1
        self._completed += self._queue.items[outcome.item].seconds
        if outcome.error is None:
            summary.seconds += outcome.seconds
            if outcome.seconds > 0:
                self._seconds.inc(outcome.seconds)
        else:
            self._failures.append((outcome.item, AudioError(outcome.error)))
            summary.failures.append(self._failures[-1][1])
        self._recordings.inc(tags={"result": "done" if outcome.error is None else "failed"})
        for warning in outcome.warnings:
            self._reporter.line(warning, "warning")

    def sort_failures(self) -> None:
        """Put the failures in the order of the recordings, after those of the arguments."""
        if self._failures:
            ordered = [error for _, error in sorted(self._failures, key=lambda failure: failure[0])]
            self._summary.failures[-len(ordered) :] = ordered

    def show(self, schedule: Schedule) -> None:
        """Move the bar; where none is seen, write a line now and then."""
        now, summary = time.monotonic(), self._summary
        summary.elapsed = now - self._started
        self._workers.set(schedule.num_workers)
        failed = f", {len(summary.failures)} failed" if summary.failures else ""
        workers = f"{schedule.num_workers} workers"
        figures = f"{summary.done}/{len(self._queue.items)} files{failed}, {workers}, {summary.speed:.0f} x real time"
        self._bar.update(self._completed, figures)
        if not self._reporter.shows_progress and now - self._reported > _LINE_SECONDS:
            self._reported = now
            left = summary.elapsed * (self._queue.seconds / self._completed - 1) if self._completed else None
            remaining = "" if left is None else f", about {describe_duration(left)} left"
            self._reporter.line(f"{figures}{remaining}", "quiet")


def _read_files(options: ClusterOptions) -> ModelFiles:
    path = Path(options.model)
    lm, rescore = options.decoding.lm, options.decoding.rescore
    return ModelFiles(
        pack(path if path.is_file() else find_model(options.model)),
        None if lm is None else pack(lm),
        None if rescore is None else pack(rescore),
    )


def _absolute(folder: Path | str) -> str:
    text = without_scheme(str(folder))
    return text if is_url(text) else str(Path(text).absolute())
