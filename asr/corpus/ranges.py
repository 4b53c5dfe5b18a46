"""Utterances in shards: byte ranges of tar files in, samples out; from folders and object stores.

A manifest of shards names where an utterance's sound lies by a source of the type "shard", such as
`train-00003.tar#1536+48044`: a tar file beside the manifest, the first byte and the number of bytes. These bytes are a
whole file, FLAC or whatever it was. So utterances are read in any order, which lhotse's own shards, read from their
beginning to their end, do not allow. Who reads from a store waits mostly, so `fetch` asks for many at once.
"""

import io
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr import remote
from asr.errors import AsrError, AudioError, CorpusError, one_line

SHARD = "shard"  # the type of a source
SUFFIX = ".tar"


class ByteRange(NamedTuple):
    """Where in which file something lies."""

    file: str  # path or URL
    start: int
    size: int

    def __str__(self) -> str:
        return f"{self.file}#{self.start}+{self.size}"


class ShardError(CorpusError):
    """A shard is missing, or cannot be reached; no fault of an utterance."""


def range_of(cut: Any) -> ByteRange | None:
    """Return where the sound of a cut lies in a shard; None if it does not lie in one."""
    recording = getattr(cut, "recording", None)
    if recording is None or len(recording.sources) != 1 or recording.sources[0].type != SHARD:
        return None
    text = recording.sources[0].source
    file, _, span = text.rpartition("#")
    start, _, size = span.partition("+")
    if not (file and start.isdecimal() and size.isdecimal()):
        raise CorpusError(f"{cut.id}: {text!r} is not FILE.tar#START+SIZE; make the shards again")
    return ByteRange(file, int(start), int(size))


def resolve(row: Any, folder: str) -> None:
    """Replace the names of shards in the line of a manifest, which are relative to its folder or URL, by whole ones."""
    recording = row.get("recording") or {}
    for source in recording.get("sources", ()):
        name = source["source"]
        if source["type"] == SHARD and not (remote.is_url(name) or Path(name).is_absolute()):
            source["source"] = remote.join_url(folder, name) if remote.is_url(folder) else str(Path(folder, name))


def read_range(span: ByteRange) -> bytes:
    """Read some bytes of a shard. Raises ShardError if they cannot be read, from a store after several attempts."""
    if remote.is_url(span.file):
        return _read_remote([span])[0]
    try:
        with Path(span.file).open("rb") as file:
            file.seek(span.start)
            content = file.read(span.size)
    except FileNotFoundError:
        raise ShardError(f"{span.file}: no such shard; copy it there, or make the shards again") from None
    except OSError as error:
        raise ShardError(f"{span.file}: cannot be read: {error.strerror or error}") from None
    if len(content) != span.size:
        raise ShardError(f"{span.file}: the shard is cut off; copy it again, or make the shards again")
    return content


def _read_remote(spans: list[ByteRange]) -> list[bytes]:
    try:
        return remote.read_ranges(spans)
    except AsrError as error:
        raise ShardError(str(error)) from None


def fetch(cuts: Iterable[Any]) -> dict[ByteRange, bytes]:
    """Read the sound of those cuts that lie in shards of a store, many at once. Raises ShardError as `read_range`."""
    spans = [span for span in map(range_of, cuts) if span is not None and remote.is_url(span.file)]
    return dict(zip(spans, _read_remote(spans), strict=True)) if spans else {}


def read_stored(cut: Any, span: ByteRange, fetched: Mapping[ByteRange, bytes] | None = None) -> NDArray[np.float32]:
    """Read the samples (channels, S) of a cut in a shard, at its own rate.

    Args:
        cut: The cut.
        span: Where it lies, see `range_of`.
        fetched: What was read before, see `fetch`.

    Raises:
        ShardError: If the shard cannot be read.
        AudioError: If what lies there is not the sound that the manifest describes.
    """
    content = (fetched or {}).get(span)
    content = read_range(span) if content is None else content
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{span}: no sound: {one_line(error)}; make the shards again") from None
    recording = cut.recording
    if (len(samples), rate) != (recording.num_samples, recording.sampling_rate):
        found, expected = (
            f"{len(samples)} samples at {rate} Hz",
            f"{recording.num_samples} at {recording.sampling_rate}",
        )
        raise AudioError(f"{span}: the manifest says {expected} Hz, the shard has {found}; make the shards again")
    start = round(cut.start * rate)
    return np.ascontiguousarray(samples[start : start + cut.num_samples].T)


@lru_cache(maxsize=64)
def _sizes_in(folder: str) -> dict[str, int]:
    return {} if folder.startswith(("http://", "https://")) else remote.list_names(folder)


@lru_cache(maxsize=1 << 16)
def size_of_remote(url: str) -> int | None:
    """Return the bytes of a file in a store, by the listing of its folder; None if it is missing.

    Raises:
        AsrError: If the store cannot be asked.
    """
    folder, _, name = url.rpartition("/")
    size = _sizes_in(folder).get(name)
    return remote.find_size(url) if size is None else size


def forget_sizes() -> None:
    """Have the sizes of shards in stores looked up again."""
    _sizes_in.cache_clear()
    size_of_remote.cache_clear()
