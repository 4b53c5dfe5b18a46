"""Try the project with the newest version of everything that pyproject.toml admits: `make test-newest`.

Two environments are made, one after the other, without the recorded versions: what runs a model, and what makes one. A
few tests run in each, and the environment is removed. What broke is reported with the versions that differ from the
record; the exit status is 0 all the same, because nothing in the repository has changed when a new release breaks it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SAMPLE = "recipes/english/samples/garden.flac"
# Of each environment: the extras, and the tests.
TRIES = {
    "what runs a model": (
        "test",
        ["tests/runtime", "tests/test_jit.py", "tests/signal/test_features.py", "tests/decode/test_greedy.py"],
    ),
    "what makes a model": (
        "train,test",
        [
            "tests/acoustic/test_ctc.py",
            "tests/train/test_augment.py",
            "tests/train/test_run.py::test_a_single_utterance_is_enough",
        ],
    ),
}
NEEDED = {"test": 3, "train,test": 15}  # gigabytes of disk that must be free


class Stopped(Exception):
    """A step that failed, or for which there was no time or room."""


def try_extras(folder: Path, extras: str, tests: list[str], deadline: float) -> None:
    """Install extras into a new environment, transcribe a sample and run tests. Raises Stopped if a step fails."""
    free = shutil.disk_usage(folder.parent).free / 1e9
    if free < NEEDED[extras]:
        raise Stopped(f"not tried: {free:.0f} GB of disk are free, of {NEEDED[extras]} GB")
    run([sys.executable, "-m", "venv", "--clear", str(folder)], deadline)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    run([*pip, "install", "--quiet", "--no-compile", "--editable", f".[{extras}]"], deadline)
    run([*pip, "install", "--quiet", "--upgrade", "numba"], deadline)  # pyproject.toml admits what was tried
    listed = run([*pip, "list", "--format", "json"], deadline)
    print("  " + ", ".join(differences(json.loads(listed))), flush=True)
    run([python, "-m", "asr", "transcribe", SAMPLE], deadline)
    run([python, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests], deadline)


def run(command: list[str], deadline: float) -> str:
    """Run a command and return what it printed. Raises Stopped with its last lines if it fails or takes too long."""
    name = " ".join(Path(command[0]).name if index == 0 else word for index, word in enumerate(command[:6]))
    try:
        ended = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=max(1.0, deadline - time.monotonic()), env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Stopped(f"{name}: there was no time to finish it") from None
    if ended.returncode != 0:
        raise Stopped("\n".join([f"{name}: failed", *ended.stdout.splitlines()[-15:]]))
    return ended.stdout


def differences(listed: list[dict[str, str]]) -> list[str]:
    """Return the packages whose versions are not the recorded ones."""
    path = ROOT / "constraints" / f"python{sys.version_info.major}.{sys.version_info.minor}.txt"
    pins = dict(line.split("==") for line in path.read_text(encoding="utf-8").splitlines() if "==" in line)
    pins.pop("setuptools", None)  # the environment's own
    found = {package["name"].lower().replace("_", "-"): package["version"] for package in listed}
    newer = [name for name in sorted(found.keys() & pins.keys()) if found[name] != pins[name]]
    return [f"{name} {found[name]} (recorded: {pins[name]})" for name in newer] or [
        "the recorded versions are the newest"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="environment to make and remove")
    parser.add_argument("--minutes", type=float, default=3.0, help="time for everything (default: 3)")
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    for name, (extras, tests) in TRIES.items():
        print(f"newest releases, {name}:", flush=True)
        try:
            try_extras(arguments.folder.absolute(), extras, tests, deadline)
            print("  works", flush=True)
        except Stopped as reason:
            print("  " + "\n  ".join(str(reason).splitlines()), flush=True)
        finally:
            shutil.rmtree(arguments.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
