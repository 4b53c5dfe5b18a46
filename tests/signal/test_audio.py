"""Reading sound: every container, rate and depth against the samples that went in; every damage reported by name."""

import io
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import AudioError
from asr.recognize.streaming.recognizer import to_waveform
from asr.signal.audio import AudioWarning, audio_duration, count_channels, load_audio, stream_audio

RATE = 16000
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")


def chirp(seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (300 + 400 * time) * time)).astype(np.float32)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Normalised cross-correlation at the best shift: encoders delay."""
    size = len(first) + len(second)
    products = np.fft.irfft(np.fft.rfft(first, size) * np.fft.rfft(second, size).conj(), size)
    return float(products.max() / (np.linalg.norm(first) * np.linalg.norm(second)))


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        (".wav", "PCM_U8", 1 / 100),
        (".wav", "PCM_16", 1e-4),
        (".wav", "PCM_24", 1e-6),
        (".wav", "PCM_32", 1e-7),
        (".wav", "FLOAT", 0),
        (".wav", "DOUBLE", 1e-7),
        (".flac", "PCM_16", 1e-4),
        (".flac", "PCM_24", 1e-6),
        (".aiff", "PCM_16", 1e-4),
    ],
)
def test_lossless_containers_give_the_samples_back(tmp_path: Path, suffix: str, subtype: str, tolerance: float):
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, chirp(), RATE, subtype=subtype)
    waveform = load_audio(path)
    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform, chirp(), atol=tolerance, rtol=0)


@pytest.mark.parametrize(
    ("suffix", "format_", "subtype"),
    [(".mp3", "MP3", None), (".ogg", "OGG", "VORBIS"), (".opus", "OGG", "OPUS")],
)
def test_lossy_containers_sound_the_same_and_last_as_long(
    tmp_path: Path, suffix: str, format_: str, subtype: str | None
):
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, chirp(6.0), RATE, format=format_, subtype=subtype)
    waveform = load_audio(path)
    assert len(waveform) / RATE == pytest.approx(6.0, abs=0.1)
    assert correlation(waveform, chirp(6.0)) > 0.98


def test_an_mp3_is_read_on_without_losing_samples_between_blocks(tmp_path: Path):
    path = tmp_path / "a.mp3"
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32)
    soundfile.write(path, noise + chirp(20.0), RATE, format="MP3")
    np.testing.assert_allclose(load_audio(path), soundfile.read(path, dtype="float32")[0], atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_any_rate_comes_out_at_sixteen_thousand(tmp_path: Path, rate: int):
    path = tmp_path / "a.wav"
    soundfile.write(path, chirp(1.0, rate), rate)
    waveform = load_audio(path)
    assert len(waveform) == pytest.approx(RATE, abs=2)
    inside = slice(500, RATE - 500)  # filters ring at the ends
    np.testing.assert_allclose(waveform[inside], chirp()[inside], atol=0.01)


def test_resampling_is_librosas(tmp_path: Path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(44100).astype(np.float32)
    expected = librosa.resample(noise, orig_sr=44100, target_sr=RATE)  # soxr_hq, too
    np.testing.assert_allclose(load_audio((noise, 44100)), expected[:RATE], atol=1e-4)


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_are_averaged(tmp_path: Path, channels: int):
    samples = np.stack([chirp() * (index + 1) / channels for index in range(channels)], axis=1)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav"), samples.mean(1), atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"), [("int16", 2**15, 0), ("int32", 2**31, 0), ("uint8", 2**7, 2**7)]
)
def test_integer_arrays_are_scaled_by_their_range(dtype: str, scale: int, offset: int):
    samples = (chirp().astype(np.float64) * (scale - 1) + offset).round().astype(dtype)
    np.testing.assert_allclose(load_audio((samples, RATE)), chirp(), atol=2 / scale + 1e-6)


def test_file_objects_are_read_from_where_they_stand(tmp_path: Path):
    file = io.BytesIO()
    soundfile.write(file, chirp(), RATE, format="WAV", subtype="FLOAT")
    file.seek(0)
    np.testing.assert_array_equal(load_audio(file), chirp())


@settings(max_examples=25, deadline=None)
@given(seconds=st.floats(0.001, 3.0), rate=st.sampled_from([8000, RATE, 44100]), length=st.floats(0.01, 1.0))
def test_blocks_joined_are_exactly_the_whole(seconds: float, rate: int, length: float):
    source = (chirp(seconds, rate), rate)
    blocks = list(stream_audio(source, block_seconds=length))
    np.testing.assert_array_equal(np.concatenate([np.empty(0, np.float32), *blocks]), load_audio(source))
    assert all(len(block) == max(1, round(length * RATE)) for block in blocks[:-1])


def test_a_long_file_is_streamed_in_little_memory(tmp_path: Path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        half_minute = chirp(30.0)
        for _ in range(120):
            file.write(half_minute)  # an hour, 115 MB as 16-bit integers, 230 MB as floats
    code = (
        "import resource, sys; from asr.signal.audio import stream_audio\n"
        "blocks = stream_audio(sys.argv[1]); next(blocks)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "seconds = 10 + sum(len(block) for block in blocks) / 16000\n"
        "print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    seconds, kilobytes = map(float, result.stdout.split())
    assert seconds == 3600
    assert kilobytes < 20_000


def test_the_duration_comes_from_the_header(tmp_path: Path):
    soundfile.write(tmp_path / "a.flac", chirp(2.5, 44100), 44100)
    assert audio_duration(tmp_path / "a.flac") == 2.5


def test_silence_and_a_single_sample_are_sound(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE, np.float32), RATE)
    assert not load_audio(tmp_path / "a.wav").any()
    soundfile.write(tmp_path / "b.wav", np.zeros(1, np.float32), RATE)
    assert len(load_audio(tmp_path / "b.wav")) == 1


def write(folder: Path, suffix: str, **options: str) -> bytes:
    soundfile.write(folder / f"whole{suffix}", chirp(20.0), RATE, **options)
    return (folder / f"whole{suffix}").read_bytes()


def damage(folder: Path) -> dict[str, bytes]:
    """Contents that cannot be read, by the name of the file to hold them."""
    wav, flac = write(folder, ".wav"), write(folder, ".flac")
    header = io.BytesIO()
    soundfile.write(header, np.zeros(0, np.float32), RATE, format="WAV")
    nan = io.BytesIO()
    soundfile.write(nan, np.full(RATE, np.nan, np.float32), RATE, format="WAV", subtype="FLOAT")
    infinite = io.BytesIO()
    soundfile.write(infinite, np.full(RATE, np.inf, np.float32), RATE, format="WAV", subtype="FLOAT")
    integers = io.BytesIO()
    soundfile.write(integers, chirp() * 2**15, RATE, format="WAV", subtype="FLOAT")
    return {
        "empty.wav": b"",
        "header.wav": header.getvalue(),
        "text.wav": b"this is no sound\n" * 99,
        "text.mp3": b"this is no sound\n" * 99,
        "truncated.wav": wav[: len(wav) // 2],
        "truncated.flac": flac[: len(flac) // 2],
        "truncated.ogg": write(folder, ".ogg")[:-3000],
        "truncated.mp3": (mp3 := write(folder, ".mp3"))[: len(mp3) // 2],
        "nan.wav": nan.getvalue(),
        "infinite.wav": infinite.getvalue(),
        "integers.wav": integers.getvalue(),
        "random.wav": np.random.default_rng(0).bytes(5000),
        "riff.wav": wav[:20],
    }


def test_damage_is_reported_in_a_line_that_begins_with_the_files_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    for name, content in damage(tmp_path).items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(AudioError) as caught:
            load_audio(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: "), name
        assert len(message.splitlines()) == 1, name
    assert capfd.readouterr() == ("", "")  # nothing of the libraries' own complaints


def test_what_is_no_file_is_refused(tmp_path: Path):
    with pytest.raises(AudioError, match=r"none\.wav: no such file"):
        load_audio(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="a folder"):
        load_audio(tmp_path)


def test_a_file_without_permission_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)

    def refuse(self: Path, mode: str) -> None:  # the tests may run as root, who may read all
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AudioError, match=r"a\.wav: no permission"):
        load_audio(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((np.zeros((16000, 2, 2), np.float32), RATE), "shape"),
        ((np.zeros((2, 16000), np.float32), RATE), r"array\.T"),
        ((np.zeros(100, np.complex64), RATE), "complex64"),
        ((np.zeros(100, np.float32), 0), "rate is 0"),
        ((np.zeros(0, np.float32), RATE), "no samples"),
    ],
)
def test_an_array_that_is_no_sound_is_refused(source: tuple[np.ndarray, int], message: str):
    with pytest.raises(AudioError, match=message):
        load_audio(source)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_wav_of_undeclared_length_is_read_to_its_end(tmp_path: Path, size: int):
    soundfile.write(tmp_path / "a.wav", chirp(), RATE, subtype="PCM_16")
    content = bytearray((tmp_path / "a.wav").read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", 0xFFFFFFFF if size else 2 * RATE)
    (tmp_path / "b.wav").write_bytes(content)
    np.testing.assert_allclose(load_audio(tmp_path / "b.wav"), chirp(), atol=1e-4)


@needs_ffmpeg
def test_other_formats_go_through_ffmpeg(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", chirp(3.0), RATE)
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-c:a", "aac", "-b:a", "128k", tmp_path / "a.m4a"]
    subprocess.run(command, check=True)
    waveform = load_audio(tmp_path / "a.m4a")
    assert len(waveform) / RATE == pytest.approx(3.0, abs=0.1)
    assert correlation(waveform, chirp(3.0)) > 0.98


def test_without_ffmpeg_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match=r"a\.m4a: .*install ffmpeg"):
        load_audio(tmp_path / "a.m4a")


CHIRP = chirp(0.5)


@pytest.mark.parametrize(
    ("samples", "tolerance"),
    [
        (CHIRP.astype(np.float64), 1e-7),
        (CHIRP.astype(np.float16), 1e-3),
        (CHIRP.tolist(), 1e-7),
        ((CHIRP * 127).round().astype(np.int8), 2e-2),
        ((CHIRP * 2.0**15).astype(">i2"), 1e-4),
        ((CHIRP * 2.0**15 + 2**15).astype(np.uint16), 1e-4),
        ((CHIRP.astype(np.float64) * 2**31).astype(np.int32), 1e-4),
        (np.repeat(CHIRP, 2)[::2], 0),
        (np.ma.masked_array(CHIRP), 0),
    ],
)
def test_arrays_of_any_kind_are_scaled_alike_for_recordings_and_streams(samples: object, tolerance: float):
    np.testing.assert_allclose(load_audio((samples, RATE)), CHIRP, atol=tolerance + 1e-4)
    np.testing.assert_allclose(to_waveform(samples), CHIRP, atol=tolerance + 1e-4)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ((CHIRP * 2**15).astype(np.int64), "integers of 64 bits.*astype"),
        ((CHIRP * 2**15).astype(np.int64).tolist(), "integers of 64 bits"),
        ((CHIRP * 2**15).astype(np.uint64), "integers of 64 bits"),
        ((CHIRP * 2**15).astype(np.int16).astype(np.float32), "must lie within ±1; .*divide them by 32768"),
        ((CHIRP * 20).round(), "must lie within ±1"),
        (CHIRP > 0, "its type is bool"),
        (CHIRP.astype(object), "its type is object"),
        ([[1.0], [1.0, 2.0]], "not an array of numbers"),
        ("noise", "its type is"),
        (None, "its type is"),
        (np.full(9, np.nan), "NaN"),
        (np.full(9, np.inf), "infinite"),
        (np.full(9, 1e300), "infinite"),
    ],
)
def test_arrays_of_unknown_scale_are_refused_alike_for_recordings_and_streams(samples: object, message: str):
    with pytest.raises(AudioError, match=message):
        load_audio((samples, RATE))
    with pytest.raises(AudioError, match=message) as caught:
        to_waveform(samples)
    assert isinstance(caught.value, ValueError)  # what streams have always raised


def test_floats_beyond_full_scale_are_kept():
    np.testing.assert_array_equal(load_audio((5.5 * CHIRP, RATE)), 5.5 * CHIRP)


def test_tensors_count_as_arrays():
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(CHIRP)
    for same in (tensor, tensor.bfloat16(), tensor.half(), tensor.clone().requires_grad_(), (tensor * 32767).short()):
        for waveform in (load_audio((same, RATE)), to_waveform(same)):
            np.testing.assert_allclose(waveform, CHIRP, atol=5e-3)
    with pytest.raises(AudioError, match="integers of 64 bits"):
        load_audio(((tensor * 32767).long(), RATE))


def test_arrays_need_no_torch():
    code = "import sys, asr; asr.load_audio(([0.0, 0.1], 16000)); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf, "16 kHz", None, [16000]])
def test_a_rate_that_is_none_is_refused(rate: object):
    with pytest.raises(AudioError, match="its rate is"):
        load_audio((CHIRP, rate))


def test_file_objects_that_cannot_be_read_are_refused_with_the_reason(tmp_path: Path):
    path = tmp_path / "a.wav"
    soundfile.write(path, CHIRP, RATE)
    with path.open("rb") as file:
        load_audio(file)
        with pytest.raises(AudioError, match=r"a\.wav: nothing is left to be read.*seek\(0\)"):
            load_audio(file)
    with pytest.raises(AudioError, match=r"a\.wav: this file object is closed"):
        load_audio(file)
    with path.open(encoding="latin-1") as text, pytest.raises(AudioError, match="opened as text"):
        load_audio(text)
    with pytest.raises(AudioError, match="an empty file"):
        load_audio(io.BytesIO())


def test_channels_are_read_apart(tmp_path: Path):
    samples = np.stack([chirp(), 0.5 * chirp(), np.zeros(RATE, np.float32)], axis=1)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    for channel in range(3):
        np.testing.assert_array_equal(load_audio(tmp_path / "a.wav", channel=channel), samples[:, channel])
    assert count_channels(tmp_path / "a.wav") == count_channels((samples, RATE)) == 3
    with pytest.raises(AudioError, match=r"a\.wav: has no channel 3, only channels 0 to 2"):
        load_audio(tmp_path / "a.wav", channel=3)


@pytest.mark.parametrize("gain", [-1.0, -0.8, -1.2])
def test_of_channels_that_cancel_the_louder_is_read(gain: float):
    samples = np.stack([chirp(), gain * chirp()], axis=1)
    with pytest.warns(AudioWarning, match="its channels cancel each other"):
        waveform = load_audio((samples, RATE))
    np.testing.assert_array_equal(waveform, samples[:, int(gain < -1)])


def test_channels_that_differ_do_not_cancel():
    noise = 0.1 * np.random.default_rng(0).standard_normal((RATE, 16)).astype(np.float32)
    one_sided = np.stack([chirp(), np.zeros(RATE, np.float32)], axis=1)
    delayed = np.stack([chirp(), np.roll(chirp(), 7)], axis=1)
    for samples in (noise, one_sided, delayed):
        np.testing.assert_allclose(load_audio((samples, RATE)), samples.mean(axis=1), atol=1e-6)
