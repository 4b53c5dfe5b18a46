"""A text file and a recording in, the words' times in files, and a warning if they do not belong together."""

import json
from pathlib import Path

import pytest
import soundfile

from asr.errors import AsrError, TextError
from asr.jobs.align import align_file
from asr.jobs.inputs import Inputs
from asr.jobs.outputs import Outputs
from asr.recognize.model_folder import save_model
from tests.cli.test_app import run
from tests.jobs.reporting import RecordingReporter
from tests.recognize.test_recognizer import RATE, make_model, noise

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "recipes" / "an4" / "samples"
NUMBER = dict(line.split("\t") for line in (SAMPLES / "transcripts.txt").read_text().splitlines())["number"]


def test_a_text_that_was_not_said_is_reported():
    inputs, options = Inputs([str(SAMPLES / "number.flac")]), {"model": "an4", "device": "cpu"}
    for text, is_reported in ((NUMBER, False), ("go away", True)):
        reporter = RecordingReporter()
        align_file(inputs, text, Outputs(), reporter=reporter, **options)
        warnings = [line for line, tone in reporter.lines if tone == "warning"]
        assert ["words are unlikely to have been said" in line for line in warnings] == [True] * is_reported


def test_the_command_writes_a_file_or_names_what_is_wrong(tmp_path: Path):
    save_model(make_model(), tmp_path / "model")
    soundfile.write(tmp_path / "a.wav", noise(1.0, 0), RATE)
    (tmp_path / "a.txt").write_text("Ab, ab.", encoding="utf-8-sig")
    options = {"model": str(tmp_path / "model"), "device": "cpu"}
    inputs = Inputs([str(tmp_path / "a.wav")])
    align_file(inputs, tmp_path / "a.txt", Outputs(("json,srt",), tmp_path / "out"), **options)
    assert json.loads((tmp_path / "out" / "a.json").read_text())["text"] == "Ab, ab."
    lines = (tmp_path / "out" / "a.srt").read_text().splitlines()
    assert " ".join(line for line in lines if line[:1] in "Aa" and line) == "Ab, ab."
    (tmp_path / "latin.txt").write_bytes(b"\xe4b")
    for text_file, message in (("none.txt", "No such file.*give the words"), ("latin.txt", "not UTF-8")):
        with pytest.raises(TextError, match=message):
            align_file(inputs, tmp_path / text_file, Outputs(), **options)
    soundfile.write(tmp_path / "b.wav", noise(1.0, 0), RATE)
    with pytest.raises(AsrError, match=r"belongs to one recording, and .* means 2"):
        align_file(Inputs([str(tmp_path)]), tmp_path / "a.txt", Outputs(), **options)
    result = run("align", tmp_path / "a.wav", tmp_path / "a.txt", "--text", "ab")
    assert (result.returncode, result.stdout) == (1, "")
    assert "give the text once" in result.stderr
