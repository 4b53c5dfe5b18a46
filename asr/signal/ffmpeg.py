"""The path of any recording or video in, blocks of samples out, decoded by the `ffmpeg` program.

For formats that libsndfile lacks (AAC, WMA, video). Of ffmpeg's own output, users only see the last reason that it
gives, as part of an `AudioError`.
"""

import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from asr.errors import AudioError

_BLOCK_SAMPLES = 65536
# A playlist must not make ffmpeg fetch anything from a network.
_QUIET_AND_LOCAL = ["-v", "error", "-protocol_whitelist", "file,pipe"]
# What the C library says if there is no frame at all.
_VAGUE_REASONS = ("Invalid argument", "Input/output error", "End of file")


def has_ffmpeg() -> bool:
    """Return whether the `ffmpeg` program is on the PATH."""
    return shutil.which("ffmpeg") is not None


@contextmanager
def open_with_ffmpeg(path: Path, name: str) -> Iterator[tuple[int, Iterator[npt.NDArray[np.float32]]]]:
    """Decode the first audio track of a regular file: its rate in Hz, and its samples in blocks (S, channels).

    Damage, which ffmpeg would skip, is an error.

    Args:
        path: The file.
        name: Its name in errors.

    Raises:
        AudioError: If ffmpeg is missing, finds no audio or stops at damaged audio; the last two when blocks are read.
    """
    if not has_ffmpeg():
        raise AudioError(
            f"{name}: cannot be read as WAV, FLAC, MP3, Ogg or Opus; if it has another format "
            "(AAC, m4a, video), install ffmpeg (for example: apt-get install ffmpeg)"
        )
    # "file:" protects names that begin with a dash or contain a colon.
    command = ["ffmpeg", "-nostdin", *_QUIET_AND_LOCAL, "-xerror", "-i", f"file:{path}", "-map", "0:a:0"]
    command += ["-f", "wav", "-c:a", "pcm_f32le", "-"]
    # Errors go to a file: a pipe that nobody reads would fill up and block ffmpeg.
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        output = cast(IO[bytes], process.stdout)

        def blocks(channels: int) -> Iterator[npt.NDArray[np.float32]]:
            while block := output.read(4 * channels * _BLOCK_SAMPLES):
                whole = len(block) // (4 * channels) * 4 * channels
                yield np.frombuffer(block[:whole], dtype="<f4").astype(np.float32).reshape(-1, channels)
            if process.wait() != 0:
                reason = _last_reason(errors, path)
                raise AudioError(f"{name}: ffmpeg cannot read it as a recording ({reason}); check the file")

        try:
            rate, channels = _read_wav_header(output)
            yield rate, blocks(channels)
        finally:  # the caller may stop early
            process.kill()


def _read_wav_header(output: IO[bytes]) -> tuple[int, int]:
    """Read what comes before the samples of a WAV stream; return the rate and channels, or 1 and 1 without any."""
    output.read(12)
    rate, channels = 1, 1
    while len(header := output.read(8)) == 8:
        kind, size = struct.unpack("<4sI", header)
        if kind == b"data":
            break
        content = output.read(size + size % 2)
        if kind == b"fmt ":
            channels, rate = struct.unpack("<2xHI", content[:8])
    return rate, channels


def duration_with_ffprobe(path: Path) -> float | None:
    """Return the seconds that the container declares, or None without ffprobe or a declared length."""
    if shutil.which("ffprobe") is None:
        return None
    command = ["ffprobe", *_QUIET_AND_LOCAL, "-show_entries", "format=duration", "-of", "csv=p=0", f"file:{path}"]
    output = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    return float(output) if re.fullmatch(r"\s*\d+(\.\d+)?\s*", output) else None


def _last_reason(errors: IO[bytes], path: Path) -> str:
    """Return the last informative line, without ffmpeg's addresses and the path."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").splitlines()
    reasons = [re.sub(r"^\[.*? @ 0x[0-9a-f]+\] ", "", line).strip() for line in lines]
    reasons = [line.replace(f"file:{path}: ", "") for line in reasons if line and not line.startswith("To ignore this")]
    if not reasons:
        return "it gave no reason"
    if any("matches no streams" in reason for reason in reasons):
        return "no audio track"
    return "nothing in it looks like audio" if reasons[-1] in _VAGUE_REASONS else reasons[-1].rstrip(".")
