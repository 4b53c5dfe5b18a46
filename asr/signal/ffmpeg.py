"""The `ffmpeg` program as a decoder: the path of any recording or film in, blocks of samples out.

For what libsndfile lacks (AAC, WMA, video). Nothing of ffmpeg's own output reaches the user but
the reason it gave last, as part of an `AudioError`.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from asr.errors import AudioError

_BLOCK_SAMPLES = 65536
# A playlist must not make ffmpeg fetch anything from a network.
_QUIET_AND_LOCAL = ["-v", "error", "-protocol_whitelist", "file,pipe"]
# What the C library calls the failure to find any frame at all.
_VAGUE_REASONS = ("Invalid argument", "Input/output error", "End of file")


def has_ffmpeg() -> bool:
    """Whether the `ffmpeg` program is on the PATH."""
    return shutil.which("ffmpeg") is not None


def decode_with_ffmpeg(
    path: Path, name: str, *, sample_rate: int, strict: bool = True
) -> Iterator[npt.NDArray[np.float32]]:
    """Decode, mix down and resample the first audio track, block by block.

    Args:
        path: A regular file.
        name: What to call it in errors.
        sample_rate: Hz of what comes out; ffmpeg resamples.
        strict: Make damage an error, where ffmpeg would skip it and go on.

    Yields:
        (S,) float32 blocks of at most 4 s at 16 kHz.

    Raises:
        AudioError: If ffmpeg is missing, finds no audio or stops at damaged audio.
    """
    if not has_ffmpeg():
        raise AudioError(
            f"{name}: cannot be read as WAV, FLAC, MP3, Ogg or Opus; if it is another kind of recording "
            "(AAC, m4a, video), install ffmpeg (for example: apt-get install ffmpeg)"
        )
    # "file:" keeps names that begin with a dash or hold a colon from being taken for something else.
    on_damage = ["-xerror"] if strict else []
    command = ["ffmpeg", "-nostdin", *_QUIET_AND_LOCAL, *on_damage, "-i", f"file:{path}", "-map", "0:a:0"]
    command += ["-ac", "1", "-ar", str(sample_rate), "-f", "f32le", "-"]
    # Complaints go to a file: a pipe that nobody reads would fill up and stop ffmpeg.
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints) as process:
            output = cast(IO[bytes], process.stdout)
            try:
                while block := output.read(4 * _BLOCK_SAMPLES):
                    yield np.frombuffer(block[: len(block) // 4 * 4], dtype="<f4").astype(np.float32)
            except BaseException:  # GeneratorExit too: whoever reads may stop early
                process.kill()
                raise
        if process.returncode != 0:
            reason = _last_reason(complaints, path)
            raise AudioError(f"{name}: not a recording that can be read, says ffmpeg ({reason}); check the file")


def duration_with_ffprobe(path: Path) -> float | None:
    """Seconds as the container declares them, or None without ffprobe or where it does not tell."""
    if shutil.which("ffprobe") is None:
        return None
    command = ["ffprobe", *_QUIET_AND_LOCAL, "-show_entries", "format=duration", "-of", "csv=p=0", f"file:{path}"]
    output = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    return float(output) if re.fullmatch(r"\s*\d+(\.\d+)?\s*", output) else None


def _last_reason(complaints: IO[bytes], path: Path) -> str:
    """The last line that tells a person something, without ffmpeg's addresses and the path."""
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").splitlines()
    told = [re.sub(r"^\[.*? @ 0x[0-9a-f]+\] ", "", line).strip() for line in lines]
    told = [line.replace(f"file:{path}: ", "") for line in told if line and not line.startswith("To ignore this")]
    if not told:
        return "it gave no reason"
    if "matches no streams" in told[-1]:
        return "no audio track"
    return "nothing in it looks like audio" if told[-1] in _VAGUE_REASONS else told[-1].rstrip(".")
