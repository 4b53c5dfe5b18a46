"""A job around a recogniser that is made up: what it writes, leaves out, tells and survives."""

import io
import json
import os
import resource
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from asr.cli.console import ConsoleReporter
from asr.errors import AsrError, AudioError, TranscriptionInterrupted
from asr.jobs import outputs as module
from asr.jobs.inputs import Inputs, Recording
from asr.jobs.outputs import Outputs
from asr.jobs.progress import Summary, track_progress
from asr.jobs.transcribe import Transcribe, transcribe_files
from asr.transcript.transcript import Transcript
from tests.jobs.reporting import RecordingReporter
from tests.transcript.examples import DIALOGUE, UNTIMED

ALL = ("txt", "json", "srt", "vtt", "tsv", "ctm", "textgrid")


class MadeUp:
    """Says the same of every recording; `bad` ones cannot be read, at `stop` a signal comes."""

    def __init__(self, transcript: Transcript = DIALOGUE, stop: str = "", number: int = signal.SIGTERM):
        self.transcript, self.stop, self.number = transcript, stop, number
        self.names: list[str] = []

    def transcribe_many(
        self, sources: Iterable[object], *, on_progress: Callable[[float], None]
    ) -> Iterator[Transcript | AudioError]:
        for source in sources:
            name = Path(str(source)).name
            self.names.append(name)
            if name == self.stop:
                os.kill(os.getpid(), self.number)
            yield AudioError(f"{source}: is bad") if "bad" in name else replace(self.transcript, source=str(source))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("in/a/x.wav", "in/b/bad.wav", "in/b/x.wav", "in/x.flac", "in/x.wav"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


def work(*paths: str, recognizer: MadeUp | None = None, **outputs: object) -> tuple[Summary, str]:
    console = Console(file=io.StringIO(), width=200)
    made_up = recognizer or MadeUp()
    summary = transcribe_files(
        Inputs(paths or ["in"]),
        Outputs(**outputs),
        load=lambda: made_up.transcribe_many,
        reporter=ConsoleReporter(console),
    )
    return summary, console.file.getvalue()


def written(folder: str = "out") -> set[str]:
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}


def test_every_format_of_every_recording_is_written_in_its_folder():
    summary, reported = work(formats=ALL, folder=Path("out"))
    stems = ("a/x", "b/x", "x.flac", "x.wav")
    assert written() == {f"{stem}.{name}" for stem in stems for name in ALL}
    assert Path("out/a/x.txt").read_text() == "hello world it's late\n"
    assert Path("out/a/x.vtt").read_text().startswith("WEBVTT\n\n00:00:00.500 --> ")
    assert Path("out/x.flac.ctm").read_text().startswith("x.flac 1 0.500")
    assert json.loads(Path("out/b/x.json").read_text())["file"] == "in/b/x.wav"
    assert (summary.files, len(summary.failures), summary.seconds) == (5, 1, 16.0)
    assert [line for line in reported.splitlines() if "bad" in line] == ["failed: in/b/bad.wav: is bad"]
    assert reported.splitlines()[-1].startswith("5 files, 1 failed, 16.0 s of audio in ")


def test_a_job_continues_with_what_lacks_a_format():
    work(formats=("txt", "srt"), folder=Path("out"))
    Path("out/a/x.srt").unlink()
    Path("out/b/x.txt").write_text("kept\n")
    recognizer = MadeUp()
    _, reported = work(formats=("srt,txt",), folder=Path("out"), skip_existing=True, recognizer=recognizer)
    assert recognizer.names == ["x.wav", "bad.wav"]
    assert "5 files, 3 skipped, 1 failed" in reported
    assert Path("out/a/x.srt").exists()
    assert Path("out/b/x.txt").read_text() == "kept\n"
    work(folder=Path("out"))
    assert Path("out/b/x.txt").read_text() == "hello world it's late\n"


def test_the_model_is_not_loaded_where_nothing_is_left_to_do():
    work("in/x.wav", folder=Path("out"))

    def load() -> Transcribe:
        raise AssertionError

    outputs = Outputs(folder=Path("out"), skip_existing=True)
    summary = transcribe_files(Inputs(["in/x.wav"]), outputs, load=load)
    assert str(summary) == "1 file, 1 skipped"


