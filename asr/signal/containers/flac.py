"""A FLAC file in, its streams and their true lengths out (RFC 9639).

Streaming writers leave the length open, and libsndfile then drops the last samples; joined files declare the length of
the first only.
"""

import re
from dataclasses import dataclass

from asr.signal.containers.layout import TOLERATED_SECONDS, FileView, Layout, Part

_STREAM = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_TAIL_BYTES = 1 << 20  # in which the last frame begins: the longest frames of 8 channels are shorter
_BLOCK_SIZES = [0, 192, 576, 1152, 2304, 4608, 0, 0, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768]

_RATES = dict(enumerate([88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000], start=1))


def _table(polynomial: int, bits: int) -> list[int]:
    """Return the remainders of all bytes, for a CRC of 8 or 16 bits."""
    remainders = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value >> (bits - 1) else 0)
            value &= (1 << bits) - 1
        remainders.append(value)
    return remainders


_CRC8, _CRC16 = _table(0x07, 8), _table(0x8005, 16)


@dataclass(frozen=True)
class _StreamInfo:
    start: int  # of the stream
    block_size: int  # the smallest
    rate: int
    declared: int  # samples; 0 if left open
    frames: int  # position of the first frame
    frame_bytes: int  # of the longest; 0 if not known


@dataclass(frozen=True)
class _Frame:
    start: int
    number: int  # of the frame, or of its first sample
    is_variable: bool  # the number is of a sample
    block_size: int
    rate: int  # 0: that of the stream

    def end_sample(self, block_size: int) -> int:
        """Return the number of the sample after it; all frames before have `block_size` samples, unless variable."""
        return self.number + self.block_size if self.is_variable else self.number * block_size + self.block_size


def find_flac(view: FileView, *, verify: bool) -> Layout | None:
    """Find the streams of a FLAC file; None if it is none.

    Args:
        view: The file.
        verify: Whether to search the file for further streams, which takes reading all of it, and for its last byte.
    """
    if view.at(0, 4) != b"fLaC":
        return None
    starts = [0]
    while verify:
        following = _find_stream(view, starts[-1] + 4)
        if following < 0:
            break
        starts.append(following)
    parts, missing, notes, is_least = [], 0.0, [], False
    for first, end in zip(starts, [*starts[1:], view.size], strict=True):
        info = _read_info(view, first)
        if info is None:
            return None
        part, lost, note = _measure(view, info, end, verify=verify)
        parts.append(part)
        missing += lost
        notes += note
        is_least = is_least or info.declared == 0
    return Layout("FLAC", tuple(parts), missing, notes=tuple(notes), is_least=is_least)


def _find_stream(view: FileView, position: int) -> int:
    while (position := view.find(b"fLaC", position)) >= 0:
        if _STREAM.match(view.at(position, 8)):
            return position
        position += 1
    return -1


