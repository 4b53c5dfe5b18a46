"""An MP3 file in (or MP1, MP2), its frames out, whatever lies before, between and after them.

An MP3 file has no header, only frames. libsndfile guesses the length from the first, unless a Xing
or Info frame declares it, and drops what lies beyond. Here all frames are counted, and libsndfile gets them with an
Info frame that is right.
"""

import struct
from dataclasses import dataclass, field

from asr.signal.containers.layout import TOLERATED_SECONDS, FileView, Layout, Part, SpanBuilder

_SEARCHED_BYTES = 1 << 17  # for the first frame; a picture in a tag is skipped before
_BIT_RATES = {  # kbit/s by index, for version 1 and layer, then version 2 and 2.5
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
_DIVISOR = {3: 1, 2: 2, 0: 4}  # of the rates, by the bits of the version


@dataclass(frozen=True)
class _Kind:
    """What all frames of a stream share, and the size of one of them."""

    size: int  # bytes
    samples: int
    rate: int
    layer: int
    is_first_version: bool


def _tabulate() -> dict[int, _Kind]:
    """Return all frames by the second and third byte of their headers."""
    kinds = {}
    for second in range(0xE0, 0x100):
        version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
        if version == 1 or layer == 4:
            continue
        for third in range(256):
            index, rate_index, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
            if index in (0, 15) or rate_index == 3:
                continue
            rate = _RATES[rate_index] // _DIVISOR[version]
            bits = 1000 * _BIT_RATES[(1 if version == 3 else 2, layer)][index]
            if layer == 1:
                size, samples = 4 * (12 * bits // rate + padding), 384
            else:
                samples = 576 if layer == 3 and version != 3 else 1152
                size = samples // 8 * bits // rate + padding
            kinds[second << 8 | third] = _Kind(size, samples, rate, layer, version == 3)
    return kinds


_KINDS = _tabulate()


@dataclass
class _Stream:
    """Frames of one rate and number of channels."""

    kind: _Kind
    header: bytes  # of the first frame
    spans: SpanBuilder = field(default_factory=SpanBuilder)
    info: bytes = b""  # the Info or Xing frame that came first
    num_frames: int = 0
    num_bytes: int = 0


@dataclass
class _Scan:
    """What was found in a file."""

    runs: list[_Stream] = field(default_factory=list)
    skipped: int = 0  # bytes between frames that are neither tags nor zeros
    declared: tuple[int, int] | None = None  # frames and bytes, by the first frame; 0: not declared
    declared_end: int = 0  # frames at the next declaration, which belongs to another file joined to the first


def find_mpeg(
    view: FileView, start: int = 0, end: int | None = None, *, searched: int = _SEARCHED_BYTES
) -> Layout | None:
    """Find the frames of an MP3 file; None if it is none.

    Args:
        view: The file.
        start: Where to begin.
        end: Where to stop; None: the end of the file.
        searched: Bytes after tags in which the first frame must begin.
    """
    end = view.size if end is None else end
    position = skip_tags(view, start, end)
    if view.at(start, 3) == b"ID3":  # nothing but MPEG audio follows, even if the tag is longer than it says
        searched = end
    first = _find_frames(view, position, min(end, position + searched), end)
    if first < 0:
        return None
    scan = _scan(view, first, end)
    parts = tuple(_to_part(stream) for stream in scan.runs if stream.num_frames)
    if not parts:
        return None
    frames = sum(stream.num_frames for stream in scan.runs)
    seconds = sum(stream.num_frames * stream.kind.samples / stream.kind.rate for stream in scan.runs)
    lost = seconds * scan.skipped / max(1, sum(stream.num_bytes for stream in scan.runs))
    notes = (f"about {lost:.1f} s of it are no MP3 frames and were left out",) if lost > TOLERATED_SECONDS else ()
    missing = 0.0
    if scan.declared is not None:
        declared_frames, declared_bytes = scan.declared
        present = scan.declared_end or frames
        # Info frames count, too. What is damaged is still there: it is not missing at the end.
        of_bytes = scan.skipped + sum(stream.num_bytes + 2 * stream.kind.size for stream in scan.runs)
        if declared_frames > present and (not declared_bytes or declared_bytes > of_bytes):
            missing = (declared_frames - present) * seconds / frames
        elif not declared_frames and declared_bytes > of_bytes:
            missing = seconds * (declared_bytes - of_bytes) / of_bytes
    return Layout("MP3", parts, missing, notes=notes)


def _scan(view: FileView, position: int, end: int) -> _Scan:
    """Walk over all frames from the first."""
    scan, stream, key = _Scan(), None, -1
    while position < end:
        header = view.at(position, 4)
        kind = _KINDS.get(header[1] << 8 | header[2]) if len(header) == 4 and header[0] == 0xFF else None
        if kind is None or (_key(header) != key and not _continues(view, position, end)):
            following = _resume(view, position, end)
            tag_end = skip_tags(view, position, end)
            if tag_end == position or tag_end > following:
                is_padding = following == end and view.is_zero(position, following)
                scan.skipped += 0 if is_padding else following - position
            position = following
            continue
        if stream is None or _key(header) != key:
            stream, key = _Stream(kind, header), _key(header)
            scan.runs.append(stream)
        if position + kind.size > end:  # cut off
            break
        declared = _declared(view.at(position, min(kind.size, 200)), kind)
        if declared is None:
            stream.spans.add(position, position + kind.size)
            stream.num_frames += 1
            stream.num_bytes += kind.size
        else:
            _note_declared(scan, stream, declared, view.at(position, kind.size))
        position += kind.size
    return scan


def _note_declared(scan: _Scan, stream: _Stream, declared: tuple[int, int], frame: bytes) -> None:
    """Keep an Info frame; it is no sound."""
    frames = sum(stream.num_frames for stream in scan.runs)
    if frames == 0 and scan.declared is None:
        scan.declared = declared
        stream.info = frame
    elif not scan.declared_end:
        scan.declared_end = frames


def _key(header: bytes) -> int:
    """Return what the frames of a stream share: version, layer, rate, and whether there is one channel."""
    return (header[1] & 0xFE) << 16 | (header[2] & 0x0C) << 8 | (header[3] >> 6 == 3)


def _continues(view: FileView, position: int, end: int) -> bool:
    """Return whether three frames alike follow each other from a position, or two before a tag or the end."""
    key = None
    for count in range(3):
        if count == 2 and skip_tags(view, position, end) > position:
            return True
        header = view.at(position, 4)
        kind = _KINDS.get(header[1] << 8 | header[2]) if len(header) == 4 and header[0] == 0xFF else None
        if kind is None or (key is not None and _key(header) != key):
            return count == 2 and position >= end
        key = _key(header)
        position += kind.size
    return True


def _find_frames(view: FileView, position: int, limit: int, end: int) -> int:
    """Return the first position before a limit at which frames begin; -1 for none."""
    while (position := view.find(b"\xff", position, limit)) >= 0:
        if _continues(view, position, end):
            return position
        position += 1
    return -1


def _resume(view: FileView, position: int, end: int) -> int:
    """Return where frames continue after a position at which none begins: behind tags, or wherever they are."""
    after_tags = skip_tags(view, position, end)
    if after_tags > position and (after_tags >= end or _continues(view, after_tags, end)):
        return after_tags
    following = _find_frames(view, position + 1, end, end)
    return end if following < 0 else following


def skip_tags(view: FileView, position: int, end: int) -> int:
    """Return the position after all ID3 and APE tags, and zeros, at a position."""
    while position < end:
        start = view.at(position, 32)
        if start[:3] == b"ID3" and len(start) >= 10 and max(start[6:10]) < 0x80:
            # Four bytes of seven bits (ID3v2.4, section 3.1), and a footer if a flag says so.
            size = sum(byte << shift for byte, shift in zip(start[6:10], (21, 14, 7, 0), strict=True))
            following = position + 10 + size + (10 if start[5] & 0x10 else 0)
            position = following if following <= end else position + 10  # its size is wrong
        elif start[:3] == b"TAG" and end - position >= 128:
            position += 128
        elif start[:8] == b"APETAGEX":
            size, flags = struct.unpack("<4xI4xI", start[8:24])
            position += size + 32 if flags & 0x20000000 else 32  # a header, or a footer after its items
        elif start[:11] == b"LYRICSBEGIN" and (close := view.find(b"LYRICS200", position, end)) >= 0:
            position = close + 9
        elif start[:1] == b"\0":
            count = len(start) - len(start.lstrip(b"\0"))
            position += count
        else:
            break
    return min(position, end)


def _info_offset(header: bytes, *, is_first_version: bool) -> int:
    """Return where the tag stands in an Info frame: after the header and the side information, which is zero."""
    is_mono = header[3] >> 6 == 3
    return 4 + ((17 if is_mono else 32) if is_first_version else (9 if is_mono else 17))


def _declared(frame: bytes, kind: _Kind) -> tuple[int, int] | None:
    """Return the frames and bytes that an Info, Xing or VBRI frame declares, 0 if not; None for other frames."""
    if kind.layer != 3:
        return None
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        num_bytes, num_frames = struct.unpack(">II", frame[46:54])
        return num_frames, num_bytes
    at = _info_offset(frame, is_first_version=kind.is_first_version)
    if frame[at : at + 4] not in (b"Xing", b"Info") or len(frame) < at + 16:
        return None
    flags = frame[at + 7]
    fields = [int.from_bytes(frame[at + 8 + 4 * index : at + 12 + 4 * index], "big") for index in range(2)]
    num_frames = fields[0] if flags & 1 else 0
    num_bytes = fields[flags & 1] if flags & 2 else 0
    return tuple(0 if count >= 2**31 else count for count in (num_frames, num_bytes))  # type: ignore[return-value]


def _to_part(stream: _Stream) -> Part:
    spans = tuple(stream.spans.spans)
    return Part((_info_frame(stream), *spans) if stream.kind.layer == 3 else spans)


def _info_frame(stream: _Stream) -> bytes:
    """Return an Info frame with the true numbers: the file's own, which says what to trim, or a new one."""
    frame, kind = stream.info, stream.kind
    at = _info_offset(stream.header, is_first_version=kind.is_first_version)
    if frame[at : at + 4] not in (b"Xing", b"Info") or frame[at + 7] & 3 != 3:
        second, third = stream.header[1] | 1, stream.header[2]  # without a checksum
        third = next(
            index << 4 | third & 0x0C
            for index in range(1, 15)
            if _KINDS[second << 8 | index << 4 | third & 0x0C].size >= at + 16
        )
        header = bytes([0xFF, second, third, stream.header[3]])
        frame = (header + bytes(at - 4) + b"Info\0\0\0\3").ljust(_KINDS[second << 8 | third].size, b"\0")
    counts = struct.pack(">II", stream.num_frames, len(frame) + stream.num_bytes)
    # Decoders believe it only if the side information is zero.
    return frame[:4] + bytes(at - 4) + frame[at : at + 8] + counts + frame[at + 16 :]
