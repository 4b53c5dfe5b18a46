"""Options that need more than Typer: a `--resume` whose value may be left out, and defaults from the settings."""

import inspect
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asr.cli import live, recognize
from asr.cli.app import app
from asr.cli.options import complete_resume, decoding_options, parse_numbers, parse_resume
from asr.config import SubtitleSettings
from asr.errors import AsrError, TrainingInterrupted
from asr.live.settings import Limits
from asr.recognize.options import DecodingOptions
from asr.recognize.streaming.endpoints import Endpoints
from asr.recognize.streaming.stream import StreamingOptions

ROOT = Path(__file__).parents[2]
CONF = str(ROOT / "conf" / "an4.yaml")


@pytest.mark.parametrize(
    ("arguments", "resume", "epochs"),
    [
        ([CONF], False, 50),
        ([CONF, "--resume"], True, 50),
        (["--resume", CONF], True, 50),
        ([CONF, "--resume", "train.epochs=3"], True, 3),
        (["--resume", CONF, "train.epochs=3"], True, 3),
        ([CONF, "train.epochs=3", "--resume"], True, 3),
        ([CONF, "--resume", "auto"], "auto", 50),
        (["--resume", "auto", CONF], "auto", 50),
        ([CONF, "--resume", "auto", "train.epochs=3"], "auto", 3),
        ([CONF, "train.epochs=3", "--resume", "auto"], "auto", 3),
        ([CONF, "--resume=auto", "train.epochs=3"], "auto", 3),
        ([CONF, "--resume", "--devices", "2", "train.epochs=3"], True, 3),
        ([CONF, "--resume", "--no-resume", "train.epochs=3"], False, 3),
        (["--resume", "--", CONF, "train.epochs=3"], True, 3),
    ],
)
def test_resume_swallows_no_argument(monkeypatch: pytest.MonkeyPatch, arguments, resume, epochs):
    runs = []
    monkeypatch.setattr("asr.train.run.train", lambda config, **options: runs.append((config, options)))
    result = CliRunner().invoke(app, ["train", *arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    ((config, options),) = runs
    assert (options["resume"], config.train.epochs) == (resume, epochs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--node-rank", "1"], "--node-rank and --restarts are for several machines"),
        (["--restarts", "2"], "--node-rank and --restarts are for several machines"),
        (["--nodes", "2", "--node-rank", "2"], "machines are numbered from 0 to 1"),
        (["--nodes", "2", "--master", "node0"], "expected HOST:PORT"),
        (["--nodes", "2", "--master", "node0:99999"], "a port from 1 to 65535"),
        (["--nodes", "2", "train.epochs=never"], "train.epochs"),
    ],
)
def test_machines_that_cannot_be_are_refused_before_processes_start(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
):
    monkeypatch.setattr("os.execv", lambda *_: pytest.fail("it became torchrun"))
    result = CliRunner().invoke(app, ["train", CONF, *arguments])
    assert isinstance(result.exception, AsrError)
    assert message in str(result.exception)


def test_an_interrupted_run_names_the_option_that_continues_it(monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object, **options: object) -> None:
        raise TrainingInterrupted("stopped in epoch 1; resume it to continue")

    monkeypatch.setattr("asr.train.run.train", stop)
    result = CliRunner().invoke(app, ["train", CONF])
    assert str(result.exception) == "stopped in epoch 1; resume it to continue (--resume)"


def test_a_resume_with_another_value_is_refused():
    assert complete_resume(["--resume", "auto", "auto"]) == ["--resume=auto", "auto"]
    assert complete_resume(["auto", "--", "--resume"]) == ["auto", "--", "--resume"]
    with pytest.raises(AsrError, match="expected --resume or --resume auto"):
        parse_resume("train.epochs=3")


def test_numbers_are_separated_by_spaces_or_commas():
    assert parse_numbers("0 1 1", "thresholds", int) == parse_numbers("0,1,1", "thresholds", int) == [0, 1, 1]
    assert parse_numbers("0.6, .4", "weights", float) == [0.6, 0.4]
    with pytest.raises(AsrError, match="thresholds 0 one: expected whole numbers"):
        parse_numbers("0 one", "thresholds", int)


def defaults(command: object) -> dict[str, object]:
    return {name: parameter.default for name, parameter in inspect.signature(command).parameters.items()}


def test_defaults_are_those_of_the_library():
    assert decoding_options(decoder=None, nbest=None, hotwords=None, lm=None) == DecodingOptions()
    assert decoding_options(nbest=3, hotwords=["a"]) == DecodingOptions(nbest=3, hotwords=["a"])
    subtitles = SubtitleSettings()
    transcribe = defaults(recognize.transcribe)
    assert (transcribe["max_line_length"], transcribe["max_lines"]) == (subtitles.max_line_length, subtitles.max_lines)
    for command in map(defaults, (live.mic, live.serve)):
        endpoints = Endpoints.from_seconds(command["pause"], command["longest"])
        assert StreamingOptions(command["chunk"], command["right"], endpoints) == StreamingOptions()
    serve, limits = defaults(live.serve), Limits()
    assert (serve["clients"], serve["idle"]) == (limits.clients, limits.idle_seconds)
    assert (60 * serve["minutes"], serve["upload"] << 20) == (limits.session_seconds, limits.upload_bytes)