def _read_info(view: FileView, start: int) -> _StreamInfo | None:
    """Read STREAMINFO and skip the other blocks of metadata."""
    fields = view.at(start + 8, 34)
    if len(fields) < 34:
        return None
    position = start + 4
    while len(header := view.at(position, 4)) == 4:
        position += 4 + int.from_bytes(header[1:], "big")
        if header[0] & 0x80:  # the last
            break
    rate = int.from_bytes(fields[10:13], "big") >> 4
    declared = int.from_bytes(fields[13:18], "big") & (2**36 - 1)
    longest = int.from_bytes(fields[7:10], "big")
    return _StreamInfo(
        start, int.from_bytes(fields[:2], "big"), rate, declared, position, min(longest, _TAIL_BYTES // 2)
    )


def _measure(view: FileView, info: _StreamInfo, end: int, *, verify: bool) -> tuple[Part, float, list[str]]:
    """Return a stream with its true length in its header, the seconds that it lacks, and what to note of it."""
    whole = Part(((info.start, end),))
    frame, tail = None, b""
    for size in (2 * info.frame_bytes + 4096, _TAIL_BYTES):  # the second if other bytes follow the stream
        start = max(info.frames, end - size)
        tail = view.at(start, end - start)
        frame = _last_frame(tail, start == info.frames, info)
        if frame is not None:
            break
    if frame is None or info.rate == 0:
        return whole, 0.0, []
    present = frame.end_sample(info.block_size)
    if (verify or present != info.declared) and not _is_complete(tail[frame.start :]):  # the last frame is cut off
        present -= frame.block_size
        if info.declared == 0:
            return whole, max(frame.block_size / info.rate, 2 * TOLERATED_SECONDS), []
    difference, rate = (info.declared - present) / info.rate, frame.rate or info.rate
    if info.declared and difference > TOLERATED_SECONDS:
        return whole, difference, []
    if difference == 0 and rate == info.rate:
        return whole, 0.0, []
    notes = []
    if info.declared and -difference > TOLERATED_SECONDS:
        lengths = f"{info.declared / info.rate:.1f} s of audio, but {present / info.rate:.1f} s are there"
        notes = [f"its header declares {lengths}; all are read"]
    at = info.start + 18  # of the rate in 20 bits, the channels and bits in 8, the length in 36
    field = rate << 44 | (int.from_bytes(view.at(at, 8), "big") >> 36 & 0xFF) << 36 | present
    return Part(((info.start, at), field.to_bytes(8, "big"), (at + 8, end))), 0.0, notes


def _last_frame(tail: bytes, is_all: bool, info: _StreamInfo) -> _Frame | None:
    """Find the last frame that begins in the tail of a stream.

    Its header is only believed if it continues the count of the frame before it: eight bits of checksum alone are met
    by chance.
    """
    frames = [
        frame
        for match in re.finditer(rb"\xff[\xf8\xf9]", tail)
        if (frame := _read_frame(tail, match.start(), info)) is not None
    ]
    if is_all and len(frames) == 1 and frames[0].number == 0:
        return frames[0]
    expected = {frame.number + (frame.block_size if frame.is_variable else 1) for frame in frames}
    return next((frame for frame in reversed(frames) if frame.number in expected), None)


def _read_frame(data: bytes, start: int, info: _StreamInfo) -> _Frame | None:
    """Read a frame's header; None if it is none or its checksum is wrong."""
    header = data[start : start + 16]
    if len(header) < 6 or header[3] & 1 or header[2] >> 4 == 0 or header[2] & 15 == 15 or header[3] >> 4 > 10:
        return None
    length = next((count for count in range(8) if not header[4] << count & 0x80), 8)  # of the number, as in UTF-8
    if length in (1, 8):
        return None
    size = max(1, length)
    number = header[4] & (0x7F >> length)
    for byte in header[5 : 4 + size]:
        if byte >> 6 != 2:
            return None
        number = number << 6 | byte & 0x3F
    position, code = 4 + size, header[2] >> 4
    block_size = _BLOCK_SIZES[code]
    if code in (6, 7):
        block_size = int.from_bytes(header[position : position + code - 5], "big") + 1
        position += code - 5
    position += {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    if position >= len(header) or _crc(header[:position], _CRC8, 8) != header[position]:
        return None
    return _Frame(start, number, bool(header[1] & 1), block_size, _RATES.get(header[2] & 15, 0))


def _is_complete(data: bytes) -> bool:
    """Return whether bytes that begin with a frame hold all of it, perhaps with other bytes after it.

    It is true by chance for some that do not. Decoding them fails.
    """
    for tail in (0, 128):  # an ID3v1 tag
        if (tail == 0 or data[-tail:].startswith(b"TAG")) and _crc(data[: len(data) - tail], _CRC16, 16) == 0:
            return True
    value = 0
    for byte in data:  # the checksum of a frame with its checksum is zero
        value = (value << 8 & 0xFFFF) ^ _CRC16[value >> 8 ^ byte]
        if value == 0:
            return True
    return False


def _crc(data: bytes, table: list[int], bits: int) -> int:
    value, mask = 0, (1 << bits) - 1
    for byte in data:
        value = (value << 8 & mask) ^ table[value >> (bits - 8) ^ byte]
    return value
