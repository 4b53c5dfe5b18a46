"""An index of recordings: the log probabilities of a network in one file, for repeated searches.

It is an SQLite database, so a job that is killed loses at most the recording that it was at:

    about       what wrote it: the format's version, the model and a digest of its files, the channels
    recordings  path, size and time of each file; the seconds of sound, or why it cannot be read
    segments    of each recording: channel, start in seconds, number of frames, log probabilities

Log probabilities are kept as their distance from the highest of their frame, in steps of 1/8 up to 12: one byte each,
token by token, compressed by zlib. Since probabilities add up to one, the distances are all that is needed. With steps
of 1/16 up to 16 an index would be half as large again, and finds the same.
"""

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from asr.errors import AsrError, one_line
from asr.runtime.network import LogProbs

VERSION = 1
_STEP, _MOST_STEPS = 1 / 8, 96  # natural log
_MAGIC = b"SQLite format 3\0"
_TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE recordings (
    id INTEGER PRIMARY KEY, path BLOB UNIQUE, size INTEGER, modified INTEGER, seconds REAL, error TEXT);
CREATE TABLE segments (recording INTEGER, channel INTEGER, start REAL, frames INTEGER, log_probs BLOB);
CREATE INDEX of_recording ON segments (recording);
"""


class IndexedSegment(NamedTuple):
    """A part of a recording.

    Attributes:
        start: Seconds from the start of the recording.
        log_probs: (T, V) natural logs.
        channel: From 0; None if all were mixed.
    """

    start: float
    log_probs: LogProbs
    channel: int | None = None


class IndexedRecording(NamedTuple):
    """A recording in an index, which can be read as long as the index is open."""

    number: int
    path: Path
    seconds: float
    error: str | None


class About(NamedTuple):
    """What an index was made with.

    Attributes:
        model: The name or the absolute path of the model.
        digest: Of the model's files; see `digest_model`.
        channel: As for `Recognizer.transcribe`.
    """

    model: str
    digest: str
    channel: str


class LogProbIndex:
    """An open index. Use it in a `with` block, from one thread.

    Raises:
        AsrError: If the file is no index, or is damaged or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        if not is_index(path):
            raise AsrError(f"{path}: not an index; `asr index` writes one")
        self.path = path
        with self._errors():
            self._connection = sqlite3.connect(path)
            about = dict(self._connection.execute("SELECT key, value FROM about"))
        if about.get("version") != str(VERSION):
            raise AsrError(
                f"{path}: an index of version {about.get('version')}, and this version of asr reads {VERSION}; "
                "remove it and make it again"
            )
        self.about = About(about["model"], about["digest"], about["channel"])

    @classmethod
    def open(cls, path: Path, about: About) -> "LogProbIndex":
        """Open an index to add to it, or create it.

        Raises:
            AsrError: If it cannot be written, or was made with another model or other channels.
        """
        if not path.exists() or not path.stat().st_size:
            _create(path, about)
        index = cls(path)
        if index.about[1:] != about[1:]:
            index.close()
            what = "model" if index.about.digest != about.digest else "choice of channels"
            raise AsrError(f"{path}: was made with another {what}; write a new index, or remove this one")
        return index

    def __enter__(self) -> "LogProbIndex":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def holds(self, path: Path) -> bool:
        """Whether a recording is in the index and its file has not changed since, by size and time.

        Raises:
            OSError: If the file cannot be looked at.
        """
        status = path.stat()
        query = "SELECT 1 FROM recordings WHERE path = ? AND size = ? AND modified = ? AND error IS NULL"
        with self._errors():
            key = _encode_path(path), status.st_size, status.st_mtime_ns
            return self._connection.execute(query, key).fetchone() is not None

    def add(self, path: Path, segments: Iterable[IndexedSegment], frame_seconds: float) -> float:
        """Add a recording, or replace it; if the segments raise an error, the index does not change.

        Args:
            path: The file.
            segments: Of the recording.
            frame_seconds: From one frame of log probabilities to the next.

        Returns:
            The seconds of the recording.
        """
        seconds = 0.0
        status = path.stat()
        with self._replacing(path, (status.st_size, status.st_mtime_ns, seconds, None)) as number:
            for one in segments:
                row = (number, one.channel, one.start, len(one.log_probs), compress(one.log_probs))
                self._connection.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", row)
                seconds = max(seconds, one.start + len(one.log_probs) * frame_seconds)
            self._connection.execute("UPDATE recordings SET seconds = ? WHERE id = ?", (seconds, number))
        return seconds

    def add_error(self, path: Path, error: str) -> None:
        """Note why a recording cannot be read; the next job tries it again."""
        with self._replacing(path, (None, None, 0.0, error)):
            pass

    def recordings(self) -> list[IndexedRecording]:
        """Return the recordings, by path."""
        query = "SELECT id, path, seconds, error FROM recordings ORDER BY path"
        with self._errors():
            rows = self._connection.execute(query).fetchall()
        return [IndexedRecording(number, Path(os.fsdecode(path)), *rest) for number, path, *rest in rows]

    def segments(self, recording: IndexedRecording) -> Iterator[IndexedSegment]:
        """Yield the segments of a recording, in order."""
        query = "SELECT channel, start, frames, log_probs FROM segments WHERE recording = ? ORDER BY channel, start"
        with self._errors():
            for channel, start, num_frames, packed in self._connection.execute(query, (recording.number,)):
                yield IndexedSegment(start, decompress(packed, num_frames), channel)

    @contextmanager
    def _replacing(self, path: Path, row: tuple[object, ...]) -> Iterator[int]:
        """Replace a recording in one transaction; yield its number."""
        key = _encode_path(path)
        with self._errors(), self._connection:
            old = "SELECT id FROM recordings WHERE path = ?"
            self._connection.execute(f"DELETE FROM segments WHERE recording IN ({old})", (key,))
            self._connection.execute("DELETE FROM recordings WHERE path = ?", (key,))
            insert = "INSERT INTO recordings (path, size, modified, seconds, error) VALUES (?, ?, ?, ?, ?)"
            yield int(self._connection.execute(insert, (key, *row)).lastrowid or 0)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, zlib.error, ValueError) as error:
            raise AsrError(f"{self.path}: cannot be used as an index: {one_line(error)}") from None


