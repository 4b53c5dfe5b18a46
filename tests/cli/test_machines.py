"""Signals from the first instant, streams that are closed, full or of few characters, and narrow terminals."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.corpus.corpora import write_sound

SAMPLES = Path(__file__).parents[2] / "recipes" / "an4" / "samples"
FULL = Path("/dev/full")
COMMAND = [sys.executable, "-m", "asr"]


def shell(command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of shell in which `asr` is this checkout's."""
    line = command.replace("asr ", f"'{sys.executable}' -m asr ", 1)
    return subprocess.run(
        ["sh", "-c", line],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        cwd=SAMPLES,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("asr transcribe - <&-", "error: standard input is closed"),
        ("asr transcribe --list - <&-", "error: standard input is closed"),
        ("asr align - --text help <&-", "error: standard input is closed"),
        ("asr models >&-", "error: standard output cannot be written to: it is closed"),
        ("asr --version >&-", "error: standard output cannot be written to: it is closed"),
        ("asr transcribe help.flac >&-", "error: standard output cannot be written to: it is closed"),
        ("asr models > /dev/full", "error: standard output cannot be written to: No space left on device"),
        ("asr --help > /dev/full", "error: standard output cannot be written to: No space left on device"),
        (
            "asr transcribe help.flac > /dev/full",
            "error: standard output cannot be written to: No space left on device",
        ),
    ],
)
def test_a_stream_that_cannot_be_used_ends_in_one_line(command: str, message: str, buffered: str):
    if "/dev/full" in command and not FULL.exists():
        pytest.skip("needs /dev/full")
    ended = shell(command, PYTHONUNBUFFERED=buffered)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(re.escape(message) + ".*\n", ended.stderr)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_messages_that_nobody_can_read_stop_nothing(redirection: str):
    ended = shell(f"asr transcribe help.flac {redirection}")
    assert (ended.returncode, ended.stdout) == (0, "help\n")


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "koi8-r"])
def test_what_a_terminal_cannot_show_is_escaped_in_messages(encoding: str):
    missing = shell("asr transcribe 日.wav", PYTHONIOENCODING=encoding)
    assert missing.stderr.startswith("failed: \\u65e5.wav: ")


@pytest.mark.training
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "koi8-r"])
def test_what_a_terminal_cannot_show_is_escaped_in_results(tmp_path: Path, encoding: str):
    write_sound(tmp_path / "日本.wav")
    (tmp_path / "train.tsv").write_text("日本.wav\t日 ü\n", encoding="utf-8")
    shell(f"asr prepare tsv {tmp_path} {tmp_path / 'out'}")
    ended = shell(f"asr doctor {tmp_path / 'out' / 'train.jsonl.gz'} --model an4", PYTHONIOENCODING=encoding)
    assert ended.returncode == 1
    assert ended.stdout.startswith("\\u65e5\\u672c\tout-of-alphabet\t")


@pytest.mark.parametrize("command", ["asr --help", "asr transcribe --help", "asr lm --help"])
def test_names_stay_whole_on_narrow_terminals(command: str):
    wide, narrow = (shell(command, COLUMNS=columns, TERM="dumb").stdout for columns in ("160", "40"))
    assert max(map(len, narrow.splitlines())) <= 48  # a long word of a help text may go beyond
    words = re.findall(r"^│ +\*? *(--[a-z-]+|[a-z]{3,})\b", wide, re.MULTILINE)
    assert len(words) > 2
    assert [word for word in words if not re.search(rf"(?<![\w-]){word}(?![\w-])", narrow)] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("_heeding_interrupts")
def test_a_signal_at_any_instant_ends_the_command_in_one_line(number: signal.Signals):
    resource = pytest.importorskip("resource", reason="measures processor time as POSIX does")

    def processor_seconds() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    command = [*COMMAND, "transcribe", str(SAMPLES / "help.flac")]
    started, used = time.monotonic(), processor_seconds()
    subprocess.run(command, capture_output=True, check=True)
    seconds, work = time.monotonic() - started, processor_seconds() - used
    rng = random.Random(number)
    for _ in range(8):
        delay, used = rng.uniform(0.1 * seconds, seconds), processor_seconds()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(delay)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=60)
        if process.returncode < 0:  # the interpreter itself had not started yet
            # Not by the clock: on a busy machine a process may wait long before it begins.
            assert (stdout, processor_seconds() - used < 0.3 * work) == ("", True)
        elif process.returncode == 0:  # it was done
            assert stdout == "help\n"
        else:  # perhaps after the text was written, but before the end
            assert process.returncode == 130, stderr
            assert stdout in ("", "help\n")
            *reported, last = stderr.splitlines()
            assert last.startswith("stopped: ")
            assert not reported or stdout  # of the recording whose text was written


@pytest.mark.usefixtures("_heeding_interrupts")
def test_a_signal_while_a_command_works_ends_it_in_one_line(tmp_path: Path):
    (tmp_path / "text").write_text("a b c d e f g\n" * 300_000)
    command = [*COMMAND, "lm", "estimate", str(tmp_path / "text"), "-o", str(tmp_path / "out" / "lm.arpa")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("asr-lm-*/*")):  # a folder that was only just made may be left behind
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    *reported, last = stderr.splitlines()
    assert (process.returncode, last) == (130, "stopped: the command was interrupted")
    # What came before: a warning, and where no test has called them yet, that functions are compiled
    assert all(
        line.startswith(("2-grams: too little text", "3-grams: too little text", "compiling the ")) for line in reported
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "text"]
