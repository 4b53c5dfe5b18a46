"""Files whose headers say too little, too much or nothing, against the samples that were written."""

import io
import os
import shutil
import struct
import subprocess
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AudioError
from asr.signal.audio import AudioWarning, audio_duration, describe_audio, load_audio
from asr.signal.containers.find import find_layout
from asr.signal.containers.layout import FileView, SpanFile
from asr.signal.containers.ogg import page_checksum
from asr.signal.libsndfile import quiet_stderr

RATE = 16000
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * RATE)).astype(np.float32)


def encode(seconds: float, format_: str, subtype: str | None = None, rate: int = RATE, **options: object) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, noise(seconds), rate, format=format_, subtype=subtype, **options)
    return file.getvalue()


def ffmpeg(path: Path, *options: str) -> Path:
    """Encode three seconds of a tone."""
    source = ["-f", "lavfi", "-i", "sine=f=440:r=16000:d=3"]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *source, *options, str(path)], check=True)
    return path


def save(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def change(content: bytes, label: bytes, gap: int, value: bytes) -> bytes:
    """Overwrite what stands `gap` bytes behind a label."""
    start = content.index(label) + len(label) + gap
    return content[:start] + value + content[start + len(value) :]


# Where a container declares how much sound it has: a label, bytes between, and the layout of the size.
SIZES = {
    "WAV": (b"data", 0, "<I"),
    "WAVEX": (b"data", 0, "<I"),
    "RF64": (b"ds64", 12, "<Q"),
    "W64": (b"data", 12, "<Q"),
    "AIFF": (b"SSND", 0, ">I"),
    "AU": (b".snd", 4, ">I"),
    "CAF": (b"data", 0, ">q"),
}


@pytest.mark.parametrize("format_", SIZES)
@pytest.mark.parametrize("size", ["zero", "open", "small"])
def test_all_samples_are_read_whatever_size_is_declared(tmp_path: Path, format_: str, size: str):
    label, gap, layout = SIZES[format_]
    largest = -1 if format_ == "CAF" else 2 ** (8 * struct.calcsize(layout)) - 1
    value = struct.pack(layout, {"zero": 0, "open": largest, "small": 20_000}[size])
    content = change(encode(2.0, format_, "PCM_16"), label, gap, value)
    if format_ == "AIFF":  # declares the length twice
        content = change(content, b"COMM", 6, struct.pack(">I", {"zero": 0, "open": 0xFFFFFFFF, "small": 9000}[size]))
    path, notes = save(tmp_path / "a", content), []
    np.testing.assert_allclose(load_audio(path, on_warning=notes.append), noise(2.0), atol=1e-4)
    assert audio_duration(path) == 2.0
    assert ["all are read" in note for note in notes] == ([True] if size == "small" else [])


@pytest.mark.parametrize("format_", [*SIZES, "NIST"])
def test_a_file_that_breaks_off_says_how_much_is_missing(tmp_path: Path, format_: str):
    content = encode(4.0, format_, "PCM_16")
    path = save(tmp_path / "a", content[: -3 * RATE])  # 1.5 s
    for read in (load_audio, audio_duration):
        with pytest.raises(AudioError, match=r"cut off: 1\.5 s of audio are missing"):
            read(path)


@pytest.mark.parametrize("chunk", [b"LIST", b"id3 ", b"zzzz"])
def test_chunks_after_the_samples_are_no_sound(tmp_path: Path, chunk: bytes):
    content = encode(1.0, "WAV", "PCM_16") + chunk + struct.pack("<I", 9000) + bytes(range(250)) * 36
    notes: list[str] = []
    assert len(load_audio(save(tmp_path / "a.wav", content), on_warning=notes.append)) == RATE
    assert notes == []


def test_random_bytes_after_the_samples_are_left_out_and_reported(tmp_path: Path):
    content = encode(1.0, "WAV", "PCM_16") + np.random.default_rng(0).bytes(20_000)
    notes: list[str] = []
    assert len(load_audio(save(tmp_path / "a.wav", content), on_warning=notes.append)) == RATE
    assert "left out as no sound" in notes[0]


def test_a_wav_file_of_broadcasters_is_read_beyond_four_gigabytes_sizes(tmp_path: Path):
    content = b"BW64" + encode(1.0, "RF64", "PCM_16")[4:]
    np.testing.assert_allclose(load_audio(save(tmp_path / "a.wav", content)), noise(1.0), atol=1e-4)


def test_what_was_read_otherwise_is_a_warning_of_python_unless_the_caller_takes_it(tmp_path: Path):
    content = change(encode(2.0, "WAV", "PCM_16"), b"data", 0, struct.pack("<I", 20_000))
    with pytest.warns(AudioWarning, match=r"declares 0\.6 s of audio, but 2\.0 s are there"):
        load_audio(save(tmp_path / "a.wav", content))


@pytest.mark.parametrize("declared", [0, 8000, RATE * 2])
def test_a_flac_file_is_read_to_its_last_frame(tmp_path: Path, declared: int):
    content = encode(2.0, "FLAC", "PCM_16")
    bits = int.from_bytes(content[18:26], "big") >> 36 << 36 | declared
    path = save(tmp_path / "a.flac", content[:18] + bits.to_bytes(8, "big") + content[26:])
    notes: list[str] = []
    np.testing.assert_allclose(load_audio(path, on_warning=notes.append), noise(2.0), atol=1e-4)
    assert describe_audio(path)[:3] == (RATE, 1, 2.0)
    assert len(notes) == (declared == 8000)


def test_joined_flac_files_are_read_to_the_last(tmp_path: Path):
    content = encode(2.0, "FLAC", "PCM_16")
    path = save(tmp_path / "a.flac", content + content)
    np.testing.assert_allclose(load_audio(path), np.tile(noise(2.0), 2), atol=1e-4)
    assert audio_duration(path) == 4.0


def test_all_streams_of_a_chained_ogg_file_are_read(tmp_path: Path):
    parts = [encode(1.0, "OGG", "VORBIS"), encode(2.0, "OGG", "OPUS"), encode(1.5, "OGG", "VORBIS", rate=8000)]
    path = save(tmp_path / "a.ogg", b"".join(parts))
    assert audio_duration(path) == pytest.approx(1.0 + 2.0 + 3.0, abs=0.01)  # the last is played half as fast
    assert len(load_audio(path)) / RATE == pytest.approx(6.0, abs=0.01)


def test_the_checksum_of_ogg_pages_is_libogg_s():
    content = encode(1.0, "OGG", "VORBIS")
    starts = [*(at for at in range(len(content)) if content.startswith(b"OggS\0", at)), len(content)]
    assert len(starts) > 3
    for start, end in pairwise(starts):
        page = content[start:end]
        assert page_checksum(page) == struct.unpack("<I", page[22:26])[0]


def test_a_damaged_page_of_ogg_is_reported_with_its_length(tmp_path: Path):
    content = bytearray(encode(8.0, "OGG", "VORBIS"))
    starts = [at for at in range(len(content)) if content.startswith(b"OggS\0", at)]
    content[starts[4] + 300] ^= 255
    granules = [struct.unpack("<Q", content[start + 6 : start + 14])[0] for start in starts[3:5]]
    notes: list[str] = []
    load_audio(save(tmp_path / "a.ogg", bytes(content)), on_warning=notes.append)
    assert len(notes) == 1
    assert float(notes[0].split()[1]) == pytest.approx((granules[1] - granules[0]) / RATE, abs=0.2)


def test_every_cut_of_an_ogg_file_but_those_between_pages_is_an_error(tmp_path: Path):
    whole = encode(3.0, "OGG", "VORBIS")
    starts = {at for at in range(len(whole)) if whole.startswith(b"OggS", at)} | {len(whole)}
    assert len(starts) > 3
    # A cut in the four letters that begin a page leaves nothing to tell it by.
    unseen = {start + few for start in starts for few in range(4)}
    for length in set(range(4000, len(whole), 97)) - unseen:
        with pytest.raises(AudioError, match=r"a\.ogg: "):
            audio_duration(save(tmp_path / "a.ogg", whole[:length]))


def strip_first_frame(content: bytes) -> bytes:
    """Cut off the frame that declares the length: the next begins with the same twelve bits."""
    return content[content.index(content[:2], 100) :]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_without_a_length_is_read_to_its_last_frame(tmp_path: Path, mode: str):
    # Loud noise after silence: the first frames are the smallest, so that a guess from them is far too long.
    for waveform in (
        np.concatenate([np.zeros(2 * RATE), noise(2.0)]),
        np.concatenate([noise(2.0), np.zeros(2 * RATE)]),
    ):
        file = io.BytesIO()
        soundfile.write(file, waveform, RATE, format="MP3", bitrate_mode=mode)
        path = save(tmp_path / "a.mp3", strip_first_frame(file.getvalue()))
        assert len(load_audio(path)) / RATE == pytest.approx(4.0, abs=0.15)  # what encoders pad is not trimmed
        assert audio_duration(path) == pytest.approx(4.0, abs=0.15)


ID3 = b"ID3\4\0\0" + bytes([0, 0, 2, 44]) + bytes(300)  # 2 * 128 + 44 bytes
APE = b"APETAGEX" + struct.pack("<II", 2000, 32) + bytes(16) + bytes(2000)


@pytest.mark.parametrize("before", [b"", ID3, ID3 + bytes(1000), b"junk" * 700, ID3 + ID3])
@pytest.mark.parametrize("after", [b"", b"TAG" + bytes(125), APE, bytes(5000), ID3])
def test_tags_and_zeros_around_an_mp3_change_nothing(tmp_path: Path, before: bytes, after: bytes):
    whole = encode(2.0, "MP3")
    expected, notes = load_audio(save(tmp_path / "a.mp3", whole)), []
    waveform = load_audio(save(tmp_path / "b.mp3", before + whole + after), on_warning=notes.append)
    np.testing.assert_allclose(waveform, expected, atol=1e-6)
    assert notes == []


def test_joined_mp3_files_are_read_to_the_last_without_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    whole = encode(3.0, "MP3")
    path = save(tmp_path / "joined.mp3", whole + ID3 + whole + encode(3.0, "MP3", rate=22050))
    expected = 6.0 + 3.0 * RATE / 22050
    assert len(load_audio(path)) / RATE == pytest.approx(expected, abs=0.3)
    assert audio_duration(path) == pytest.approx(expected, abs=0.3)


def test_a_truncated_mp3_is_reported_before_any_of_it_is_read(tmp_path: Path):
    whole = encode(3.0, "MP3")
    path = save(tmp_path / "cut.mp3", whole[: len(whole) // 2])
    with pytest.raises(AudioError, match=r"cut\.mp3: cut off: 1\.\d s of audio are missing"):
        audio_duration(path)


def test_mp3_frames_in_a_wav_file_are_read(tmp_path: Path):
    frames = encode(2.0, "MP3")
    fmt = struct.pack("<HHIIHHH", 0x55, 1, RATE, 4000, 1, 0, 0)
    riff = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(frames)) + frames
    path = save(tmp_path / "a.wav", b"RIFF" + struct.pack("<I", len(riff)) + riff)
    np.testing.assert_allclose(load_audio(path), load_audio(save(tmp_path / "a.mp3", frames)), atol=1e-6)


@pytest.mark.parametrize("format_", ["WAV", "FLAC", "OGG", "AIFF"])
def test_junk_before_a_header_is_skipped(tmp_path: Path, format_: str):
    content = encode(1.0, format_)
    path = save(tmp_path / "a", b"junk" * 100 + content)
    np.testing.assert_allclose(load_audio(path), load_audio(save(tmp_path / "b", content)), atol=1e-6)


def test_random_bytes_are_not_taken_for_mp3():
    for seed in range(20):
        content = np.random.default_rng(seed).bytes(200_000)
        assert find_layout(io.BytesIO(content)) is None
        assert find_layout(io.BytesIO(b"\0\0\0\x20ftypM4A " + content)) is None


def test_a_span_file_reads_as_its_pieces_joined():
    content = bytes(range(256)) * 4
    view = SpanFile(io.BytesIO(content), ((10, 50), b"inserted", (700, 1000)))
    expected = content[10:50] + b"inserted" + content[700:1000]
    assert view.read(10_000) == expected
    for start, count in ((0, 3), (38, 5), (45, 100), (len(expected) - 2, 9)):
        assert view.seek(start) == start
        assert view.read(count) == expected[start : start + count]
    assert view.seek(-5, os.SEEK_END) == len(expected) - 5
    assert view.read(9) == expected[-5:]


def test_a_view_finds_what_lies_across_its_blocks():
    content = bytes((1 << 18) - 2) + b"OggS" + bytes(100)
    view = FileView(io.BytesIO(content))
    assert view.find(b"OggS", 0) == (1 << 18) - 2
    assert view.find(b"OggS", (1 << 18) - 1) == -1
    assert not view.is_zero(0, len(content))
    assert view.is_zero(0, (1 << 18) - 2)


def test_lines_of_others_survive_while_libmpg123_is_silenced(capfd: pytest.CaptureFixture[str]):
    def complain(text: bytes) -> None:
        os.write(2, text)

    with quiet_stderr():
        thread = threading.Thread(target=complain, args=(b"ours\n",))
        thread.start()
        with quiet_stderr():
            complain(b"[src/libmpg123/layer3.c:1774] error: part2_3_length too large\n")
            complain(b"Warning: Xing stream size off by more than 1%!\n")
        thread.join()
    complain(b"later\n")
    assert capfd.readouterr().err == "ours\nlater\n"


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
def test_an_mp3_that_ffmpeg_wrote_without_a_length_header_keeps_its_end(tmp_path: Path, rate: list[str]):
    path = ffmpeg(tmp_path / "a.mp3", "-write_xing", "0", *rate)
    assert len(load_audio(path)) / RATE == pytest.approx(3.0, abs=0.15)
    assert audio_duration(path) == pytest.approx(3.0, abs=0.15)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


def test_samples_in_several_chunks_are_read_one_after_the_other(tmp_path: Path):
    content = encode(2.0, "WAV", "PCM_16")
    header, samples = content[:36], content[44:]
    whole = load_audio(save(tmp_path / "whole.wav", content))
    pieces = chunk(b"data", samples[:20000]), chunk(b"LIST", b"INFOISFT\2\0\0\0a\0"), chunk(b"data", samples[20000:])
    path = save(tmp_path / "several.wav", header + b"".join(pieces))
    np.testing.assert_array_equal(load_audio(path), whole)
    assert audio_duration(path) == 2.0
    with pytest.raises(AudioError, match=r"0\.5 s of audio are missing"):
        load_audio(save(tmp_path / "cut.wav", (header + b"".join(pieces))[:-16000]))


@pytest.mark.parametrize("size", [1, 3, 2001])
def test_a_declared_size_may_end_within_a_sample(tmp_path: Path, size: int):
    content = encode(2.0, "WAV", "PCM_16")
    path = save(tmp_path / "odd.wav", change(content, b"data", 0, struct.pack("<I", size)))
    with pytest.warns(AudioWarning, match="all are read"):
        assert len(load_audio(path)) == 2 * RATE


@pytest.mark.parametrize("format_", ["VOC", "SVX", "AVR", "MAT4", "MAT5", "MPC2K"])
def test_files_of_rare_containers_that_are_cut_off_are_refused(tmp_path: Path, format_: str):
    content = encode(2.0, format_, "PCM_16")
    assert len(load_audio(save(tmp_path / "whole", content))) == 2 * RATE
    with pytest.raises(AudioError, match=r"cut off: at least \d\.\d s of audio are missing|cannot be read beyond"):
        load_audio(save(tmp_path / "half", content[: len(content) // 2]))


def test_a_second_caf_file_behind_the_first_is_reported(tmp_path: Path):
    with pytest.warns(AudioWarning, match="another recording that follows it"):
        load_audio(save(tmp_path / "two.caf", 2 * encode(1.0, "CAF", "PCM_16")))


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_without_its_last_page_is_reported(tmp_path: Path, subtype: str):
    content, notes = encode(3.0, "OGG", subtype), []
    load_audio(save(tmp_path / "whole.ogg", content), on_warning=notes.append)
    assert notes == []
    load_audio(save(tmp_path / "cut.ogg", content[: content.rindex(b"OggS")]), on_warning=notes.append)
    assert notes == ["nothing marks its end, so sound may be missing there, as after a crash or a cut"]
