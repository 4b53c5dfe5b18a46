"""Wheel and source archive install and transcribe in fresh environments, on the oldest and the newest Python.

`make test-dist` builds both (into dist/, or ASR_DIST) and runs this. Installing needs a package index.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packages import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import release_version

DIST = Path(os.environ.get("ASR_DIST", ROOT / "dist"))
SAMPLES = ROOT / "recipes" / "an4" / "samples"


def find_archive(pattern: str) -> Path:
    found = sorted(DIST.glob(pattern))
    if not found:
        pytest.skip(f"there is no {pattern} in {DIST}: make dist")
    return found[-1]


def find_python(version: str) -> str:
    """A working interpreter: on the path, or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *map(str, pyenv.glob(f"{version}.*/bin/python"))]
    for candidate in filter(None, candidates):
        answer = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        if answer.stdout.startswith(f"Python {version}."):
            return candidate
    pytest.skip(f"needs Python {version}")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10", "3.13"])
@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_an_archive_installs_and_transcribes(pattern: str, version: str, tmp_path: Path):
    archive, python = find_archive(pattern), find_python(version)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"ASR_PRECISION": "fp32", "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*command: object) -> str:
        ended = subprocess.run(
            list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    run(python, "-m", "venv", "env")
    known = ROOT / "constraints" / f"python{version}.txt"
    run("env/bin/python", "-m", "pip", "install", "--quiet", "--constraint", known, archive)
    installed = run("env/bin/python", "-c", "import asr; print(asr.__file__)").strip()
    assert Path(installed).is_relative_to(tmp_path)
    expected = dict(line.split("\t") for line in (SAMPLES / "transcripts.txt").read_text().splitlines())
    for name in ("number", "phone"):
        shutil.copy(SAMPLES / f"{name}.flac", tmp_path)
        assert run("env/bin/asr", "transcribe", "--model", "an4", f"{name}.flac").strip() == expected[name]


def test_the_wheel_holds_the_models_and_pages_and_no_leftovers():
    with zipfile.ZipFile(find_archive("*.whl")) as archive:
        names = archive.namelist()
    assert {"asr/models/an4/model.safetensors", "asr/live/page/index.html", "asr/evaluate/page/page.css"} <= set(names)
    assert [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".nbi", ".nbc"))] == []
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"asr", "ctc_asr"}


def test_the_source_archive_holds_what_tests_and_pages_need():
    with tarfile.open(find_archive("*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "LICENSE", "NOTICE", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md", "Dockerfile"}
    assert {*needed, "constraints/python3.10.txt", "tests/test_distribution.py", "docs/install.md"} <= names


def test_the_version_is_the_same_everywhere():
    assert len(set(release_version.read_versions().values())) == 1
    assert "" not in release_version.read_versions().values()


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".github/workflows/release.yml"])
def test_workflows_run_targets_that_exist(path: str):
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [line.split()[1] for command in commands for line in command.splitlines() if line.startswith("make ")]
    assert targets
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def test_the_container_copies_files_that_exist():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
        if not word.startswith("--")
    ]
    assert "pyproject.toml" in copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert [name for name in copied if not any(name == one or name.startswith(f"{one}/") for one in kept)] == []
