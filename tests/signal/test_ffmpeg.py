"""The ffmpeg program as a decoder: what it says, what it leaves out, and that it does not linger."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr.errors import AudioError
from asr.signal.audio import audio_duration, load_audio, stream_audio

RATE = 16000
pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")


def make(path: Path, *options: str) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *options, str(path)], check=True)
    return path


TONE = ["-f", "lavfi", "-i", "sine=f=440:r=48000:d=3"]
PICTURE = ["-f", "lavfi", "-i", "testsrc=d=3:r=5:s=64x64"]


def test_the_sound_of_a_film_is_read(tmp_path: Path):
    path = make(tmp_path / "film.mp4", *PICTURE, *TONE)
    waveform = load_audio(path)
    assert len(waveform) / RATE == pytest.approx(audio_duration(path), abs=0.1)
    spectrum = np.abs(np.fft.rfft(waveform[RATE : 2 * RATE]))
    assert spectrum.argmax() == 440  # one second, so a bin is one hertz


def test_a_film_without_sound_is_refused(tmp_path: Path):
    with pytest.raises(AudioError, match=r"silent\.mp4: .*no audio track"):
        load_audio(make(tmp_path / "silent.mp4", *PICTURE))


def test_a_cut_m4a_is_an_error_whether_its_index_comes_first_or_last(tmp_path: Path):
    for name, flags in (("last.m4a", []), ("first.m4a", ["-movflags", "faststart"])):
        content = make(tmp_path / name, *TONE, *flags).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) * 6 // 10])
        with pytest.raises(AudioError, match=rf"{name}: ") as caught:
            load_audio(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1
        assert " @ 0x" not in str(caught.value)


def test_a_playlist_reaches_no_network(tmp_path: Path):
    path = tmp_path / "list.m3u8"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n")
        with pytest.raises(AudioError, match=r"list\.m3u8: "):
            load_audio(path)
        with pytest.raises(BlockingIOError):
            server.accept()  # nobody called


@pytest.mark.parametrize("name", ["-i.m4a", "a:b.m4a", "ä 'b'.m4a", "%d.m4a"])
def test_odd_names_are_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    make(tmp_path / "plain.m4a", *TONE).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(load_audio(name)) == pytest.approx(3 * RATE, abs=RATE / 10)


def test_whoever_stops_early_leaves_no_ffmpeg_behind(tmp_path: Path):
    path = make(tmp_path / "long.mkv", "-f", "lavfi", "-i", "sine=r=16000:d=300", "-c:a", "pcm_s16le")
    blocks = stream_audio(path, block_seconds=1.0)
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # no child is left, neither running nor waiting to be reaped


@pytest.mark.skipif(sys.platform == "win32", reason="needs /dev/stdin")
@pytest.mark.parametrize("name", ["a.flac", "a.m4a"])
def test_a_pipe_is_read_as_a_file_is(tmp_path: Path, name: str):
    path = make(tmp_path / name, *TONE)
    code = "from asr.signal.audio import load_audio; print(len(load_audio('/dev/stdin')))"
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
        result = subprocess.run([sys.executable, "-c", code], stdin=cat.stdout, capture_output=True, check=True)
    assert int(result.stdout) == len(load_audio(path))
