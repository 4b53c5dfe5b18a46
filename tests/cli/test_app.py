"""The command as people run it: its arguments, real files, the model that ships.

A process costs seconds, which it takes to load torch; one is started where only that shows the property.
"""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pytest
import soundfile

from asr.cli.app import main
from tests.packages import project

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "recipes" / "an4" / "samples"
RATE = 16000


class Outcome(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Outcome:
    """What a command tells, in this process."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with (
        mock.patch.object(sys, "argv", ["asr", *map(str, arguments)]),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    return Outcome(ended.value.code, *(stream.buffer.getvalue().decode() for stream in streams))


def run_process(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """The same in a process of its own, so that what libraries and the interpreter say at its end counts, too."""
    command = [sys.executable, "-m", "asr", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def transcripts() -> dict[str, str]:
    lines = (SAMPLES / "transcripts.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return soundfile.read(SAMPLES / "number.flac", dtype="float32")[0]


def write_bad_files(folder: Path, speech: np.ndarray) -> dict[str, str]:
    """One file of each kind that cannot be transcribed, and a word of the reason that is due."""
    (folder / "empty.wav").touch()
    soundfile.write(folder / "header.wav", np.zeros(0, np.float32), RATE)
    (folder / "text.wav").write_text("this is no sound\n" * 50)
    soundfile.write(folder / "whole.flac", np.tile(speech, 5), RATE)
    flac = (folder / "whole.flac").read_bytes()
    (folder / "whole.flac").unlink()
    (folder / "truncated.flac").write_bytes(flac[: len(flac) // 2])
    soundfile.write(folder / "sample.wav", np.zeros(1, np.float32), RATE)
    soundfile.write(folder / "nan.wav", np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    (folder / "folder").mkdir()
    return {
        "missing.wav": "no such file",
        "empty.wav": "",
        "header.wav": "",
        "text.wav": "",
        "truncated.flac": "",
        "sample.wav": "too short",
        "nan.wav": "finite",
        "folder": "without audio",
    }


def test_good_files_among_bad_ones_are_transcribed_and_each_bad_one_is_reported_in_a_line(
    tmp_path: Path, speech: np.ndarray
):
    bad = write_bad_files(tmp_path, speech)
    outcome = run_process(
        "transcribe", SAMPLES / "help.flac", *(tmp_path / name for name in bad), SAMPLES / "code.flac"
    )
    assert outcome.returncode == 1
    assert "Traceback" not in outcome.stderr
    texts = dict(line.split("\t") for line in outcome.stdout.splitlines())
    expected = transcripts()
    assert texts == {str(SAMPLES / f"{name}.flac"): expected[name] for name in ("help", "code")}
    for name, reason in bad.items():
        lines = [line for line in outcome.stderr.splitlines() if f"{tmp_path / name}:" in line]
        assert len(lines) == 1, (name, outcome.stderr)
        assert reason in lines[0]
    assert f"{len(bad)} failed" in outcome.stderr


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [
        (16000, 1, "PCM_16"),
        (96000, 1, "PCM_16"),
        (16000, 6, "PCM_16"),
        (16000, 1, "PCM_24"),
        (16000, 1, "PCM_U8"),
        (44100, 2, "FLOAT"),
    ],
)
def test_odd_but_valid_sound_gives_the_same_text(
    tmp_path: Path, speech: np.ndarray, rate: int, channels: int, subtype: str
):
    import librosa

    import asr

    samples = librosa.resample(speech, orig_sr=RATE, target_sr=rate)
    soundfile.write(tmp_path / "odd.wav", np.tile(samples[:, None], (1, channels)), rate, subtype=subtype)
    assert asr.load_model("an4").transcribe(tmp_path / "odd.wav").text == transcripts()["number"]


def test_telephone_sound_is_transcribed(tmp_path: Path, speech: np.ndarray):
    import librosa

    import asr

    soundfile.write(tmp_path / "phone.wav", librosa.resample(speech, orig_sr=RATE, target_sr=8000), 8000)
    transcript = asr.load_model("an4").transcribe(tmp_path / "phone.wav")
    assert transcript.duration == pytest.approx(len(speech) / RATE, abs=0.01)


def test_digital_silence_holds_no_text(tmp_path: Path):
    import asr

    for seconds in (0.1, 1, 10):
        assert asr.load_model("an4").transcribe((np.zeros(int(seconds * RATE), np.float32), RATE)).text == ""


def test_the_samples_that_ship_are_understood():
    outcome = run("transcribe", SAMPLES, "--format", "json")
    assert outcome.returncode == 0, outcome.stderr
    results = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert {Path(result["file"]).stem: result["text"] for result in results} == transcripts()
    assert "times real time" in outcome.stderr


def test_transcription_loads_nothing_that_it_does_not_use():
    unused = ["torch", "torchaudio", "lhotse", "librosa", "jiwer", "matplotlib", "tensorboard"]
    unused += ["num2words", "sentencepiece", "soxr", "starlette", "uvicorn", "sounddevice", "rich.progress"]
    lines = ["import sys", f"sys.argv = ['asr', 'transcribe', {str(SAMPLES / 'help.flac')!r}]"]
    lines += ["from asr.cli.app import main", "try:", "    main()", "except SystemExit as end:", "    print(end.code)"]
    lines += [f"print(sorted(set({unused}) & set(sys.modules)))"]
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=120)
    assert ended.stdout.splitlines()[1:] == ["0", "[]"], ended.stderr


def test_help_names_the_commands():
    outcome = run_process("--help")
    assert outcome.returncode == 0
    for command in ("transcribe", "train", "evaluate", "prepare", "doctor", "models"):
        assert command in outcome.stdout


def test_version():
    outcome = run_process("--version")
    assert outcome.stdout == f"asr {project()['version']}\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["evaluate", "nowhere.jsonl.gz"], "nowhere.jsonl.gz"),
        (["transcribe", "x.wav", "--format", "docx"], "docx: no such format"),
        (["transcribe", "x.wav", "--device", "abacus"], "abacus"),
        (["train", "nowhere.yaml"], "cannot be read"),
        (["train", str(ROOT / "conf" / "an4.yaml"), "train.epoch=1"], "no such setting"),
        (["doctor", "nowhere.jsonl.gz"], "nowhere.jsonl.gz"),
        (["prepare", "an4"], "needs a corpus"),
        (["prepare", "nocorpus", "a", "b"], "nocorpus"),
    ],
)
def test_errors_are_reported_in_a_line(arguments: list[str], reason: str):
    outcome = run(*arguments)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("error: ")
    assert len(outcome.stderr.splitlines()) == 1
    assert reason in outcome.stderr


def test_a_real_process_tells_what_is_wrong_in_a_line():
    outcome = run_process("transcribe", "x.wav", "--model", "nowhere")
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("error: nowhere: no such model")
    assert len(outcome.stderr.splitlines()) == 1


def test_models_and_corpora_are_listed():
    assert "an4\t" in run("models").stdout
    assert "an4\t" in run("prepare", "--list").stdout
    assert "librispeech\t" in run("prepare", "--list").stdout


@pytest.mark.corpora
def test_recordings_of_test_speakers_give_the_evaluated_text(corpora: Path, tmp_path: Path):
    assert run("prepare", "an4", corpora / "an4", tmp_path).returncode == 0
    outcome = run("evaluate", tmp_path / "test.jsonl.gz", "--json", tmp_path / "result.json")
    assert outcome.returncode == 0, outcome.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert {"wer", "cer", "words", "wer_interval", "utterances", "real_time_factor"} <= result.keys()
    assert (result["utterances"], result["words"]) == (130, 773)
    assert result["wer"] < 0.07

    from lhotse import CutSet

    import asr
    from asr.evaluate.evaluate import evaluate

    recognizer = asr.load_model("an4")
    cuts = CutSet(list(CutSet.from_file(tmp_path / "test.jsonl.gz"))[:8])
    evaluated = evaluate(recognizer, cuts)
    files = {cut.id: cut.recording.sources[0].source for cut in cuts}
    texts = {name: recognizer.transcribe(path).text for name, path in files.items()}
    assert texts == dict(zip(evaluated.utterances, evaluated.hypotheses, strict=True))
