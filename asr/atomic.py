"""Atomic writes: if the process is killed midway, the old file remains."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

from asr.errors import AsrError

_LONGEST_PREFIXED, _LONGEST_SUFFIX = 100, 32  # bytes


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path in the same folder to write to; on success, that file replaces `path`.

    Missing folders are created. The partial file has the same suffix, because some libraries choose the format by it.

    Raises:
        AsrError: If the file cannot be written.
    """
    partial = path.with_name(_partial_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("r+b") as file:  # Windows flushes only what may be written
            os.fsync(file.fileno())  # otherwise a power cut may leave an empty file under the new name
        partial.replace(path)
    except OSError as error:
        raise AsrError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            partial.unlink()


def _partial_name(name: str) -> str:
    """Return the name of a partial file.

    It is fixed, so that the next attempt overwrites what a killed one left behind, and no longer than the file system
    allows: that of a long name is not longer than the name.
    """
    if len(os.fsencode(name)) <= _LONGEST_PREFIXED:
        return f".partial-{name}"
    suffix = "".join(PurePath(name).suffixes[-2:])
    suffix = suffix if len(os.fsencode(suffix)) <= _LONGEST_SUFFIX else PurePath(name).suffix[:_LONGEST_SUFFIX]
    return f".partial-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}{suffix}"


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically. Raises AsrError if it cannot be written."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def check_writable(path: Path) -> None:
    """Check before the work that a file can be written, and create missing folders. Raises AsrError if it cannot."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise AsrError(f"{path}: cannot be written: {error.strerror or error}") from None
    if path.is_dir():
        raise AsrError(f"{path}: cannot be written: it is a folder")
