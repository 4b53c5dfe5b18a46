"""Marks and capitals on the command line: text in, text out; figures of how good they are."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asr.cli.app import app
from asr.cli.extras import explain_missing
from asr.config import ModelSettings, WrittenSettings
from asr.language.punctuator import Punctuator, save_punctuator
from tests.language.punctuators import WORDS, make_settings, random_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("punctuator")
    save_punctuator(random_weights(), make_settings(), WORDS[:12], [], folder)
    (folder / "text.txt").write_text("She is HERE; are you\n\nIn 1984 go now!\n", encoding="utf-8")
    return folder


def ask(*arguments: object, given: str | None = None) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_each_line_is_a_text(folder: Path):
    punctuator = Punctuator.load(folder)
    expected = [
        " ".join(punctuator.punctuate(words.split())) for words in ("she is here are you", "", "in 1984 go now")
    ]
    assert ask("punctuate", folder / "text.txt", "--model", folder).split("\n")[:-1] == expected
    given = (folder / "text.txt").read_text()
    assert ask("punctuate", "-", "--model", folder, given=given).split("\n")[:-1] == expected


def test_numbers_can_be_written_in_figures(folder: Path):
    written = ask("punctuate", "-", "--model", folder, "--numbers", "digits", given="go to fifty now\n")
    assert "50" in written
    assert "fifty" not in written
    result = CliRunner().invoke(app, ["punctuate", "-", "--model", str(folder), "--numbers", "roman"], input="go\n")
    assert "words, digits" in str(result.exception)


def test_numbers_are_written_as_the_model_says(folder: Path, tmp_path: Path):
    for style, expected in (("words", "fifty"), ("digits", "50")):
        model = tmp_path / style
        shutil.copytree(folder, model / "punctuator")
        ModelSettings(written=WrittenSettings(numbers=style)).save(model / "config.yaml")
        assert expected in ask("punctuate", "-", "--model", model, given="go to fifty now\n").lower()


def test_an_incomplete_punctuator_is_named(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "punctuator")
    (tmp_path / "punctuator" / "spellings.txt").unlink()
    result = CliRunner().invoke(app, ["punctuate", "-", "--model", str(tmp_path / "punctuator")], input="go\n")
    assert "spellings.txt: cannot be read" in str(result.exception)


def test_a_model_without_a_punctuator_is_named():
    result = CliRunner().invoke(app, ["punctuate", "-", "--model", "an4"], input="go\n")
    assert "has no punctuator" in str(result.exception)


def test_a_text_is_measured(folder: Path):
    lines = ask("lm", "punctuate", "evaluate", folder / "text.txt", "--model", folder).splitlines()
    assert lines[:2] == ["words\t9", "lines left out\t0"]
    rows = [line.split("\t") for line in lines[3:]]
    assert {row[0] for row in rows} == {"punctuator", "majority"}
    assert [row[1] for row in rows[:5]] == ["comma", "full stop", "question mark", "all marks", "capitals"]
    assert all(0 <= float(value) <= 1 for row in rows for value in row[2:])


def test_what_training_lacks_is_named_with_the_whole_command():
    error = ModuleNotFoundError("torch", name="torch")
    assert str(explain_missing(error, ["lm", "punctuate", "train", "a.txt"])).startswith("asr lm punctuate train needs")
    assert str(explain_missing(error, ["lm", "train", "a.txt"])).startswith("asr lm train needs")
