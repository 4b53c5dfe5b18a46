"""A part of a file in, samples out, decoded by libsndfile without a word on the user's terminal."""

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import soundfile

from asr.errors import AudioError
from asr.signal.containers.layout import TOLERATED_SECONDS, Part, SpanFile

_CHUNK_FRAMES = 65536
_LENGTH_UNKNOWN = 2**62  # libsndfile declares 2**63 - 1 frames for a FLAC stream of unknown length
_ERROR_OUTPUT = 2  # the descriptor
# What lines of libmpg123 contain or begin with.
_MPG123, _MPG123_STARTS = b"mpg123", (b"Warning: ", b"Note: ", b"Illegal ", b"Error: ")


def open_part(file: BinaryIO, part: Part) -> soundfile.SoundFile | None:
    """Open a part of a file with libsndfile; None if it does not know the format or the length."""
    view = cast(Any, SpanFile(file, part.spans))
    try:
        with quiet_stderr():  # it may take anything for MP3
            if part.raw is None:
                sound = _ForwardSound(view)
            else:
                raw = part.raw
                rate, layout = round(raw.rate), {"format": "RAW", "subtype": raw.subtype, "endian": raw.endian}
                sound = _ForwardSound(view, samplerate=rate, channels=raw.channels, **layout)
    except (soundfile.LibsndfileError, ValueError, TypeError, OverflowError):  # numbers beyond C's
        return None
    if sound.frames > _LENGTH_UNKNOWN:  # reading its last samples fails, and soundfile drops them
        sound.close()
        return None
    return sound


def missing_seconds(sound: soundfile.SoundFile) -> float:
    """Return how much sound a file lacks that libsndfile reads without complaint, from what its log says of the header.

    This is for containers that nothing else here reads: VOC, IFF/SVX, AVR, MAT, MPC 2000.
    """
    log, present = sound.extra_info, sound.frames / sound.samplerate
    if match := _DECLARED_FRAMES.search(log):
        return float(int(match[1]) / sound.samplerate - present)
    if match := _DECLARED_BYTES.search(log):
        return present * (int(match[1]) / max(1, int(match[2])) - 1)
    return 2 * TOLERATED_SECONDS if "truncated" in log else 0.0


def read_chunks(sound: soundfile.SoundFile, name: str, *, lost: float = 0.0) -> Iterator[npt.NDArray[np.float32]]:
    """Yield chunks (S, channels) at the file's own rate.

    Args:
        sound: The open file.
        name: Its name in errors.
        lost: Seconds that may lack, because they are known to be damaged.

    Raises:
        AudioError: If there are fewer samples than declared.
    """
    num_frames, is_mpeg = 0, sound.format == "MP3"
    size = _CHUNK_FRAMES if sound.format != "FLAC" else _CHUNK_FRAMES // 8  # damage loses all of a chunk
    try:
        # Never ask for more than there is: libsndfile would take other bytes after a FLAC stream for damage.
        while (count := min(size, sound.frames - num_frames)) > 0:
            with quiet_stderr(is_needed=is_mpeg):
                chunk = sound.read(count, dtype="float32", always_2d=True)
            if not len(chunk):
                break
            num_frames += len(chunk)
            yield chunk
        is_whole = sound.frames - num_frames <= (lost + TOLERATED_SECONDS) * sound.samplerate
    except soundfile.LibsndfileError:
        is_whole = False
    if not is_whole:
        declared, present = sound.frames / sound.samplerate, num_frames / sound.samplerate
        raise AudioError(
            f"{name}: damaged or cut off: it lasts {declared:.1f} s and cannot be read beyond {present:.1f} s; "
            "copy it again"
        )


# In libsndfile's log.
_DECLARED_FRAMES = re.compile(r"(?:Frames +: |Cols +: (?=\d+\s+(?:Imag.*\s+)?(?:Type.*\s+)?Name +: wavedata))(\d+)")
_DECLARED_BYTES = re.compile(r"BODY : (\d+) \(should be (\d+)\)")


class _ForwardSound(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read without seeking.

    soundfile seeks after every read if it can. In an MP3 file this loses what frames borrow from earlier ones:
    samples at each seam are wrong, and libmpg123 complains on stderr.
    """

    def seekable(self) -> bool:
        return False


class _StandardError:
    """Keeps what C code writes to the standard error output from the user, while any thread needs that.

    libmpg123 writes there of damaged frames. What else was written meanwhile, by other threads of this process, is
    written on afterwards.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._saved = -1
        self._kept: Any = None

    def capture(self) -> None:
        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            try:
                self._kept = self._kept or _open_scratch()
                self._saved = os.dup(_ERROR_OUTPUT)
                os.dup2(self._kept.fileno(), _ERROR_OUTPUT)
            except OSError:  # no standard error output, or no room for files
                self._restore()

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._restore()

    def _restore(self) -> None:
        if self._saved < 0:
            return
        os.dup2(self._saved, _ERROR_OUTPUT)
        os.close(self._saved)
        self._saved = -1
        if self._kept.tell():
            self._kept.seek(0)
            lines = self._kept.read().splitlines(keepends=True)
            self._kept.seek(0)
            self._kept.truncate()
            ours = b"".join(line for line in lines if line.strip() and not _is_of_mpg123(line))
            with contextlib.suppress(OSError):
                os.write(_ERROR_OUTPUT, ours)

    def reset_in_child(self) -> None:
        """Forget, in a process that was forked, what other threads were doing."""
        self._lock, self._users = threading.Lock(), 0
        self._restore()


def _is_of_mpg123(line: bytes) -> bool:
    return _MPG123 in line or line.startswith(_MPG123_STARTS)


def _open_scratch() -> Any:
    if hasattr(os, "memfd_create"):  # needs no room on a disk
        import fcntl

        scratch = os.memfd_create("asr")
        # Linux does not lock the position in such files: threads that write at once would overwrite each other.
        fcntl.fcntl(scratch, fcntl.F_SETFL, os.O_RDWR | os.O_APPEND)
        return os.fdopen(scratch, "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


_standard_error = _StandardError()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_standard_error.reset_in_child)


@contextlib.contextmanager
def quiet_stderr(*, is_needed: bool = True) -> Iterator[None]:
    """Keep libmpg123's lines from the standard error output while the block runs."""
    if not is_needed:
        yield
        return
    _standard_error.capture()
    try:
        yield
    finally:
        _standard_error.release()
