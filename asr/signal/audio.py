"""Files, streams and arrays of audio in, mono float32 waveforms out, at 16 kHz by default.

WAV, FLAC, MP3, Ogg Vorbis and Opus are read by libsndfile, everything else by the `ffmpeg` program. Knows nothing
of features: the recogniser decides which recordings are too short.
"""

import contextlib
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import soundfile

from asr.config import SAMPLE_RATE
from asr.errors import AudioError
from asr.signal.containers import TOLERATED_SECONDS, missing_wav_seconds, mp3_extent, ogg_breaks_off, unread_mp3_seconds
from asr.signal.ffmpeg import decode_with_ffmpeg, duration_with_ffprobe, has_ffmpeg
from asr.signal.resample import Resampler, Waveform

AudioSource: TypeAlias = str | os.PathLike[str] | BinaryIO | tuple[npt.ArrayLike, float]

# Suffixes by which recordings are found in folders; a file that is named explicitly is read whatever its suffix.
NATIVE_SUFFIXES = frozenset(
    [".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".caf", ".w64", ".sph"]
)
AUDIO_SUFFIXES = NATIVE_SUFFIXES.union(  # these others need ffmpeg
    [".m4a", ".m4b", ".aac", ".ac3", ".mka", ".mp2", ".wma", ".wv", ".amr"],
    [".mp4", ".m4v", ".mkv", ".mov", ".webm", ".avi", ".3gp", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv"],
)

_CHUNK_FRAMES = 65536
_LENGTH_UNKNOWN = 2**62  # libsndfile declares 2**63 - 1 frames for a FLAC stream of unknown length
_MOST_CHANNELS = 128  # more mean a transposed array, (channels, S)
_HIGHEST_PEAK = 100.0  # 40 dB above full scale: integers stored as floats


def load_audio(source: AudioSource, *, sample_rate: int = SAMPLE_RATE) -> Waveform:
    """Read a whole recording as one mono waveform.

    Channels are averaged; integer samples are divided by their range (unsigned ones are centred first).
    Float samples are not changed: they should lie within ±1, and are not clipped if they don't.

    Args:
        source: The path of a recording or video; a binary file object, read from its current position;
            or `(array, rate)` with an array (S,) or (S, channels), as from soundfile, and its rate in Hz.
        sample_rate: Hz of the result.

    Returns:
        (S,) float32. Never empty, unless the recording is shorter than one sample at `sample_rate`.

    Raises:
        AudioError: If the file is missing, empty, not a recording or cut off, or holds samples that are not finite.
            The message begins with the file's name.
        ValueError: If sample_rate is not positive.
    """
    return np.concatenate([np.empty(0, dtype=np.float32), *stream_audio(source, sample_rate=sample_rate)])


def stream_audio(
    source: AudioSource, *, block_seconds: float = 10.0, sample_rate: int = SAMPLE_RATE
) -> Iterator[Waveform]:
    """Read a recording block by block, so that a long one is never wholly in memory.

    The concatenated blocks (S,) are exactly what `load_audio` returns. The source is opened when the first is
    requested.

    Args:
        source: As for `load_audio`.
        block_seconds: Length of each block; the last may be shorter.
        sample_rate: Hz of the result.

    Raises:
        AudioError: As for `load_audio`; damage within a recording is found after the blocks before it.
        ValueError: If block_seconds or sample_rate is not positive.
    """
    if not (0 < block_seconds < math.inf and sample_rate > 0):
        raise ValueError(f"block_seconds and sample_rate must be positive, they are {block_seconds} and {sample_rate}")
    return _reblock(_read(source, sample_rate), max(1, round(block_seconds * sample_rate)))


def name_of(source: AudioSource) -> str | None:
    """Return the name of a source: its path, or a file object's name; None if it has none."""
    if isinstance(source, str | os.PathLike):
        return str(source)
    name = getattr(source, "name", None)  # a number if the file was opened by its descriptor
    return name if isinstance(name, str) else None


def audio_duration(path: str | os.PathLike[str]) -> float:
    """Return the seconds of audio in a file, from its header if possible, else by decoding it.

    Raises:
        AudioError: As for `load_audio`, except for damage that only decoding reveals.
    """
    file_path, name = Path(path), str(path)
    duration: float | None = None
    if not _is_pipe(file_path):
        with _open_file(file_path, name) as file:
            is_guess = _mp3_length_is_guess(file, name)
            sound = _open_sound(file, name)
            if sound is None:
                duration = duration_with_ffprobe(file_path)
            else:
                with sound:
                    # ffprobe would guess an MP3's length in the same way, so decode it.
                    duration = None if is_guess and sound.format == "MP3" else sound.frames / sound.samplerate
    return sum(map(len, stream_audio(file_path))) / SAMPLE_RATE if duration is None else float(duration)


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


def _read(source: AudioSource, sample_rate: int) -> Iterator[Waveform]:
    """Yield chunks of any length at `sample_rate`, from any source."""
    if isinstance(source, tuple):
        samples, rate = _check_array(source)
        chunks = (_to_mono(samples[start : start + _CHUNK_FRAMES]) for start in range(0, len(samples), _CHUNK_FRAMES))
        yield from _resample(_check_samples(chunks, "array"), rate, sample_rate)
    elif isinstance(source, str | os.PathLike):
        path, name = Path(source), str(source)
        if _is_pipe(path):
            with path.open("rb") as pipe:
                yield from _read_stream(pipe, name, sample_rate)
        else:
            yield from _read_file(path, name, sample_rate)
    elif hasattr(source, "read"):
        yield from _read_stream(source, name_of(source) or "audio stream", sample_rate)
    else:
        raise TypeError(f"audio must be a path, a binary file or an (array, rate) tuple, not {type(source)}")


@contextlib.contextmanager
def _explain_full_disk(name: str, folder: str) -> Iterator[None]:
    """Raise an AudioError if no copy can be written, even if closing it is what fails."""
    try:
        yield
    except OSError as error:
        reason = f"cannot be copied to {folder}: {error.strerror or error}"
        raise AudioError(f"{name}: {reason}; set TMPDIR to a folder with more room") from None


def _is_pipe(path: Path) -> bool:
    """Return whether a path can only be read once, without seeking, like /dev/stdin and a shell's <(...)."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False  # opening it will give the reason
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _read_stream(stream: BinaryIO, name: str, sample_rate: int) -> Iterator[Waveform]:
    # Copy to disk first: reading containers needs seeking, and memory must not grow with the length.
    with tempfile.TemporaryDirectory(prefix="asr-") as folder:
        path = Path(folder) / "stream"
        with _explain_full_disk(name, folder), path.open("wb") as copy:
            try:
                shutil.copyfileobj(stream, copy)
            except TypeError:
                raise AudioError(f"{name}: opened as text; open it in binary mode: open(path, 'rb')") from None
        yield from _read_file(path, name, sample_rate)


def _read_file(path: Path, name: str, sample_rate: int) -> Iterator[Waveform]:
    with _open_file(path, name) as file:
        is_guess = _mp3_length_is_guess(file, name)
        sound = _open_sound(file, name)
        if sound is not None:
            with sound:
                is_guess = is_guess and sound.format == "MP3"
                # libsndfile would drop audio beyond its guess if the bit rate varies.
                if not (is_guess and has_ffmpeg()):
                    chunks = _decode(sound, file, name, is_guess=is_guess)
                    yield from _resample(_check_samples(chunks, name), sound.samplerate, sample_rate)
                    return
    # Joined MP3 files are full of seams that are not damage; in other files damage is an error.
    chunks = decode_with_ffmpeg(path, name, sample_rate=sample_rate, strict=sound is None)
    yield from _check_samples(chunks, name)


def _mp3_length_is_guess(file: BinaryIO, name: str) -> bool:
    """Return whether libsndfile would get the length wrong if this is an MP3 file."""
    extent = mp3_extent(file)
    if extent is None:
        return True
    declared, present = extent
    # Beyond 1 % libmpg123 complains on stderr, where no handler of ours can catch it.
    if present < 0.99 * declared:
        raise AudioError(f"{name}: cut off: it has {present} of the {declared} bytes it declares; copy it again")
    return present > 1.01 * declared


def _decode(sound: soundfile.SoundFile, file: BinaryIO, name: str, *, is_guess: bool) -> Iterator[Waveform]:
    """Yield mono chunks at the file's own rate; fail if there are fewer or more samples than declared."""
    num_frames = 0
    try:
        while len(chunk := sound.read(_CHUNK_FRAMES, dtype="float32", always_2d=True)):
            num_frames += len(chunk)
            yield _to_mono(chunk)
        is_whole = is_guess or sound.frames - num_frames <= TOLERATED_SECONDS * sound.samplerate
    except soundfile.LibsndfileError:
        is_whole = False
    if not is_whole:
        declared = sound.frames / sound.samplerate
        raise AudioError(f"{name}: damaged or cut off: cannot be read to its end at {declared:.1f} s; copy it again")
    seconds = num_frames / sound.samplerate
    if sound.format == "MP3" and unread_mp3_seconds(file, seconds) > 1:
        raise AudioError(
            f"{name}: declares {seconds:.1f} s of audio but is longer, like joined MP3 files; "
            f"convert it first: ffmpeg -i {name} whole.flac"
        )


def _to_mono(samples: npt.NDArray[Any]) -> Waveform:
    """Convert (S,) or (S, channels) of any number type to (S,) float32; divide integers by their range."""
    if samples.dtype.kind in "iu":
        half_range = 2.0 ** (8 * samples.dtype.itemsize - 1)
        centre = half_range if samples.dtype.kind == "u" else 0.0
        samples = (samples.astype(np.float64) - centre) / half_range
    with np.errstate(over="ignore"):  # overflowing values become infinite, which is an error later
        waveform = samples.astype(np.float32)
    return waveform if waveform.ndim == 1 else waveform.mean(axis=1, dtype=np.float32)


def _check_array(source: tuple[npt.ArrayLike, float]) -> tuple[npt.NDArray[Any], float]:
    """Return the samples and the rate of an `(array, rate)` source, or fail if they are not plausible."""
    if len(source) != 2:
        raise AudioError(f"array: expected (array, rate), found a tuple of {len(source)}; give the rate in Hz")
    samples, rate = np.asarray(source[0]), source[1]
    if samples.dtype.kind not in "iuf":
        raise AudioError(f"array: its type is {samples.dtype}; give integers, or floats within ±1")
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= _MOST_CHANNELS):
        raise AudioError(
            f"array: its shape is {samples.shape}; give (samples,) or (samples, channels), perhaps array.T"
        )
    if not (np.ndim(rate) == 0 and 0 < float(rate) < math.inf):
        raise AudioError(f"array: its rate is {rate}; give the samples per second, such as 16000")
    return samples, float(rate)


def _check_samples(chunks: Iterable[Waveform], name: str) -> Iterator[Waveform]:
    """Pass chunks on; fail at the first that cannot be audio, or if there is no sample at all."""
    is_empty = True
    for chunk in chunks:
        peak = np.max(np.abs(chunk), initial=0.0)  # NaN if any sample is
        if not np.isfinite(peak):
            raise AudioError(f"{name}: holds samples that are NaN or infinite; export it again as 16-bit integers")
        if peak > _HIGHEST_PEAK:
            raise AudioError(
                f"{name}: its samples reach {peak:.0f}, but floats must lie within ±1; "
                "if they were 16-bit integers, divide them by 32768"
            )
        is_empty = is_empty and len(chunk) == 0
        yield chunk
    if is_empty:
        raise AudioError(f"{name}: holds no samples, only a header; record or copy it again")


def _resample(chunks: Iterable[Waveform], rate: float, sample_rate: int) -> Iterator[Waveform]:
    """Change the sample rate; the result does not depend on the chunks."""
    resampler = Resampler(rate, sample_rate)
    for chunk in chunks:
        yield resampler.feed(chunk)
    yield resampler.finish()


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


def _open_sound(file: BinaryIO, name: str) -> soundfile.SoundFile | None:
    """Open an audio file with libsndfile; None if it does not know the format or the length."""
    if (missing := missing_wav_seconds(file)) > TOLERATED_SECONDS:
        raise AudioError(f"{name}: breaks off {missing:.1f} s before the end that its header declares; copy it again")
    if ogg_breaks_off(file):
        raise AudioError(f"{name}: breaks off in the middle of an Ogg page; copy it again")
    file.seek(0)
    try:
        sound = _ForwardSound(cast(Any, _Nameless(file)))
    except soundfile.LibsndfileError:
        return None
    if sound.frames > _LENGTH_UNKNOWN:  # reading its last samples fails, and soundfile drops them
        sound.close()
        return None
    return sound


class _ForwardSound(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read without seeking.

    soundfile seeks after every read if it can. In an MP3 file this loses what frames borrow from earlier ones:
    samples at each seam are wrong, and libmpg123 complains on stderr.
    """

    def seekable(self) -> bool:
        return False


class _Nameless:
    """A file that shows libsndfile its content only, and raises no exceptions.

    Going by suffixes, libsndfile would take text for MP3 and refuse .raw. A seek to a position that damage made
    invalid must not raise: it happens in a callback from C, which would print a traceback.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read, self.tell = file.read, file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._file.seek(offset, whence)
        return self._file.tell()
