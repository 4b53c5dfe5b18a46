"""Commands whose packages are not installed name them, and what to install, in one line."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import asr
from asr.cli import extras
from asr.config import AcousticSettings, FeatureSettings, ModelSettings
from asr.recognize.model_folder import save_model
from tests.models import make_model
from tests.packages import requirements

ROOT = Path(__file__).parents[2]
TRAINING = ("torch", "torchaudio", "lhotse", "lightning_fabric", "jiwer", "tensorboard", "scipy", "matplotlib")


@pytest.mark.parametrize(
    ("command", "missing", "extra"),
    [
        (["train", ROOT / "conf" / "an4.yaml"], TRAINING, "train"),
        (["lm", "train", ROOT / "README.md", "--output", "lm"], TRAINING, "train"),
        (["evaluate", "x.jsonl.gz"], TRAINING, "train"),
        (["import", "deepspeech.pytorch", ROOT / "README.md", "out"], TRAINING, "train"),
        (["prepare", "--list"], TRAINING, "train"),
        (["plot", ROOT / "recipes" / "an4" / "samples" / "help.flac"], ("matplotlib",), "plot"),
    ],
)
def test_what_to_install_is_said_in_a_line(tmp_path: Path, command: list[object], missing: tuple[str, ...], extra: str):
    lines = ["import sys", f"sys.argv = {['asr', *map(str, command)]}"]
    lines += [f"sys.modules[{name!r}] = None" for name in missing]
    lines += ["from asr.cli.app import main", "main()"]
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    name = " ".join(["asr", *map(str, command[: 2 if command[0] in ("lm", "import") else 1])])
    assert ended.stderr.startswith(f"error: {name} needs ")
    assert ended.stderr.split(" needs ")[1].split(",")[0] in missing
    known = ROOT / "constraints" / f"python3.{sys.version_info.minor}.txt"
    remedy = f"python -m pip install -c {known} --editable '{ROOT}[{extra}]'"
    assert ended.stderr.endswith(f"which is not installed: {remedy}\n")


def test_a_model_on_an_encoder_says_what_runs_it(tmp_path: Path):
    features = FeatureSettings(kind="whisper", encoder_size=6)
    settings = ModelSettings(features=features, acoustic=AcousticSettings(num_layers=1, hidden_size=4))
    save_model(make_model(settings), tmp_path / "model")
    command = ["transcribe", "--model", tmp_path / "model", ROOT / "recipes" / "an4" / "samples" / "help.flac"]
    test_what_to_install_is_said_in_a_line(tmp_path, command, ("ctranslate2", "faster_whisper"), "whisper")


def test_other_modules_are_not_explained():
    assert extras.explain_missing(ModuleNotFoundError("no", name="nowhere"), ["train"]) is None
    assert extras.explain_missing(ModuleNotFoundError("no"), []) is None


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (None, "'ctc-asr[train]'"),  # from an index
        ({"url": "file://{folder}", "dir_info": {}}, "'{folder}[train]'"),
        ({"url": "file:///gone/asr", "dir_info": {}}, "'ctc-asr[train]'"),
        (
            {"url": "https://example.org/asr.git", "vcs_info": {"vcs": "git", "commit_id": "1"}},
            "'ctc-asr[train] @ git+https://example.org/asr.git'",
        ),
    ],
)
def test_the_extra_is_added_to_the_installation_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: dict[str, object] | None, target: str
):
    folder = tmp_path / "a folder"
    folder.mkdir()
    record = None if source is None else json.dumps(source).replace("{folder}", str(folder).replace(" ", "%20"))
    monkeypatch.setattr(asr, "__file__", str(tmp_path / "site-packages" / "asr" / "__init__.py"))
    monkeypatch.setattr(extras, "distribution", lambda _: SimpleNamespace(read_text=lambda _: record))
    assert extras.install_target("train") == target.replace("{folder}", str(folder))


def test_each_package_of_an_extra_is_known_by_its_module():
    for extra, modules in extras.EXTRAS.items():
        assert set(modules) == {requirement.name.replace("-", "_") for requirement in requirements(extra)}
