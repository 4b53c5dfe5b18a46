"""Files of every container, damaged at random: all sound that is there is read, or the user is told; never neither.

What is there is known in two ways: from how a file was damaged, and, where PyAV is installed, from ffmpeg's decoders,
which know nothing of libsndfile.
"""

import io
import struct
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from asr.errors import AudioError
from asr.signal.audio import audio_duration, load_audio

RATE = 16000
SECONDS = 3.0


@dataclass(frozen=True)
class Container:
    """How to write a file, and where its header declares a size.

    Attributes:
        slack: Seconds that damage to one place may cost besides the bytes that it changes.
        sizes: Texts before declared sizes, the bytes between, and a layout of `struct`.
    """

    format: str
    subtype: str | None = None
    channels: int = 1
    slack: float = 0.12
    sizes: tuple[tuple[bytes, int, str], ...] = ()
    is_lossless: bool = True
    options: tuple[tuple[str, Any], ...] = ()


RIFF = ((b"data", 0, "<I"), (b"RIFF", 0, "<I"))
AIFF = ((b"SSND", 0, ">I"), (b"COMM", 6, ">I"), (b"FORM", 0, ">I"))
CONTAINERS = {
    "wav": Container("WAV", "PCM_16", sizes=RIFF),
    "wav-24-stereo": Container("WAV", "PCM_24", 2, sizes=RIFF),
    "wav-float": Container("WAV", "FLOAT", sizes=RIFF),
    "wav-ulaw": Container("WAV", "ULAW", sizes=RIFF, is_lossless=False),
    "wav-adpcm": Container("WAV", "IMA_ADPCM", sizes=RIFF, is_lossless=False),
    "wav-extensible": Container("WAVEX", "PCM_16", sizes=RIFF),
    "rf64": Container("RF64", "PCM_16", sizes=((b"ds64", 12, "<Q"), (b"ds64", 4, "<Q"))),
    "w64": Container("W64", "PCM_16", sizes=((b"data", 12, "<Q"),)),
    "aiff": Container("AIFF", "PCM_16", sizes=AIFF),
    "aiff-stereo": Container("AIFF", "PCM_24", 2, sizes=AIFF),
    "au": Container("AU", "PCM_16", sizes=((b".snd", 4, ">I"),)),
    "caf": Container("CAF", "PCM_16", sizes=((b"data", 0, ">Q"),)),
    "sphere": Container("NIST", "PCM_16"),
    "flac": Container("FLAC", "PCM_16", slack=0.6, sizes=((b"fLaC", 18, ">I"),)),
    "flac-24-stereo": Container("FLAC", "PCM_24", 2, slack=0.6, sizes=((b"fLaC", 18, ">I"),)),
    "vorbis": Container("OGG", "VORBIS", slack=1.5, is_lossless=False),
    "opus": Container("OGG", "OPUS", slack=1.5, is_lossless=False),
    "mp3": Container(
        "MP3", slack=0.5, sizes=((b"Xing", 4, ">I"), (b"Info", 4, ">I"), (b"Xing", 8, ">I")), is_lossless=False
    ),
    "mp3-variable": Container(
        "MP3",
        channels=2,
        slack=0.5,
        sizes=((b"Xing", 4, ">I"), (b"Xing", 8, ">I")),
        is_lossless=False,
        options=(("bitrate_mode", "VARIABLE"),),
    ),
}


@dataclass(frozen=True)
class Damage:
    kind: str
    position: float  # share of the file
    junk: bytes
    value: int  # of a size, if `scale` is None
    scale: float | None  # of a size
    index: int  # of the size


@cache
def noise(channels: int) -> np.ndarray:
    samples = 0.2 * np.random.default_rng(channels).standard_normal((round(SECONDS * RATE), channels))
    return np.clip(samples, -0.99, 0.99)


@cache
def encode(name: str) -> bytes:
    container = CONTAINERS[name]
    file = io.BytesIO()
    options = dict(container.options)
    samples = noise(container.channels)
    soundfile.write(file, samples, RATE, format=container.format, subtype=container.subtype, **options)
    return file.getvalue()


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    kind = draw(st.sampled_from(["cut", "before", "after", "within", "over", "size", "joined"]))
    size, seed = draw(st.sampled_from([1, 7, 128, 1000, 4500, 20_000])), draw(st.integers(0, 2**32 - 1))
    junk = draw(st.sampled_from([bytes(size), np.random.default_rng(seed).bytes(size)]))
    place = draw(st.floats(0.0, 1.0, exclude_max=True))
    value = draw(st.sampled_from([0, 1, 1000, 0x7FFFFFFF, 0xFFFFFFFF, seed]))
    scale = draw(st.sampled_from([None, 0.1, 0.5, 0.9, 1.5, 3.0]))
    return Damage(kind, place, junk, value, scale, draw(st.integers(0, 2)))


