"""Atomic writes: if the process is killed midway, the old file remains."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asr.errors import AsrError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path in the same folder to write to; on success, that file replaces `path`.

    Missing folders are created. The partial file has the same suffix, because some libraries choose the format by it.

    Raises:
        AsrError: If the file cannot be written.
    """
    # The name is fixed, so that the next attempt overwrites what a killed one left behind.
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())  # otherwise a power cut may leave an empty file under the new name
        partial.replace(path)
    except OSError as error:
        raise AsrError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            partial.unlink()


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
