"""Where the sound lies in a file: what the readers of containers return, and files made of pieces of another.

Headers may be wrong: recorders crash, writers stream, copies break off. A `Layout` says where the sound really is, so
that libsndfile, which believes headers, can be shown a file whose header is right.
"""

import os
import struct
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import BinaryIO, TypeAlias

# Some writers count the header or a padding byte as audio; such a small loss is not worth an error.
TOLERATED_SECONDS = 0.1
_BLOCK_BYTES = 1 << 18

Span: TypeAlias = tuple[int, int] | bytes  # from one position of the file to another, or bytes to insert


@dataclass(frozen=True)
class RawFormat:
    """Samples without a header, in libsndfile's names."""

    rate: float
    channels: int
    subtype: str
    endian: str

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * SAMPLE_BYTES[self.subtype]


SAMPLE_BYTES = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4}
SAMPLE_BYTES |= {"FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1}


@dataclass(frozen=True)
class Part:
    """A part of a recording that is decoded by itself: all of most files, one of several streams of others."""

    spans: tuple[Span, ...]
    raw: RawFormat | None = None  # for samples without a header

    def moved(self, offset: int) -> "Part":
        """Return the same part in a file that has so many bytes before it."""
        moved = (span if isinstance(span, bytes) else (span[0] + offset, span[1] + offset) for span in self.spans)
        return replace(self, spans=tuple(moved))


@dataclass(frozen=True)
class Layout:
    """The sound in a file.

    Attributes:
        kind: Name of the container.
        parts: To decode one after the other.
        missing: Seconds of sound that the header declares and the file ends before.
        is_least: Whether more than `missing` may be, because nothing declares the length.
        lost: Seconds of sound within it that are damaged; decoding leaves them out.
        notes: What a user should know of how the file was read, each a sentence without the file's name.
        seconds: Seconds of sound in raw parts, to be compared with libsndfile's; None if they are not known.
        raw: The part to decode if libsndfile finds another length, or does not know the container.
    """

    kind: str
    parts: tuple[Part, ...]
    missing: float = 0.0
    lost: float = 0.0
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    raw: Part | None = None
    is_least: bool = False

    def moved(self, offset: int) -> "Layout":
        """Return the same layout in a file that has so many bytes before it."""
        raw = None if self.raw is None else self.raw.moved(offset)
        return replace(self, parts=tuple(part.moved(offset) for part in self.parts), raw=raw)


class FileView:
    """Reads pieces of a file at any position, through a buffer: many small reads close together are fast.

    Args:
        file: The file.
        base: The position that counts as its first.
    """

    def __init__(self, file: BinaryIO, base: int = 0) -> None:
        self._file = file
        self._base = base
        self.size = max(0, file.seek(0, os.SEEK_END) - base)
        self._start, self._buffer = 0, b""

    def at(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes from `position`; fewer at the end of the file."""
        offset = position - self._start
        if not 0 <= offset <= len(self._buffer) - count:
            if position < 0 or position >= self.size:
                return b""
            self._file.seek(self._base + position)
            self._start, offset = position, 0
            self._buffer = self._file.read(max(count, _BLOCK_BYTES))
        return self._buffer[offset : offset + count]

    def find(self, pattern: bytes, start: int, end: int | None = None) -> int:
        """Return the first position of a pattern between two positions, or -1."""
        end = self.size if end is None else min(end, self.size)
        while start < end:
            block = self.at(start, min(_BLOCK_BYTES, end - start))
            if (index := block.find(pattern)) >= 0:
                return start + index
            if len(block) < _BLOCK_BYTES:
                return -1
            start += len(block) - len(pattern) + 1
        return -1

    def is_zero(self, start: int, end: int) -> bool:
        """Return whether all bytes between two positions are zero."""
        while start < end:
            block = self.at(start, min(_BLOCK_BYTES, end - start))
            if block.count(0) != len(block) or not block:
                return not block
            start += len(block)
        return True

    def integer(self, position: int, layout: str) -> int | None:
        """Return one integer in a layout of `struct`; None beyond the end."""
        data = self.at(position, size := struct.calcsize(layout))
        return int(struct.unpack(layout, data)[0]) if len(data) == size else None


class SpanFile:
    """A file made of pieces of another and of inserted bytes; it is read and sought like any other.

    It has no name: going by suffixes, libsndfile would take text for MP3 and refuse .raw. It raises nothing: libsndfile
    calls it from C, where an exception would print a traceback.
    """

    def __init__(self, file: BinaryIO, spans: tuple[Span, ...]) -> None:
        self._file = file
        self._spans = spans
        sizes = (len(span) if isinstance(span, bytes) else span[1] - span[0] for span in spans)
        self._starts = [0, *accumulate(sizes)]
        self._position = 0
        self.tell = lambda: self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move as a file does; positions before the start are not reached."""
        base = (0, self._position, self._starts[-1])[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; fewer at the end only."""
        pieces = []
        while count > 0 and self._position < self._starts[-1]:
            index = bisect_right(self._starts, self._position) - 1
            inside = self._position - self._starts[index]
            available = min(count, self._starts[index + 1] - self._position)
            piece = self._read_span(self._spans[index], inside, available)
            if not piece:  # the file has become shorter
                break
            pieces.append(piece)
            self._position += len(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _read_span(self, span: Span, start: int, count: int) -> bytes:
        if isinstance(span, bytes):
            return span[start : start + count]
        try:
            self._file.seek(span[0] + start)
            return self._file.read(count)
        except (OSError, ValueError):
            return b""


@dataclass
class SpanBuilder:
    """Collects pieces of a file; adjacent ones become one."""

    spans: list[tuple[int, int]] = field(default_factory=list)

    def add(self, start: int, end: int) -> None:
        """Append the bytes between two positions."""
        if self.spans and self.spans[-1][1] == start:
            self.spans[-1] = (self.spans[-1][0], end)
        else:
            self.spans.append((start, end))