def test_standard_output_names_the_files_where_there_are_several(capfd: pytest.CaptureFixture[str]):
    work("in/x.wav")
    assert capfd.readouterr().out == "hello world it's late\n"
    work("in/x.wav", "in/a")
    assert capfd.readouterr().out == "in/x.wav\thello world it's late\nin/a/x.wav\thello world it's late\n"
    work("in/x.wav", "in/a", formats=("tsv",))
    lines = capfd.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["file", *["in/x.wav"] * 2, *["in/a/x.wav"] * 2]
    work("in/x.wav", "in/a", formats=("ctm",))
    assert {line.split(" ")[0] for line in capfd.readouterr().out.splitlines()} == {"x", "a/x"}
    work("in/x.wav", formats=("vtt",))
    assert capfd.readouterr().out.startswith("WEBVTT\n\n00:00:00.500 --> ")


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ({"formats": ("srt",)}, "cannot take several recordings as srt.* one of txt, json, tsv, ctm"),
        ({"formats": ("txt,json",)}, "takes one format, not txt, json; give an output folder"),
        ({"skip_existing": True}, "needs the output folder of an earlier job"),
        ({"folder": Path("in/x.wav")}, "in/x.wav: cannot be written to: .*choose another output folder"),
        ({"folder": Path("/proc/nowhere")}, "/proc/nowhere: cannot be written to"),
    ],
)
def test_options_that_cannot_work_are_refused_before_any_work(outputs: dict[str, object], reason: str):
    recognizer = MadeUp()
    with pytest.raises(AsrError, match=reason):
        work(recognizer=recognizer, **outputs)
    assert recognizer.names == []


def test_a_file_that_cannot_be_written_does_not_lose_the_others():
    Path("out/a/x.txt/in the way").mkdir(parents=True)
    summary, reported = work(folder=Path("out"))
    assert written() == {"b/x.txt", "x.flac.txt", "x.wav.txt"}
    assert len(summary.failures) == 2
    assert "failed: out/a/x.txt: cannot be written: " in reported


def test_a_disk_that_fills_up_ends_the_job(monkeypatch: pytest.MonkeyPatch):
    write, calls = module._Folder.write, []
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self: module._Folder, recording: Recording, transcript: Transcript) -> None:
        calls.append(recording)
        if len(calls) == 2:  # stands for a disk without room for more
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        write(self, recording, transcript)

    monkeypatch.setattr(module._Folder, "write", fill)
    try:
        with pytest.raises(AsrError, match="out: cannot be written to: File too large"):
            work(folder=Path("out"), recognizer=MadeUp(Transcript("x" * 9000, 1.0)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    assert written() == {"a/x.txt"}


def test_a_text_without_times_is_reported_and_nothing_of_it_written():
    _, reported = work("in/a", folder=Path("out"), formats=("txt", "srt"), recognizer=MadeUp(UNTIMED))
    assert "in/a/x.wav: has no word times, which srt needs" in reported
    assert written() == set()


@pytest.mark.usefixtures("_heeding_interrupts")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_job_and_what_is_written_stays(number: int):
    before = signal.getsignal(number)
    reporter = RecordingReporter()
    recognizer = MadeUp(stop="x.flac", number=number)
    with pytest.raises(TranscriptionInterrupted, match="3 of 5 recordings are done"):
        transcribe_files(
            Inputs(["in"]), Outputs(folder=Path("out")), load=lambda: recognizer.transcribe_many, reporter=reporter
        )
    assert written() == {"a/x.txt", "b/x.txt"}
    assert ("in/b/bad.wav: is bad", "failure") in reporter.lines
    assert signal.getsignal(number) == before


@pytest.mark.usefixtures("_heeding_interrupts")
def test_a_job_that_was_started_deaf_to_interrupts_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as `nohup` and the background of a script do
    work(folder=Path("out"), recognizer=MadeUp(stop="x.flac", number=signal.SIGINT))
    assert len(written()) == 4
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_progress_moves_by_seconds_and_tells_what_failed(tmp_path: Path):
    import numpy as np
    import soundfile

    soundfile.write("in/a/x.wav", np.zeros(16000 * 3), 16000)
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    transcribe_files(
        Inputs(["in"]),
        Outputs(folder=Path("out")),
        load=lambda: MadeUp().transcribe_many,
        reporter=ConsoleReporter(console),
    )
    reported = console.file.getvalue()
    assert "5/5 files  1 failed" in reported
    assert "x real time" in reported


def test_progress_moves_within_a_long_recording():
    import numpy as np
    import soundfile

    for name, seconds in (("in/a/x.wav", 30), ("in/b/x.wav", 100)):
        soundfile.write(name, np.zeros(8000 * seconds), 8000)
    recordings = [Recording(Path(name), name) for name in ("in/a/x.wav", "in/b/x.wav")]
    reporter = RecordingReporter(shows_progress=True)
    with track_progress(recordings, Summary(files=2), reporter) as progress:
        progress.finish_recording()
        progress.show_seconds(20.0)
        progress.show_seconds(90.0)
        progress.show_seconds(200.0)
        progress.finish_recording()
    assert reporter.totals == [130.0]
    assert [completed for completed, _ in reporter.updates] == [0.0, 30.0, 50.0, 120.0, 130.0, 130.0]
    assert reporter.updates[0][1] == "0/2 files"


def test_names_that_are_no_text_are_spelled_out(capfd: pytest.CaptureFixture[str]):
    name = os.fsdecode(b"in/caf\xe9.wav")
    Path(name).touch()
    work(name, formats=("json",))
    assert json.loads(capfd.readouterr().out)["file"] == name
