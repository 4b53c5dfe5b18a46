"""What files say of their own length, against files that were cut, joined or streamed on purpose."""

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AudioError
from asr.signal.audio import audio_duration, load_audio
from asr.signal.containers import missing_wav_seconds, mp3_extent, ogg_breaks_off, unread_mp3_seconds

RATE = 16000
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")


def encode(seconds: float, format_: str, subtype: str | None = None) -> bytes:
    samples = 0.1 * np.random.default_rng(0).standard_normal(int(seconds * RATE)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=format_, subtype=subtype)
    return file.getvalue()


def ffmpeg(path: Path, *options: str) -> Path:
    """Encode three seconds of a tone."""
    source = ["-f", "lavfi", "-i", "sine=f=440:r=16000:d=3"]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *source, *options, str(path)], check=True)
    return path


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
def test_a_wav_misses_as_many_seconds_as_were_cut(subtype: str):
    whole = encode(2.0, "WAV", subtype)
    bytes_per_second = RATE * {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4, "ULAW": 1}[subtype]
    assert missing_wav_seconds(io.BytesIO(whole)) == 0
    cut = whole[: len(whole) - bytes_per_second // 2]
    # Float files end in a chunk of their own, which is cut first.
    assert missing_wav_seconds(io.BytesIO(cut)) == pytest.approx(0.5, abs=0.002)


def test_every_cut_of_an_ogg_file_but_those_between_pages_shows():
    whole = encode(3.0, "OGG", "VORBIS")
    starts = {at for at in range(len(whole)) if whole.startswith(b"OggS", at)} | {len(whole)}
    assert len(starts) > 3
    # A cut in the four letters that begin a page leaves nothing to tell it by.
    unseen = {start + few for start in starts for few in range(4)}
    for length in range(4, len(whole), 7):
        assert ogg_breaks_off(io.BytesIO(whole[:length])) == (length not in unseen), length
    assert not ogg_breaks_off(io.BytesIO(whole))


def test_an_mp3_declares_its_bytes_behind_whatever_tag():
    whole = encode(3.0, "MP3")
    tag = b"ID3\4\0\0" + bytes([0, 0, 2, 44]) + bytes(300)  # 2 * 128 + 44 bytes
    assert mp3_extent(io.BytesIO(whole)) == (len(whole), len(whole))
    assert mp3_extent(io.BytesIO(tag + whole)) == (len(whole), len(whole))
    assert mp3_extent(io.BytesIO(encode(3.0, "WAV"))) is None
    assert mp3_extent(io.BytesIO(b"")) is None


def test_what_follows_an_mp3_is_not_taken_for_audio_when_it_is_a_tag():
    file = io.BytesIO(bytes(3000))
    file.seek(1000)
    assert unread_mp3_seconds(file, 5.0) == pytest.approx(10.0)
    tagged = io.BytesIO(bytes(2900) + b"APETAGEX" + bytes(92))
    tagged.seek(1000)
    assert unread_mp3_seconds(tagged, 5.0) == 0


def test_a_truncated_mp3_is_reported_before_any_of_it_is_read(tmp_path: Path):
    whole = encode(3.0, "MP3")
    (tmp_path / "cut.mp3").write_bytes(whole[: len(whole) // 2])
    message = rf"cut\.mp3: cut off: it has {len(whole) // 2} of the {len(whole)} bytes"
    with pytest.raises(AudioError, match=message):
        audio_duration(tmp_path / "cut.mp3")


@needs_ffmpeg
def test_joined_mp3_files_are_read_to_the_last(tmp_path: Path):
    (tmp_path / "joined.mp3").write_bytes(2 * encode(3.0, "MP3"))
    assert len(load_audio(tmp_path / "joined.mp3")) / RATE == pytest.approx(6.0, abs=0.2)
    assert audio_duration(tmp_path / "joined.mp3") == pytest.approx(6.0, abs=0.2)


def test_joined_mp3_files_are_refused_without_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "joined.mp3").write_bytes(2 * encode(3.0, "MP3"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match=r"joined\.mp3: declares 3\.0 s of audio but is longer"):
        load_audio(tmp_path / "joined.mp3")


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.opus", "a.webm"])
def test_streamed_files_that_declare_no_length_are_read_to_the_end(tmp_path: Path, name: str):
    kind = {"opus": "ogg"}.get(name[2:], name[2:])
    codec = ["-c:a", "libopus"] if name in ("a.opus", "a.webm") else []
    written = subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=f=440:r=16000:d=3", *codec, "-f", kind, "-"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    ).stdout  # a pipe, so that the header cannot be mended afterwards
    (tmp_path / name).write_bytes(written)
    assert len(load_audio(tmp_path / name)) / RATE == pytest.approx(3.0, abs=0.05)
    assert audio_duration(tmp_path / name) == pytest.approx(3.0, abs=0.05)


@needs_ffmpeg
@pytest.mark.parametrize("rate", [["-b:a", "32k"], ["-q:a", "5"]])
def test_an_mp3_without_a_length_header_keeps_its_end(tmp_path: Path, rate: list[str]):
    path = ffmpeg(tmp_path / "a.mp3", "-write_xing", "0", *rate)
    with path.open("rb") as file:
        assert mp3_extent(file) is None
    assert len(load_audio(path)) / RATE == pytest.approx(3.0, abs=0.1)
    assert audio_duration(path) == pytest.approx(3.0, abs=0.1)
