"""Run cases that users reported, and print a line each: the verdict, what happened, and what is right.

    python tools/run_cases.py FOLDER [NAME ...]

Each folder in FOLDER is a case: its inputs, and `expect.txt` with a line `COMMAND (remark) => WHAT IS RIGHT; not
WRONG`. The command runs in a copy of the folder. A case that is known here is judged by its own rule. Others are right
if a quoted text of what is right is in the output, wrong if they end in a stack trace or not at all, and else to be
read. Cases with mounts need root, those with `asr serve` port 2700.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMEOUT = 150  # seconds; a case that waits for ever is wrong
# What the model recognises in the samples. Their speakers say "the gate stood open" and "drawer".
GARDEN = "there was nobody in the garden but the gates stood open"
GARDEN_OTHERWISE = "there was nobody in the garden but the gates to it open"  # live, or if more speech follows
LETTER = "she read the letter twice and put it back in the door"
# What a case needs besides the command of its first line.
FURTHER = {
    "flac-unknown-length": "asr prepare tsv train.tsv prepared",
    "stereo-call-a-channel-each": "asr transcribe --channel each IN.flac",
    "srt-markup-in-text": "asr align IN.flac IN.txt -f vtt",
}


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    status: int | None  # None: it did not end
    stdout: str
    stderr: str
    folder: Path

    @property
    def text(self) -> str:
        """All output."""
        return f"{self.stdout}\n{self.stderr}"

    @property
    def words(self) -> str:
        """All output in lower case and without punctuation, which texts have."""
        return re.sub(r"[^\w\s'-]", "", self.text).lower()

    def holds(self, *parts: str) -> bool:
        """Return whether the output holds all of these, as they are or as plain words."""
        return all(part in self.text or part in self.words for part in parts)

    @property
    def is_refused(self) -> bool:
        """Whether the command ended with an error of one line."""
        return bool(self.status) and "Traceback" not in self.stderr


def read_cues(outcome: Outcome) -> str:
    """Return the lines of subtitles that are neither numbers nor times."""
    clock = re.compile(r"^[\d:.,]+ --> [\d:.,]+$|^\d+$")
    return "\n".join(line for line in outcome.stdout.splitlines() if not clock.match(line))


RULES: dict[str, Callable[[Outcome], bool]] = {
    "aiff-cut-off": lambda o: o.is_refused or bool(re.search("cut off|breaks off|missing", o.stderr)),
    "arpa-byte-order-mark": lambda o: o.status == 0 and o.holds("perplexity"),
    "arpa-no-break-space-in-word": lambda o: o.status == 0 and o.holds("perplexity"),
    "array-int64": lambda o: o.holds(GARDEN) or o.holds("32768"),
    "cp1252-doctor": lambda o: o.holds("exit 1", "out-of-alphabet") and not o.holds("UnicodeEncodeError"),
    "evaluate-one-file-gone": lambda o: o.holds("h3", "exit 1", "r.json", "3 utterances"),
    "flac-unknown-length": lambda o: o.holds(GARDEN) and not o.holds("160127986750"),
    "fork-after-transcribe": lambda o: o.words.count(GARDEN) == 3 or o.holds("fork"),
    "hotword-with-colon": lambda o: o.status == 0 and o.holds(GARDEN),
    "kaldi-segment-overshoots": lambda o: o.status == 0 and o.holds("2 utterances", "no problems"),
    "long-file-name": lambda o: o.holds("exit 0", ".txt"),
    "lower-case-turkish": lambda o: o.stdout.strip() == "True",
    "mp3-mpg123-on-stderr": lambda o: not re.search("mpg123|Xing", (o.folder / "err").read_text()),
    "mp3-vbr-without-xing": lambda o: o.holds("walked along the river") or o.is_refused,
    "mp3-zeros-after-id3": lambda o: o.holds(GARDEN),
    "numba-cache-empty-index": lambda o: o.holds("exit 0") and not o.holds("Aborted"),
    "numbers-point-five": lambda o: o.holds("point five"),
    "ogg-chained-vorbis": lambda o: o.holds(GARDEN_OTHERWISE, LETTER) or o.is_refused,
    "quiet-minus-50": lambda o: o.holds(GARDEN) or o.holds("nearly silent"),
    "read-only-install": lambda o: (match := re.search(r"(\d+) err", o.stdout)) is not None and int(match[1]) <= 3,
    "srt-markup-in-text": lambda o: o.status == 0 and not re.search("-->|<gate>", read_cues(o)),
    "stdin-closed": lambda o: o.stderr.count("error: standard input is closed") == o.stderr.count("\n") == 2,
    "stdin-temp-full": lambda o: o.holds("exit 1", "No space left") and not o.holds("Traceback"),
    "stereo-call-a-channel-each": lambda o: o.holds(GARDEN, LETTER),
    "stereo-opposite-phase": lambda o: o.holds(GARDEN) or o.holds("cancel"),
    "stream-floats-not-divided": lambda o: o.holds("floats must lie within ±1") or o.status == 0,
    "train-small-shm": lambda o: o.holds("/dev/shm", "train.num_workers=0"),
    "upload-without-filename": lambda o: o.holds(GARDEN) or o.holds("filename"),
    "vosk-phrase-list-unspellable": lambda o: o.holds(GARDEN_OTHERWISE),
    "wav-size-too-small": lambda o: o.holds(GARDEN) or o.holds("beyond"),
    "wav-size-zero": lambda o: o.holds(GARDEN),
    "windows-fsync": lambda o: o.status == 0 and (o.folder / "out" / "IN.txt").is_file(),
}


def main() -> None:
    """Run the cases; exit with 1 if one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="cases; default: all")
    parser.add_argument("--verbose", action="store_true", help="show all output")
    arguments = parser.parse_args()
    cases = [path.parent for path in sorted(arguments.folder.glob("*/expect.txt"))]
    chosen = [case for case in cases if not arguments.names or case.name in arguments.names]
    verdicts = [run_case(case, verbose=arguments.verbose) for case in chosen]
    print(", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in sorted(set(verdicts))))
    sys.exit("wrong" in verdicts)


def run_case(case: Path, *, verbose: bool) -> str:
    """Run a case, print its line, and return the verdict."""
    reported, _, right = (case / "expect.txt").read_text(encoding="utf-8").strip().partition("=>")
    command = re.sub(r"(\s*\([^()]*\))+\s*$", "", reported).strip()
    with tempfile.TemporaryDirectory(prefix="case-") as name, serving("asr serve" in reported):
        folder = Path(name)
        for path in case.iterdir():
            shutil.copyfile(path, folder / path.name)
        adapt_scripts(folder)
        outcome = run(f"{command}\n{FURTHER.get(case.name, '')}", folder)
        verdict = judge(case.name, right, outcome)
    summary = " / ".join(line.strip() for line in outcome.text.splitlines() if line.strip())
    status = "it did not end" if outcome.status is None else f"status {outcome.status}"
    print(f"{verdict:<5}  {case.name}: {status}: {summary if verbose else summary[-160:]}  | right:{right}", flush=True)
    return verdict


def adapt_scripts(folder: Path) -> None:
    """Fill in where this checkout and its program are, and the present names of methods."""
    for script in folder.glob("*.py"):
        script.write_text(script.read_text(encoding="utf-8").replace(".accept(", ".feed("), encoding="utf-8")
    for script in folder.glob("*.sh"):
        text = script.read_text(encoding="utf-8").replace("CONF/", f"{ROOT}/conf/")
        script.write_text(text.replace("$ASR/.venv/bin/asr", shutil.which("asr") or "asr"), encoding="utf-8")


def run(command: str, folder: Path) -> Outcome:
    """Run a shell command in a folder, and end all that it started."""
    with (folder / ".stdout").open("w+b") as stdout, (folder / ".stderr").open("w+b") as stderr:
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=folder, env=environment(), stdout=stdout, stderr=stderr, start_new_session=True
        )
        try:
            status: int | None = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    stdout_text, stderr_text = (
        (folder / name).read_text(encoding="utf-8", errors="replace") for name in (".stdout", ".stderr")
    )
    return Outcome(status, stdout_text, stderr_text, folder)


def environment() -> dict[str, str]:
    """Return an environment in which `asr` and `python` are those of this checkout."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "ASR": str(ROOT)}


def judge(name: str, right: str, outcome: Outcome) -> str:
    """Return right, wrong, or read for a case that a person must judge."""
    if outcome.status is None:
        return "wrong"
    if name in RULES:
        return "right" if RULES[name](outcome) else "wrong"
    if "Traceback" in outcome.text:
        return "wrong"
    quoted = re.findall(r'"([^"]+)"', right.partition("not ")[0])
    return "right" if any(text in outcome.text for text in quoted) else "read"


@contextmanager
def serving(is_needed: bool) -> Iterator[None]:
    """Run `asr serve` while the block runs, if it is needed."""
    if not is_needed:
        yield
        return
    with subprocess.Popen(["asr", "serve"], env=environment(), stderr=subprocess.PIPE, text=True) as server:
        line = server.stderr.readline() if server.stderr else ""
        if "listening" not in line:
            print(f"asr serve: {line}", end="")
        time.sleep(0.2)
        try:
            yield
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
