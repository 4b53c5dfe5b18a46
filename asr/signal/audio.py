"""Files, streams and arrays of audio in, mono float32 waveforms out, at 16 kHz by default.

WAV, FLAC, MP3, Ogg Vorbis and Opus and others are decoded by libsndfile, everything else by the `ffmpeg` program. One
rule holds for all: what is there is read, whatever the header declares; sound that is declared and missing is an error.
Knows nothing of features: the recogniser decides which recordings are too short.
"""

import math
import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from asr.config import SAMPLE_RATE
from asr.errors import AsrWarning, AudioError
from asr.signal.arrays import check_peak, check_source
from asr.signal.channels import Channel, Mixer
from asr.signal.containers.find import find_layout
from asr.signal.containers.layout import TOLERATED_SECONDS, Layout, Part
from asr.signal.ffmpeg import duration_with_ffprobe, has_ffmpeg, open_with_ffmpeg
from asr.signal.libsndfile import open_part, read_chunks
from asr.signal.resample import Resampler, Waveform

AudioSource: TypeAlias = str | os.PathLike[str] | BinaryIO | tuple[npt.ArrayLike, float]
# Called with what a user should know of a recording: a sentence without its name.
OnWarning: TypeAlias = Callable[[str], None]

# Suffixes by which recordings are found in folders; a file that is named explicitly is read whatever its suffix.
NATIVE_SUFFIXES = frozenset(
    [".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".caf", ".w64", ".sph"]
)
AUDIO_SUFFIXES = NATIVE_SUFFIXES.union(  # these others need ffmpeg
    [".m4a", ".m4b", ".aac", ".ac3", ".mka", ".mp2", ".wma", ".wv", ".amr"],
    [".mp4", ".m4v", ".mkv", ".mov", ".webm", ".avi", ".3gp", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv"],
)

_CHUNK_FRAMES = 65536

# Samples (S, channels) at one rate: all of most recordings; some files hold several streams.
_Stream: TypeAlias = tuple[float, Iterator[npt.NDArray[np.float32]]]


class AudioWarning(AsrWarning):
    """Sound that was read otherwise than its file declares."""


def load_audio(
    source: AudioSource,
    *,
    sample_rate: int = SAMPLE_RATE,
    channel: Channel = "mix",
    on_warning: OnWarning | None = None,
) -> Waveform:
    """Read a whole recording as one mono waveform.

    Channels are averaged; integer samples are divided by their range (unsigned ones are centred first).
    Float samples are not changed: they should lie within ±1, and are not clipped if they don't.

    Args:
        source: The path of a recording or video; a binary file object, read from its current position;
            or `(array, rate)` with an array (S,) or (S, channels), as from soundfile, and its rate in Hz. Lists and
            torch tensors count as arrays; integers of 64 bits are refused, because their scale is not known.
        sample_rate: Hz of the result.
        channel: The channel to read, from 0, instead of the mean of all.
        on_warning: Called with each thing that a user should know: sound beyond what the header declares, damage that
            was left out, channels that cancel each other, levels that are too low or clipped. None: those that
            changed the sound are issued as `AudioWarning`.

    Returns:
        (S,) float32. Never empty, unless the recording is shorter than one sample at `sample_rate`.

    Raises:
        AudioError: If the file is missing, empty, not a recording or cut off, or holds samples that are not finite.
            The message begins with the file's name.
        ValueError: If sample_rate is not positive.
    """
    blocks = stream_audio(source, sample_rate=sample_rate, channel=channel, on_warning=on_warning)
    return np.concatenate([np.empty(0, dtype=np.float32), *blocks])


def stream_audio(
    source: AudioSource,
    *,
    block_seconds: float = 10.0,
    sample_rate: int = SAMPLE_RATE,
    channel: Channel = "mix",
    on_warning: OnWarning | None = None,
) -> Iterator[Waveform]:
    """Read a recording block by block, so that a long one is never wholly in memory.

    The concatenated blocks (S,) are exactly what `load_audio` returns. The source is opened when the first is
    requested.

    Args:
        source: As for `load_audio`.
        block_seconds: Length of each block; the last may be shorter.
        sample_rate: Hz of the result.
        channel: As for `load_audio`.
        on_warning: As for `load_audio`; it is called at the latest after the last block.

    Raises:
        AudioError: As for `load_audio`; damage within a recording is found after the blocks before it.
        ValueError: If block_seconds or sample_rate is not positive.
    """
    if not (0 < block_seconds < math.inf and sample_rate > 0):
        raise ValueError(f"block_seconds and sample_rate must be positive, they are {block_seconds} and {sample_rate}")
    chunks = _read(source, sample_rate, channel, on_warning)
    return _reblock(chunks, max(1, round(block_seconds * sample_rate)))


def name_of(source: AudioSource) -> str | None:
    """Return the name of a source: its path, or a file object's name; None if it has none."""
    if isinstance(source, str | os.PathLike):
        return str(source)
    name = getattr(source, "name", None)  # a number if the file was opened by its descriptor
    return name if isinstance(name, str) else None


class AudioInfo(NamedTuple):
    """What a file holds, as it would be read.

    Attributes:
        sample_rate: Hz of the first stream; of nearly all files the only one.
        channels: Of the first stream.
        seconds: Of all streams.
        is_plain: Whether libsndfile alone would read the same.
    """

    sample_rate: int
    channels: int
    seconds: float
    is_plain: bool


def describe_audio(path: str | os.PathLike[str], *, verify: bool = False) -> AudioInfo | None:
    """Describe a file that libsndfile can decode, from its headers; None if only ffmpeg could read it.

    Args:
        path: The file.
        verify: Whether to read all of it if that finds further streams.

    Raises:
        AudioError: As for `load_audio`, except for damage that only decoding reveals.
    """
    name = str(path)
    with ExitStack() as stack:
        file = stack.enter_context(_open_file(Path(path), name))
        opened = _open_sounds(file, name, verify=verify)
        if opened is None:
            return None
        layout, parts = opened
        lengths = []
        for part in parts:
            sound = open_part(file, part)
            if sound is None:
                return None
            with sound:
                lengths.append((sound.samplerate, sound.channels, sound.frames / sound.samplerate))
        lost = 0.0 if layout is None else layout.lost
        whole, is_plain = open_part(file, _whole_file(file)), False
        if whole is not None:
            with whole:
                is_plain = not lost and lengths == [(whole.samplerate, whole.channels, whole.frames / whole.samplerate)]
        sample_rate, channels, _ = lengths[0]
        seconds = sum(length for _, _, length in lengths)
        if lost:  # decoding tells what is left
            blocks = stream_audio(path, sample_rate=sample_rate, on_warning=lambda warning: None)
            seconds = sum(map(len, blocks)) / sample_rate
        return AudioInfo(sample_rate, channels, seconds, is_plain)


def audio_duration(path: str | os.PathLike[str], *, verify: bool = True) -> float:
    """Return the seconds of audio in a file, from its headers if possible, else by decoding it.

    Args:
        path: The file.
        verify: As for `describe_audio`.

    Raises:
        AudioError: As for `load_audio`, except for damage that only decoding reveals.
    """
    file_path, duration = Path(path), None
    if not _is_pipe(file_path):
        info = describe_audio(path, verify=verify)
        duration = duration_with_ffprobe(file_path) if info is None else info.seconds
    return sum(map(len, stream_audio(file_path))) / SAMPLE_RATE if duration is None else float(duration)


def count_channels(source: AudioSource) -> int:
    """Return the number of channels of a source, of which nothing is used up: a path or an `(array, rate)`.

    Raises:
        AudioError: As for `load_audio`.
    """
    if isinstance(source, tuple):
        return check_source(source)[0].shape[1]
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"audio must be a path or an (array, rate) tuple, not {type(source)}")
    with _open_streams(Path(source), str(source), lambda warning: None) as streams:
        for _, chunks in streams:
            for chunk in chunks:
                return chunk.shape[1]
    return 1


def _reblock(chunks: Iterable[Waveform], size: int) -> Iterator[Waveform]:
    """Regroup chunks of any length into blocks of `size` samples; the last may be shorter."""
    block, filled = np.empty(size, dtype=np.float32), 0
    for chunk in chunks:
        position = 0
        while position < len(chunk):
            count = min(size - filled, len(chunk) - position)
            block[filled : filled + count] = chunk[position : position + count]
            position, filled = position + count, filled + count
            if filled == size:
                yield block
                block, filled = np.empty(size, dtype=np.float32), 0
    if filled:
        yield block[:filled]


def _read(source: AudioSource, sample_rate: int, channel: Channel, on_warning: OnWarning | None) -> Iterator[Waveform]:
    """Yield chunks of any length at `sample_rate`, from any source."""
    with ExitStack() as stack:
        if isinstance(source, tuple):
            name = "array"
            samples, rate = check_source(source)
            starts = range(0, len(samples), _CHUNK_FRAMES)
            warn = on_warning or _warn_of(name)
            streams: Iterator[_Stream] = iter([(rate, (samples[start : start + _CHUNK_FRAMES] for start in starts))])
        else:
            path, name = stack.enter_context(open_as_file(source))
            warn = on_warning or _warn_of(name)
            streams = stack.enter_context(_open_streams(path, name, warn))
        mixer = Mixer(channel, name)
        is_empty = True
        for rate, chunks in streams:
            resampler = Resampler(rate, sample_rate)
            for chunk in chunks:
                check_peak(chunk, name)
                is_empty = is_empty and len(chunk) == 0
                yield resampler.feed(mixer.mix(chunk))
            yield resampler.finish()
    if is_empty:
        raise AudioError(f"{name}: holds no samples, only a header; record or copy it again")
    for note in (*mixer.notes, *(mixer.describe_levels() if on_warning else ())):
        warn(note)


def _warn_of(name: str) -> OnWarning:
    return lambda text: warnings.warn(f"{name}: {text}", AudioWarning, stacklevel=2)


@contextmanager
def open_as_file(source: AudioSource) -> Iterator[tuple[Path, str]]:
    """Return the path of a regular file with what a path, pipe or file object holds, and the source's name.

    Raises:
        AudioError: If a file object was opened as text, is closed, or has nothing left to be read.
        TypeError: If it is no such source.
    """
    if isinstance(source, str | os.PathLike):
        path, name = Path(source), str(source)
        if not _is_pipe(path):
            yield path, name
            return
        with path.open("rb") as pipe, _copy_stream(pipe, name) as copy:
            yield copy, name
    elif hasattr(source, "read"):
        name = name_of(source) or "audio stream"
        with _copy_stream(source, name) as copy:
            yield copy, name
    else:
        raise TypeError(f"audio must be a path, a binary file or an (array, rate) tuple, not {type(source)}")


@contextmanager
def _explain_full_disk(name: str, folder: str) -> Iterator[None]:
    """Raise an AudioError if no copy can be written, even if closing it is what fails."""
    try:
        yield
    except OSError as error:
        reason = f"cannot be copied to {folder}: {error.strerror or error}"
        raise AudioError(f"{name}: {reason}; set TMPDIR to a folder with more room") from None


@contextmanager
def _copy_stream(stream: Any, name: str) -> Iterator[Path]:
    # Copy to disk first: reading containers needs seeking, and memory must not grow with the length.
    with tempfile.TemporaryDirectory(prefix="asr-") as folder:
        path = Path(folder) / "stream"
        with _explain_full_disk(name, folder), path.open("wb") as copy:
            try:
                shutil.copyfileobj(stream, copy)
            except TypeError:
                raise AudioError(f"{name}: opened as text; open it in binary mode: open(path, 'rb')") from None
            except ValueError as error:
                if getattr(stream, "closed", False):
                    raise AudioError(f"{name}: this file object is closed; open it again") from None
                raise AudioError(f"{name}: cannot be read ({error}); open it in binary mode") from None
            is_spent = copy.tell() == 0 and _position(stream) > 0
        if is_spent:
            raise AudioError(f"{name}: nothing is left to be read of this file object; seek(0) before it is read again")
        yield path


def _position(stream: Any) -> int:
    try:
        return int(stream.tell())
    except (AttributeError, OSError, ValueError):
        return 0


def _is_pipe(path: Path) -> bool:
    """Return whether a path can only be read once, without seeking, like /dev/stdin and a shell's <(...)."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False  # opening it will give the reason
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


@contextmanager
def _open_streams(path: Path, name: str, warn: OnWarning) -> Iterator[Iterator[_Stream]]:
    """Open a regular file; yield its streams, to be read in order while the block runs."""
    with ExitStack() as stack:
        file = stack.enter_context(_open_file(path, name))
        opened = _open_sounds(file, name, verify=True)
        first = None if opened is None else open_part(file, opened[1][0])
        if opened is not None and first is not None:
            stack.enter_context(first)
            layout, parts = opened
            for note in layout.notes if layout is not None else ():
                warn(note)
            yield _decode_parts(file, name, first, parts, layout)
            return
        yield iter([stack.enter_context(open_with_ffmpeg(path, name))])


def _decode_parts(
    file: BinaryIO, name: str, first: soundfile.SoundFile, parts: tuple[Part, ...], layout: Layout | None
) -> Iterator[_Stream]:
    for index, part in enumerate(parts):
        sound = first if index == 0 else open_part(file, part)
        if sound is None:
            raise AudioError(f"{name}: stream {index + 1} of {len(parts)} cannot be read; convert it first")
        with sound:
            yield sound.samplerate, read_chunks(sound, name, lost=0.0 if layout is None else layout.lost)


def _open_sounds(file: BinaryIO, name: str, *, verify: bool) -> tuple[Layout | None, tuple[Part, ...]] | None:
    """Find the parts of a file to be decoded by libsndfile; None if it does not know the format.

    Raises:
        AudioError: If the file ends before its sound does.
    """
    layout = find_layout(file, verify=verify)
    whole = _whole_file(file)
    if layout is None:
        sound = open_part(file, whole)
        if sound is None:
            return None
        with sound:
            # libsndfile guesses the length of an MP3 file whose frames have no common bit rate.
            return None if sound.format == "MP3" and has_ffmpeg() else (layout, (whole,))
    if layout.missing > TOLERATED_SECONDS:
        least = "at least " if layout.is_least else ""
        raise AudioError(
            f"{name}: cut off: {least}{layout.missing:.1f} s of audio are missing at its end (format {layout.kind}); "
            "copy it again"
        )
    if layout.raw is not None and layout.seconds is not None:
        sound = open_part(file, whole)
        if sound is None:
            return layout, (layout.raw,)
        with sound:
            if abs(sound.frames / sound.samplerate - layout.seconds) > TOLERATED_SECONDS:
                return layout, (layout.raw,)
    return layout, layout.parts


def _whole_file(file: BinaryIO) -> Part:
    return Part(((0, file.seek(0, os.SEEK_END)),))


def _open_file(path: Path, name: str) -> BinaryIO:
    """Open a file; fail with the reason if it is missing, unreadable or empty."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file; check the path") from None
    except IsADirectoryError:
        raise AudioError(f"{name}: a folder, not a recording; name a file in it") from None
    except PermissionError:
        raise AudioError(f"{name}: no permission to read it; check its mode and owner") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise AudioError(f"{name}: cannot be opened ({getattr(error, 'strerror', error)}); check the path") from None
    if file.seek(0, os.SEEK_END) == 0:
        file.close()
        raise AudioError(f"{name}: an empty file (0 bytes); record or copy it again")
    file.seek(0)
    return file