def apply(damage: Damage, name: str) -> tuple[bytes, float]:
    """Return the damaged file, and at least how many seconds of its sound are left."""
    whole, container = encode(name), CONTAINERS[name]
    at = int(damage.position * len(whole))
    if damage.kind == "cut":
        return whole[:at], SECONDS * damage.position - container.slack
    if damage.kind == "before":
        return damage.junk + whole, SECONDS - 0.12
    if damage.kind == "after":
        return whole + damage.junk, SECONDS - 0.12
    if damage.kind == "joined":
        return whole + damage.junk[:1000] + whole, 2 * SECONDS - 0.3
    lost = SECONDS * len(damage.junk) / len(whole)
    if damage.kind == "within":
        return whole[:at] + damage.junk + whole[at:], SECONDS - container.slack
    if damage.kind == "over":
        return whole[:at] + damage.junk + whole[at + len(damage.junk) :], SECONDS - container.slack - lost
    return change_size(damage, whole, container), SECONDS - 0.12


def change_size(damage: Damage, content: bytes, container: Container) -> bytes:
    if not container.sizes:
        return content
    label, gap, layout = container.sizes[damage.index % len(container.sizes)]
    start = content.find(label) + len(label) + gap
    size = struct.calcsize(layout)
    (old,) = struct.unpack(layout, content[start : start + size])
    new = damage.value if damage.scale is None else int(old * damage.scale)
    if container.format == "FLAC":  # two bits of the rate's neighbours are in the first byte
        new &= 0xFFFFFFFF
    return content[:start] + struct.pack(layout, new % 2 ** (8 * size)) + content[start + size :]


def seconds_of_ffmpeg(path: Path) -> float:
    """Decode as much as ffmpeg's libraries can; 0 without PyAV."""
    try:
        import av
    except ImportError:
        return 0.0
    av.logging.set_level(av.logging.PANIC)
    seconds = 0.0
    try:
        with av.open(str(path)) as file:
            for packet in file.demux(file.streams.audio[0]):
                try:
                    seconds += sum(frame.samples / frame.sample_rate for frame in packet.decode())
                except av.error.FFmpegError:
                    continue
    except (av.error.FFmpegError, IndexError, ValueError):
        pass
    return seconds


NUM_FILES = 0


def check(path: Path, name: str, damage: Damage) -> None:
    """Read a damaged file, and compare it with what is left."""
    global NUM_FILES
    NUM_FILES += 1
    content, left = apply(damage, name)
    container = CONTAINERS[name]
    path.write_bytes(content)
    notes: list[str] = []
    try:
        waveform = load_audio(path, on_warning=notes.append)
    except AudioError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert message.startswith(f"{path}: ")
        assert len(message.splitlines()) == 1
        return
    # The header of a manifest's recording says what is read.
    assert audio_duration(path) == pytest.approx(len(waveform) / RATE, abs=0.1) or notes, damage
    if notes:
        return
    seconds, tolerance = len(waveform) / RATE, 0.3 if "mp3" in name else 0.12  # MP3 encoders pad
    in_header = damage.kind in ("within", "over") and damage.position * len(content) < 1200
    if not in_header:  # damage there may change the rate
        assert seconds >= left, damage
    if damage.kind == "cut" and container.format != "OGG":  # whose pages may end anywhere
        assert seconds >= SECONDS - 0.3, damage
    assert seconds >= seconds_of_ffmpeg(path) - tolerance, damage
    if container.is_lossless and damage.kind in ("cut", "before", "after", "size"):
        original = noise(container.channels).mean(axis=1)
        count = min(len(original), len(waveform))
        np.testing.assert_allclose(waveform[:count], original[:count], atol=1e-4, err_msg=str(damage))


def fuzz(folder: Path, name: str, count: int) -> None:
    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(damage=damages())
    def run(damage: Damage) -> None:
        check(folder / f"a.{name[:3]}", name, damage)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()


@pytest.mark.parametrize("name", CONTAINERS)
def test_damaged_files_lose_no_sound_in_silence(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    fuzz(tmp_path, name, 16)
    assert capfd.readouterr() == ("", "")  # nothing of the libraries' own complaints


@pytest.mark.slow
def test_two_thousand_damaged_files_lose_no_sound_in_silence(tmp_path: Path):
    before = NUM_FILES
    for name in CONTAINERS:
        fuzz(tmp_path, name, 130)
    count = NUM_FILES - before
    print(f"{count} damaged files")
    assert count >= 2000
