"""Which recordings are meant, and where each one's outputs go."""

import io
import os
import sys
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from asr.errors import AsrError, AudioError
from asr.jobs.inputs import Inputs, _allowed_name, find_recordings
from asr.signal.audio import load_audio


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def find(*paths: object, **inputs: object) -> tuple[list[str], list[str]]:
    """Sources and errors, as text."""
    recordings, errors = find_recordings(Inputs([str(path) for path in paths], **inputs))
    return [str(recording.source) for recording in recordings], [str(error) for error in errors]


def names(*paths: object) -> list[str]:
    return [recording.name for recording in find_recordings(Inputs([str(path) for path in paths]))[0]]


def test_waiting_for_standard_input_ends_when_it_is_stopped(monkeypatch: pytest.MonkeyPatch):
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as pipe, os.fdopen(write_end, "wb", buffering=0) as sender:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=pipe, isatty=lambda: False))
        ((recording,), _) = find_recordings(Inputs(["-"]))
        sender.write(b"RIFF")
        assert recording.source.read(100) == b"RIFF"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(recording.source.read, 100)
            time.sleep(0.05)
            assert not waiting.done()
            recording.source.stop()
            with pytest.raises(AudioError, match="stdin: reading was stopped"):
                waiting.result(timeout=10)


def give_stdin(monkeypatch: pytest.MonkeyPatch, content: bytes, *, is_keyboard: bool = False) -> None:
    stdin = SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: is_keyboard)
    monkeypatch.setattr(sys, "stdin", stdin)


def test_folders_are_searched_and_files_taken_as_they_are():
    for path in ("in/b/x.WAV", "in/a.opus", "in/notes.txt", "in/.hidden.wav", "in/.git/x.wav", "odd.bin"):
        touch(Path(path))
    os.mkfifo("in/pipe.wav")
    assert find("odd.bin", "in", "in/a.opus") == (["odd.bin", "in/a.opus", "in/b/x.WAV"], [])


def test_each_recording_comes_once_however_it_is_spelled(here: Path):
    touch(Path("in/x.wav"))
    Path("list").write_text("in/x.wav\n")
    assert find("in/x.wav", here / "in" / "x.wav", "in/../in", "in/*.wav", list_file="list") == (["in/x.wav"], [])


def test_a_folder_without_audio_is_reported_once_and_missing_or_odd_paths_are_left_to_the_reader(here: Path):
    Path("empty.wav").mkdir()
    Path("broken.wav").symlink_to("nowhere")
    touch(Path("in/good.wav"))
    Path("in/broken.wav").symlink_to("nowhere")
    too_long = "a" * 300 + ".wav"  # stat fails with ENAMETOOLONG
    sources, errors = find("empty.wav", "empty.wav", "none.wav", "broken.wav", too_long, "in")
    assert sources == ["none.wav", "broken.wav", too_long, "in/broken.wav", "in/good.wav"]
    assert len(errors) == 1
    assert errors[0].startswith("empty.wav: a folder without audio; looked for")
    assert ".flac" in errors[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_an_inner_folder_that_cannot_be_listed_is_reported():
    touch(Path("in/good.wav"))
    touch(Path("in/closed/x.wav"))
    Path("in/closed").chmod(0)
    assert find("in") == (["in/good.wav"], ["in/closed: this folder cannot be read: Permission denied"])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a/*.wav", ["a/x.wav"]),
        ("a/*", ["a/b/y.flac", "a/x.wav"]),  # a folder that matches is searched; texts are not recordings
        ("**/*.wav", ["a/x.wav", "c/x.wav"]),
        ("a/**", ["a/b/y.flac", "a/x.wav"]),
        ("a/*.bin", ["a/z.bin"]),  # unless the pattern asks for them
        ("[ac]/x.wav", ["a/x.wav", "c/x.wav"]),
        ("a/[b].mp3", ["a/[b].mp3"]),  # a file that has this very name
    ],
)
def test_globs_are_expanded(pattern: str, expected: list[str]):
    for path in ("a/x.wav", "a/b/y.flac", "a/z.bin", "a/notes.txt", "c/x.wav"):
        touch(Path(path))
    if "mp3" in pattern:
        touch(Path("a/[b].mp3"))
    sources, errors = find(pattern)
    assert (sorted(sources), errors) == (expected, [])


def test_a_glob_that_matches_nothing_is_reported():
    assert find("*.wav") == ([], ["*.wav: no recording matches; check the pattern and the current folder"])


def test_a_list_holds_paths_folders_globs_and_remarks(monkeypatch: pytest.MonkeyPatch):
    for path in ("one.wav", "in/two.wav", "three.mp3"):
        touch(Path(path))
    content = "\ufeff# a remark\r\n\r\n  one.wav  \r\nin\r\n*.mp3\r\n".encode()
    Path("list").write_bytes(content)
    assert find("three.mp3", list_file="list") == (["three.mp3", "one.wav", "in/two.wav"], [])
    give_stdin(monkeypatch, content)
    assert find(list_file="-") == (["one.wav", "in/two.wav", "three.mp3"], [])