def is_index(path: Path) -> bool:
    """Whether a file is an SQLite database, which no recording is."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def digest_model(folder: Path) -> str:
    """Return a digest of the files that log probabilities and their tokens depend on."""
    digest = hashlib.sha256()
    names = ("model.safetensors", "tokens.txt")
    for path in [folder] if folder.is_file() else [folder / name for name in names]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compress(log_probs: LogProbs) -> bytes:
    """Pack (T, V) natural logs."""
    distances = (log_probs.max(axis=1, keepdims=True) - log_probs) / _STEP
    steps = np.minimum(np.rint(distances), _MOST_STEPS).astype(np.uint8)
    return zlib.compress(np.ascontiguousarray(steps.T).tobytes(), 6)


def decompress(packed: bytes, num_frames: int) -> LogProbs:
    """Restore (T, V) natural logs, whose probabilities add up to 1. Raises ValueError if they are damaged."""
    steps = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(-1, num_frames).T
    log_probs: LogProbs = _RATIOS[steps] - np.log(_PROBABILITIES[steps].sum(axis=1, keepdims=True))
    return log_probs


_RATIOS = (-_STEP * np.arange(256)).astype(np.float32)
_PROBABILITIES = np.exp(_RATIOS)


def _create(path: Path, about: About) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In one transaction, so that a job that is killed here leaves an empty file.
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("BEGIN")
            for statement in filter(None, map(str.strip, _TABLES.split(";"))):
                connection.execute(statement)
            rows = [("version", str(VERSION)), *about._asdict().items()]
            connection.executemany("INSERT INTO about VALUES (?, ?)", rows)
    except (OSError, sqlite3.Error) as error:
        raise AsrError(f"{path}: cannot be written: {one_line(error)}") from None


def _encode_path(path: Path) -> bytes:
    return os.path.abspath(os.fsencode(path))  # noqa: PTH100  bytes, which need not be UTF-8
