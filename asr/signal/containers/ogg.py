"""An Ogg file in, its streams out (RFC 3533): each link of a chain by itself, damaged pages left out and counted.

libsndfile reads the first link only, and skips damaged pages without a word.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from asr.signal.containers.layout import TOLERATED_SECONDS, FileView, Layout, Part, SpanBuilder

_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_HEADER_BYTES = 27
_FIRST, _LAST = 2, 4  # flags of pages that begin and end a stream
_NO_GRANULE = 2**64 - 1  # of a page on which no packet ends


class _Page(NamedTuple):
    start: int
    end: int
    flags: int
    granule: int
    serial: int
    number: int
    is_whole: bool  # whether its checksum is right


@dataclass
class _Link:
    """The pages from one beginning of streams to the next."""

    spans: SpanBuilder = field(default_factory=SpanBuilder)
    rate: int = 0  # granules per second, of the audio stream
    serial: int | None = None  # of the audio stream
    granules: int = 0  # of its pages so far
    number: int = -1  # of its last page
    page_granules: int = 0  # of the last page
    end: int = 0  # of its last page
    is_finished: bool = False  # whether a page says that it is the last
    skipped: int = 0  # pages since the last with granules
    lost: float = 0.0  # seconds


def find_ogg(view: FileView, *, verify: bool) -> Layout | None:
    """Find the streams of an Ogg file; None if it is none.

    Args:
        view: The file.
        verify: Whether to verify checksums, which takes reading all of the file.
    """
    if view.at(0, 4) != b"OggS":
        return None
    links: list[_Link] = []
    was_first = False
    page = None
    for page in _pages(view, verify=verify):
        is_first = bool(page.flags & _FIRST) and page.is_whole
        if is_first and not was_first:
            links.append(_Link())
        was_first = is_first
        if links and page.is_whole:
            _append(links[-1], view, page)
    last = links[-1] if links else _Link()
    breaks_off = page is None or page.end > view.size
    lost = sum(link.lost for link in links)
    notes = (f"about {lost:.1f} s of it are damaged and were left out",) if lost > TOLERATED_SECONDS else ()
    if not (breaks_off or last.is_finished) and view.size > last.end:
        notes = (*notes, f"{view.size - last.end} bytes at its end are damaged and were left out")
    elif not breaks_off and last.rate and not last.is_finished:
        # No error: recorders that are stopped leave no flag for the end, and what is there is whole.
        notes = (*notes, "nothing marks its end, so sound may be missing there, as after a crash or a cut")
    missing = max(last.page_granules / last.rate, 2 * TOLERATED_SECONDS) if breaks_off and last.rate else 0.0
    parts = tuple(Part(tuple(link.spans.spans)) for link in links)
    return Layout("Ogg", parts, missing, lost, notes, is_least=True) if parts else None


def _append(link: _Link, view: FileView, page: _Page) -> None:
    """Append a page that is not damaged to a link."""
    link.spans.add(page.start, page.end)
    link.end = page.end
    if page.flags & _FIRST and link.serial is None:
        link.rate = _sample_rate(view.at(page.end - _body_size(view, page.start), 64))
        link.serial, link.number = (page.serial if link.rate else None), page.number
        return
    if page.serial != link.serial:
        return
    link.skipped += max(0, page.number - link.number - 1)
    link.number = page.number
    link.is_finished = bool(page.flags & _LAST)
    if page.granule == _NO_GRANULE or page.granule < link.granules:
        return
    granules = page.granule - link.granules
    if link.skipped:  # pages are about as long as each other
        link.lost += granules * link.skipped / (link.skipped + 1) / link.rate
        link.skipped = 0
    elif link.granules:
        link.page_granules = granules
    link.granules = page.granule


def _body_size(view: FileView, start: int) -> int:
    count = view.at(start + 26, 1)
    return sum(view.at(start + _HEADER_BYTES, count[0])) if count else 0


def _sample_rate(packet: bytes) -> int:
    """Return the granules per second of the audio stream that a packet begins; 0 for other streams."""
    if packet[:7] == b"\x01vorbis" and len(packet) >= 16:
        return int(struct.unpack("<I", packet[12:16])[0])
    if packet[:8] == b"OpusHead":
        return 48000
    if packet[:5] == b"\x7fFLAC" and len(packet) >= 30:  # 20 bits of STREAMINFO
        return int.from_bytes(packet[27:30], "big") >> 4
    if packet[:8] == b"Speex   " and len(packet) >= 40:
        return int(struct.unpack("<I", packet[36:40])[0])
    return 0


def _pages(view: FileView, *, verify: bool) -> Iterator[_Page]:
    """Yield the pages; between them, other bytes are skipped."""
    position = 0
    while (position := _next_page(view, position)) >= 0:
        header = view.at(position, _HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            yield _Page(position, view.size + 1, 0, _NO_GRANULE, 0, 0, is_whole=False)
            return
        flags, granule, serial, number, checksum, count = struct.unpack("<xBQIIIB", header[4:])
        lacing = view.at(position + _HEADER_BYTES, count)
        end = position + _HEADER_BYTES + count + sum(lacing)
        is_whole = len(lacing) == count and end <= view.size
        if is_whole and (verify or view.at(end, 4) != b"OggS"):
            is_whole = page_checksum(view.at(position, end - position)) == checksum
        yield _Page(position, end, flags, granule, serial, number, is_whole)
        if is_whole:
            position = end
        else:
            following = _next_page(view, position + 1)
            if following < 0:
                return
            position = following


def _next_page(view: FileView, position: int) -> int:
    """Return the next position at which a page begins, or its first letters at the end of the file; -1 for none."""
    return position if view.at(position, 4) == b"OggS" else view.find(b"OggS", position)


def page_checksum(page: bytes) -> int:
    """Compute the checksum of a page: a CRC of 32 bits whose polynomial is zlib's, with the bits in another order."""
    blank = page[:22] + bytes(4) + page[26:]
    reversed_crc = zlib.crc32(blank.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reversed_crc:032b}"[::-1], 2)
