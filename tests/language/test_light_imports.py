"""Commands load no more than they need: language models run without torch, and are trained without audio libraries."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.language.rnn.rnn_models import make_model, save_rnn

CHARACTERS = "A small text about a small thing, and a thing about a small text.\n"


def run(folder: Path, code: str, *, without: tuple[str, ...]) -> None:
    """Run Python code in a separate process, in which some packages cannot be imported."""
    block = "import sys; " + "; ".join(f"sys.modules[{name!r}] = None" for name in without)
    subprocess.run([sys.executable, "-c", f"{block}\n{code}"], cwd=folder, check=True, timeout=120)


def ask(*arguments: object) -> str:
    """The code of a command."""
    lines = ["import sys", f"sys.argv = {['asr', *map(str, arguments)]}", "from asr.cli.app import main"]
    return "\n".join([*lines, "try:", "    main()", "except SystemExit as end:", "    assert not end.code, end.code"])


@pytest.mark.parametrize("unit", ["word", "char"])
def test_n_grams_are_estimated_mixed_and_pruned_without_torch(tmp_path: Path, unit: str):
    (tmp_path / "text.txt").write_text(CHARACTERS * 3, encoding="utf-8")
    commands = [
        ask("lm", "estimate", "text.txt", "--unit", unit, "--order", 2, "--output", "one.bin"),
        ask("lm", "estimate", "text.txt:3", "--unit", unit, "--order", 3, "--output", "two.arpa"),
        ask("lm", "mix", "one.bin", "two.arpa", "--dev", "text.txt", "--output", "mixed.bin"),
        ask("lm", "prune", "mixed.bin", "--keep", 5, "--output", "pruned.bin"),
        ask("lm", "score", "pruned.bin", "text.txt"),
    ]
    for command in commands:
        run(tmp_path, command, without=("torch", "torchaudio", "lhotse", "lightning"))
    assert (tmp_path / "pruned.bin").stat().st_size > 0


def test_recurrent_models_score_generate_and_complete_without_torch(tmp_path: Path):
    save_rnn(make_model("ab "), tmp_path / "rnn")
    (tmp_path / "text.txt").write_text("ab ba\na b\n", encoding="utf-8")
    for arguments in (("score", "rnn", "text.txt"), ("generate", "rnn", "--length", 9), ("complete", "rnn", "a")):
        run(tmp_path, ask("lm", *arguments), without=("torch", "torchaudio", "lhotse", "lightning_fabric"))


def test_a_lexicon_is_made_without_torch(tmp_path: Path):
    (tmp_path / "some.dict").write_text("a AH\nsmall S M AO L\nthing TH IH NG\n", encoding="utf-8")
    (tmp_path / "text.txt").write_text("a small thing\na tall thing\n", encoding="utf-8")
    run(tmp_path, ask("lexicon", "some.dict", "text.txt", "--output", "lexicon.txt"), without=("torch", "lhotse"))
    assert "small\tS M AO L\n" in (tmp_path / "lexicon.txt").read_text(encoding="utf-8")


@pytest.mark.training
def test_networks_of_text_are_trained_without_audio_libraries(tmp_path: Path):
    (tmp_path / "text.txt").write_text(CHARACTERS * 40, encoding="utf-8")
    settings = ["network.hidden_size=8", "network.embedding_size=4", "train.epochs=1", "train.precision=fp32"]
    choices = [argument for setting in settings for argument in ("--set", setting)]
    command = ask("lm", "train", "text.txt", *choices, "--output", "lm")
    run(tmp_path, command, without=("lhotse", "torchaudio", "librosa", "soundfile"))
    assert (tmp_path / "lm" / "model.safetensors").exists()
