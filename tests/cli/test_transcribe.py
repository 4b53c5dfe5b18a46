"""`asr transcribe` as people run it on a pile of recordings, killed and continued; real processes, real files."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import webvtt

from tests.cli.test_app import run

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "recipes" / "an4" / "samples"
COMMAND = [sys.executable, "-m", "asr", "transcribe"]
RATE = 16000


def transcribe(*arguments: object, **options: object) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, timeout=300, **options)


def start(*arguments: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def expected_texts() -> dict[str, str]:
    lines = (SAMPLES / "transcripts.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def read_sample(name: str) -> np.ndarray:
    return soundfile.read(SAMPLES / f"{name}.flac", dtype="float32")[0]


def write_good_files(folder: Path, count: int) -> dict[str, str]:
    """Copies and variations of the samples in folders of their own: where each text is due, and the text."""
    texts = expected_texts()
    due = {}
    for number in range(count):
        name = sorted(texts)[number % len(texts)]
        path = folder / f"part{number // 50}" / f"{name}{number}{('.flac', '.wav')[number % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".flac":
            shutil.copy(SAMPLES / f"{name}.flac", path)
        else:
            soundfile.write(path, 0.9 * read_sample(name), RATE, subtype=("PCM_16", "FLOAT")[number // 2 % 2])
        due[str(path.relative_to(folder).with_suffix(""))] = texts[name]
    return due


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])


def write_header(path: Path, *, rate: int = RATE, channels: int = 1, bits: int = 16) -> None:
    """A WAV file with a second of samples whose header says what no recording is like."""
    soundfile.write(path, np.zeros(RATE, np.int16), RATE)
    content = bytearray(path.read_bytes())
    content[22:24] = channels.to_bytes(2, "little")
    content[24:28] = rate.to_bytes(4, "little")
    content[34:36] = bits.to_bytes(2, "little")
    path.write_bytes(content)


def write_bad_files(folder: Path) -> list[Path]:
    """One file of each kind that cannot be transcribed, 25 in all where nothing is missing."""
    folder.mkdir(parents=True)
    speech = np.tile(read_sample("number"), 5)
    noise = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    (folder / "empty.wav").touch()
    (folder / "empty.mp3").touch()
    (folder / "text.wav").write_text("this is no sound\n" * 50)
    (folder / "text.flac").write_text("nor is this\n" * 50)
    (folder / "noise.ogg").write_bytes(np.random.default_rng(1).bytes(5000))
    (folder / "zeros.wav").write_bytes(bytes(5000))
    (folder / "riff.wav").write_bytes(b"RIFF\x24\x00\x00\x00WAVE")
    (folder / "page.mp3").write_text("<!doctype html><title>404</title>" * 20)
    for name in ("header.wav", "header.flac"):
        soundfile.write(folder / name, np.zeros(0, np.float32), RATE)
    for name in ("cut.flac", "cut.wav", "cut.ogg", "cut.mp3"):
        soundfile.write(folder / name, speech, RATE)
        cut(folder / name)
    soundfile.write(folder / "cut.aiff", speech, RATE)
    (folder / "cut.aiff").write_bytes((folder / "cut.aiff").read_bytes()[:30])
    soundfile.write(folder / "sample.wav", np.zeros(1, np.float32), RATE)
    soundfile.write(folder / "short.flac", np.zeros(100, np.float32), RATE)
    for name, value in (("nan.wav", np.nan), ("inf.wav", np.inf), ("huge.wav", 1e6)):
        spoiled = np.where(np.arange(RATE) == 7000, value, noise).astype(np.float32)
        soundfile.write(folder / name, spoiled, RATE, subtype="FLOAT")
    write_header(folder / "channels.wav", channels=0)
    write_header(folder / "rate.wav", rate=0)
    write_header(folder / "bits.wav", bits=77)
    (folder / "link.wav").symlink_to("nowhere.wav")
    if shutil.which("ffmpeg"):
        film = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=d=1:s=64x64", folder / "silent.mp4"]
        subprocess.run([str(part) for part in film], check=True)
    else:
        (folder / "silent.mp4").write_bytes(bytes(100))
    return sorted(folder.iterdir())


def wait_until_written(folder: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 200
    while len(list(folder.rglob("*.txt"))) < count:
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def kill_and_continue(folder: Path, good: int) -> None:
    due = write_good_files(folder / "in", good)
    bad = write_bad_files(folder / "in" / "bad")
    empty, missing, odd = folder / "empty", folder / "in" / "missing.wav", folder / "folder.wav"
    empty.mkdir()
    odd.mkdir()
    job = [folder / "in", empty, missing, odd, "-f", "json,txt,vtt", "-o", folder / "out"]

    first = start(*job)
    wait_until_written(folder / "out", good // 2, first)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    survivors = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("[!.]*.json")}
    finished = [path for path in survivors if path.with_suffix(".vtt").exists()]
    assert 0 < len(finished) < good

    second = transcribe(*job, "--skip-existing")
    messages = second.stderr.decode().splitlines()
    assert second.returncode == 1, messages
    assert not any("Traceback" in line for line in messages)
    for path in (*bad, empty, missing, odd):
        assert len([line for line in messages if line.startswith(f"failed: {path}: ")]) == 1, (path, messages)
    assert len([line for line in messages if line.startswith("failed: ")]) == len(bad) + 3
    assert f"{good + len(bad) + 3} files, " in messages[-1]
    assert f"skipped, {len(bad) + 3} failed" in messages[-1]
    # Those that were complete were left alone, and nothing but whole outputs of good recordings is there.
    complete = {path: then for path, then in survivors.items() if path in finished}
    assert {path: path.stat().st_mtime_ns for path in complete} == complete
    outputs = {str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*") if path.is_file()}
    assert outputs == {f"in/{name}.{suffix}" for name in due for suffix in ("json", "txt", "vtt")}
    for name, text in due.items():
        assert (folder / "out" / "in" / f"{name}.txt").read_text() == f"{text}\n", name
        assert json.loads((folder / "out" / "in" / f"{name}.json").read_text())["text"] == text
        cues = webvtt.read(str(folder / "out" / "in" / f"{name}.vtt"))
        assert " ".join(cue.text for cue in cues).split() == text.split()


def test_a_killed_job_goes_on_where_it_was(tmp_path: Path):
    kill_and_continue(tmp_path, good=40)


@pytest.mark.slow
def test_a_killed_job_of_500_files_goes_on_where_it_was(tmp_path: Path):
    kill_and_continue(tmp_path, good=472)


@pytest.mark.usefixtures("_heeding_interrupts")
def test_a_stopped_job_says_how_to_go_on(tmp_path: Path):
    write_good_files(tmp_path / "in", 120)
    process = start(tmp_path / "in", "-o", tmp_path / "out")
    wait_until_written(tmp_path / "out", 1, process)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130, messages
    assert b"Traceback" not in messages
    assert b"of 120 recordings are done; to continue, add --skip-existing" in b" ".join(messages.split())
    assert list((tmp_path / "out").rglob(".partial-*")) == []


def test_one_signal_stops_a_job_that_waits_for_more_on_standard_input(tmp_path: Path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [*COMMAND, "-", "--rate", "16000"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        try:
            process.stdin.write(bytes(200_000))
            process.stdin.flush()
            deadline = time.monotonic() + 120
            while not [path for path in tmp_path.glob("asr-*/stream") if path.stat().st_size]:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 130  # with its standard input still open
        finally:
            process.kill()
        assert b"0 of 1 recordings are done" in process.stderr.read()
    assert list(tmp_path.iterdir()) == []


def test_raw_samples_on_standard_input_are_transcribed():
    raw = (read_sample("code") * 32767).astype("<i2").tobytes()
    messages = transcribe("-", "--rate", RATE, "--format", "json", input=raw)
    result = json.loads(messages.stdout)
    assert (result["file"], result["text"]) == ("stdin", expected_texts()["code"])


def test_a_list_on_standard_input_and_a_quoted_glob_are_expanded(monkeypatch: pytest.MonkeyPatch):
    listed = io.BytesIO(f"# one more\n{SAMPLES}/code.flac\n".encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(listed))
    messages = run("transcribe", f"{SAMPLES}/**/h*.flac", "--list", "-")
    assert [line.split("\t")[1] for line in messages.stdout.splitlines()] == ["help", expected_texts()["code"]]


def without_announcements(messages: bytes) -> bytes:
    """What was messages, but for the line that excuses a slow first use of compiled code."""
    return b"".join(line for line in messages.splitlines(keepends=True) if not line.startswith(b"compiling"))


def test_a_reader_that_has_seen_enough_gets_no_complaints():
    process = start(SAMPLES)
    process.stdout.close()
    assert without_announcements(process.stderr.read()) == b""
    assert process.wait() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_reported_in_a_line():
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        messages = subprocess.run([*COMMAND, SAMPLES], stdout=full, stderr=subprocess.PIPE, timeout=100)
    assert messages.returncode == 1
    expected = b"error: standard output cannot be written to: No space left on device\n"
    assert without_announcements(messages.stderr) == expected


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_recording_that_may_not_be_read_is_reported(tmp_path: Path):
    shutil.copy(SAMPLES / "help.flac", tmp_path / "help.flac")
    (tmp_path / "help.flac").chmod(0)
    messages = transcribe(tmp_path)
    assert messages.returncode == 1
    assert b"no permission to read it" in messages.stderr


def test_the_sides_of_a_call_are_apart_and_warnings_go_to_standard_error_and_json(tmp_path: Path):
    texts = expected_texts()
    sides = [read_sample(name) for name in ("code", "date")]
    call = np.zeros((max(map(len, sides)), 2), np.float32)
    for channel, side in enumerate(sides):
        call[: len(side), channel] = (1.0, 1e-3)[channel] * side
    soundfile.write(tmp_path / "call.wav", call, RATE, subtype="PCM_16")
    result = transcribe(tmp_path / "call.wav", "--channel", "each", "-f", "json")
    assert result.returncode == 0
    transcript = json.loads(result.stdout)
    recognised = " ".join(segment["text"] for segment in transcript["segments"] if segment["channel"] == 0)
    assert recognised == texts["code"]
    (warning,) = [text for text in transcript["warnings"] if text.startswith("channel 1: nearly silent")]
    assert f"{tmp_path / 'call.wav'}: {warning}".encode() in result.stderr
    assert transcribe(tmp_path / "call.wav", "--channel", "0").stdout.decode().endswith(f"{texts['code']}\n")
    for choice, reason in (("2", b"has no channel 2"), ("left", b"--channel left: expected mix, each")):
        result = transcribe(tmp_path / "call.wav", "--channel", choice)
        assert (result.returncode, reason in result.stderr) == (1, True)


def test_no_library_writes_to_the_terminal(tmp_path: Path):
    file = io.BytesIO()
    soundfile.write(file, np.tile(read_sample("code"), 3), RATE, format="MP3", bitrate_mode="VARIABLE")
    content = bytearray(file.getvalue())
    for start in range(2000, len(content), 700):  # inside frames, whose headers stay
        content[start] ^= 255
    (tmp_path / "a.mp3").write_bytes(content + content[5000:9000])
    result = transcribe(tmp_path / "a.mp3")
    lines = result.stderr.decode().splitlines()
    assert all(line.startswith(("1 file", f"{tmp_path}", "compiling", "failed: ")) for line in lines), lines
