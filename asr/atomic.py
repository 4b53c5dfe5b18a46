"""Files that are written whole or not at all: a kill in the middle leaves the old one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asr.errors import AsrError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; on success what is there takes the place of `path`.

    Folders are made as needed. The partial file keeps the suffix, by which some libraries go.

    Raises:
        AsrError: If the folder cannot be written to.
    """
    # One name for all attempts: what a kill leaves behind, the next attempt overwrites.
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut may leave the new name with nothing in it
        partial.replace(path)
    except OSError as error:
        raise AsrError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            partial.unlink()


def check_writable(path: Path) -> None:
    """Find out before the work whether a file can be written; folders are made as needed.

    Raises:
        AsrError: If it cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise AsrError(f"{path}: cannot be written: {error.strerror or error}") from None
    if path.is_dir():
        raise AsrError(f"{path}: cannot be written: it is a folder")
