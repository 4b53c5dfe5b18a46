"""Recordings in, an index of their log probabilities out: `asr index`."""

from pathlib import Path

from asr.errors import AsrError, AudioError, TranscriptionInterrupted
from asr.jobs.inputs import Inputs, Recording, find_recordings
from asr.jobs.progress import Summary, track_progress
from asr.recognize.recognizer import Recognizer, read_model_or_file
from asr.reporter import SILENT, Reporter
from asr.signal.channels import ChannelChoice
from asr.spotting.find import read_segments
from asr.spotting.index import About, LogProbIndex, digest_model


def index_recordings(
    inputs: Inputs,
    output: Path,
    *,
    model: str,
    channel: ChannelChoice = "mix",
    device: str = "auto",
    reporter: Reporter = SILENT,
) -> Summary:
    """Write an index of recordings, or add those to it that it lacks or that have changed.

    A recording that cannot be read does not stop the others; the next job tries it again.

    Raises:
        AsrError: If there is no recording, the model is missing, or the index cannot be written or is of another model.
        TranscriptionInterrupted: On SIGINT and SIGTERM. What is done is in the index.
    """
    recordings, errors = find_recordings(inputs)
    if not all(isinstance(recording.source, Path) for recording in recordings):
        raise AsrError("an index holds files, not standard input; save the recording first")
    loaded, folder = read_model_or_file(model)
    name = str(folder.resolve()) if Path(model).exists() else model
    with LogProbIndex.open(output, About(name, digest_model(folder), str(channel))) as index:
        remaining = [recording for recording in recordings if not _is_done(index, recording)]
        summary = Summary(
            files=len(recordings) + len(errors), skipped=len(recordings) - len(remaining), failures=list(errors)
        )
        try:
            if remaining:
                recognizer = Recognizer(loaded, device=device)
                _index(index, remaining, recognizer, channel, summary, reporter)
        except KeyboardInterrupt:
            done = summary.done + summary.skipped
            raise TranscriptionInterrupted(
                f"{done} of {summary.files} recordings are done; the same command continues"
            ) from None
    summary.report(reporter)
    return summary


def _index(
    index: LogProbIndex,
    recordings: list[Recording],
    recognizer: Recognizer,
    channel: ChannelChoice,
    summary: Summary,
    reporter: Reporter,
) -> None:
    runner = recognizer.runner
    with track_progress(recordings, summary, reporter, "indexing") as progress:
        for recording in recordings:
            path = _path(recording)
            try:
                summary.seconds += index.add(path, read_segments(runner, path, channel), runner.frame_seconds)
            except AudioError as error:
                index.add_error(path, str(error))
                summary.failures.append(error)
            except OSError as error:
                summary.failures.append(AudioError(f"{path}: cannot be read: {error.strerror or error}"))
            progress.finish_recording()


def _is_done(index: LogProbIndex, recording: Recording) -> bool:
    try:
        return index.holds(_path(recording))
    except OSError:
        return False  # the reason is reported when it is read


def _path(recording: Recording) -> Path:
    assert isinstance(recording.source, Path)
    return recording.source