def test_a_list_may_name_files_whose_names_are_no_text():
    name = os.fsdecode(b"caf\xe9.wav")
    Path("list").write_bytes(b"caf\xe9.wav\n")
    assert find(list_file="list") == ([name], [])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["in"], ["a/x", "b/x"]),  # below the one folder
        (["in/a", "in/b"], ["a/x", "b/x"]),  # below what they have in common
        (["in/a/x.wav"], ["x"]),
        (["in/a/x.wav", "in/b/x.flac"], ["a/x", "b/x"]),
        (["in/*/x.*"], ["a/x", "b/x"]),
        (["in/b", "other"], ["in/b/x", "other/y.wav", "other/y.wav.mp3", "other/Y.ogg"]),
        (["other"], ["y.wav", "y.wav.mp3", "Y.ogg"]),
    ],
)
def test_outputs_keep_folders_and_never_collide(given: list[str], expected: list[str]):
    for path in ("in/a/x.wav", "in/b/x.flac", "other/y.wav", "other/Y.ogg", "other/y.wav.mp3"):
        touch(Path(path))
    assert sorted(names(*given)) == sorted(expected)


def test_names_do_not_change_when_a_missing_recording_turns_up():
    touch(Path("a/x.wav"))
    before = names("a/x.wav", "b/x.wav", "c/*.wav")
    touch(Path("b/x.wav"))
    touch(Path("c/x.wav"))
    assert before == ["a/x", "b/x"]
    assert names("a/x.wav", "b/x.wav", "c/*.wav") == ["a/x", "b/x", "c/x"]


def test_standard_input_is_a_recording_of_any_kind_or_raw_samples(monkeypatch: pytest.MonkeyPatch):
    samples = (1000 * np.sin(np.arange(16000) / 10)).astype("<i2")
    give_stdin(monkeypatch, samples.tobytes() + b"\x01")
    recordings, _ = find_recordings(Inputs(["-", "-"], rate=16000))
    assert [recording.name for recording in recordings] == ["stdin"]
    np.testing.assert_allclose(load_audio(recordings[0].source), samples / 32768, atol=1e-6)
    whole = io.BytesIO()
    soundfile.write(whole, samples, 16000, format="FLAC")
    give_stdin(monkeypatch, whole.getvalue())
    (flac,), _ = find_recordings(Inputs(["-"]))
    np.testing.assert_allclose(load_audio(flac.source), samples / 32768, atol=1e-6)
    give_stdin(monkeypatch, samples.tobytes())
    (stereo,), _ = find_recordings(Inputs(["-"], rate=8000, channels=2))
    assert len(load_audio(stereo.source)) == 16000
    give_stdin(monkeypatch, whole.getvalue())
    (mistaken,), _ = find_recordings(Inputs(["-"], rate=16000))
    with pytest.raises(AudioError, match="not raw samples, but a format with a header; leave out the sample rate"):
        load_audio(mistaken.source)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (Inputs([]), "nothing to transcribe"),
        (Inputs([], list_file="nowhere"), "nowhere: cannot be read: No such file"),
        (Inputs(["-"], list_file="-"), "cannot be both"),
        (Inputs(["x.wav"], rate=8000), "a sample rate and channels describe raw audio"),
        (Inputs(["-"], channels=2), "give its sample rate"),
    ],
)
def test_options_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, reason: str):
    give_stdin(monkeypatch, b"")
    with pytest.raises(AsrError, match=reason):
        find_recordings(inputs)


def test_a_keyboard_is_no_recording(monkeypatch: pytest.MonkeyPatch):
    give_stdin(monkeypatch, b"", is_keyboard=True)
    with pytest.raises(AsrError, match="keyboard"):
        find_recordings(Inputs(["-"]))


@pytest.mark.parametrize(
    ("files", "outputs"),
    [
        (["a.wav", "A.wav"], {"a.wav", "A.wav-2"}),  # differ on this file system, not on others
        (["\u00e9.wav", "e\u0301.flac"], {"\u00e9.wav", "e\u0301.flac"}),
        (["con.wav", "nul.wav"], {"con", "nul"}),
    ],
)
def test_outputs_do_not_meet_on_file_systems_that_ignore_case_and_composition(files, outputs):
    for name in files:
        touch(Path("in") / name)
    if len(list(Path("in").iterdir())) < len(files):
        pytest.skip("needs a file system that distinguishes these names")
    found = set(names(*(Path("in") / name for name in files)))
    assert {name.casefold() for name in found} == {name.casefold() for name in outputs}
    assert len({unicodedata.normalize("NFC", name).casefold() for name in found}) == len(files)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("con", "con_"), ("talks/NUL.wav", "talks/NUL_.wav"), ("com1.a.b", "com1_.a.b"), ("console", "console")],
)
def test_windows_gets_no_names_of_devices(name: str, allowed: str):
    assert _allowed_name(name, "nt") == allowed
    assert _allowed_name(name, "posix") == name


def test_closed_standard_input_is_no_recording(monkeypatch: pytest.MonkeyPatch):
    for inputs in (Inputs(["-"]), Inputs([], "-")):
        monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(AsrError, match="standard input is closed"):
            find_recordings(inputs)
