"""A recording's file in, what its container declares about its length out.

libsndfile reads a WAV or Ogg file that was cut off as if it were a shorter one, and guesses the length of an MP3 file
without a length header. These checks read headers only, never samples, and move the file's position.
"""

import os
import re
import struct
from typing import BinaryIO

# Streaming writers do not know the size yet: ffmpeg leaves 0xFFFFFFFF, sox 0x7FFFF000 and more.
_SIZE_UNKNOWN = 0x7FFFF000
# Some writers count the header or a padding byte as audio; such a small loss is not worth an error.
TOLERATED_SECONDS = 0.1
_LARGEST_OGG_PAGE = 27 + 255 + 255 * 255  # bytes (RFC 3533, section 6)


def missing_wav_seconds(file: BinaryIO) -> float:
    """Return the seconds of audio that a WAV file's data chunk declares but the file does not hold.

    It is 0 if nothing is missing, the size was left open, or it is not a RIFF WAV file.
    """
    file_size = file.seek(0, os.SEEK_END)
    file.seek(0)
    header = file.read(12)
    if header[:4] != b"RIFF" or header[8:] != b"WAVE":
        return 0.0
    bytes_per_second = 0
    while len(chunk_header := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", chunk_header)
        if kind == b"data":
            missing = size - (file_size - file.tell())
            if size >= _SIZE_UNKNOWN or missing <= 0 or bytes_per_second == 0:
                return 0.0
            return float(missing / bytes_per_second)
        start = file.tell()
        if kind == b"fmt " and len(fields := file.read(12)) == 12:
            bytes_per_second = struct.unpack("<8xI", fields)[0]
        file.seek(start + size + size % 2)  # chunks lie on even offsets
    return 0.0


def ogg_breaks_off(file: BinaryIO) -> bool:
    """Return whether an Ogg file ends in the middle of a page (RFC 3533, section 6).

    A missing end-of-stream flag alone does not count: recorders that are stopped leave none.
    """
    file.seek(0)
    if file.read(4) != b"OggS":
        return False
    file_size = file.seek(0, os.SEEK_END)
    file.seek(max(0, file_size - _LARGEST_OGG_PAGE))
    tail = file.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    if page[:4] != b"OggS":
        return False
    return len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def mp3_extent(file: BinaryIO) -> tuple[int, int] | None:
    """Return the bytes of audio that an MP3 file declares in its first frame, and those it has.

    Without a Xing, Info or VBRI header libsndfile guesses the length from the first frame's bit rate, and drops
    audio beyond its guess.

    Returns:
        (declared, present), or None if the file declares nothing. Files have more than they declare if they were
        joined end to end, or if a tag with a picture comes last.
    """
    file.seek(0)
    tag = file.read(10)
    # An ID3v2 tag comes first, its size in four bytes of seven bits (ID3v2.4, section 3.1).
    is_tagged = len(tag) == 10 and tag[:3] == b"ID3"
    start = 10 + sum(byte << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True)) if is_tagged else 0
    file.seek(start)
    first_frame = file.read(1024)
    header = re.search(rb"(?:Xing|Info)\0\0\0[\x03\x07\x0b\x0f].{4}(.{4})|VBRI.{6}(.{4})", first_frame, re.DOTALL)
    if header is None:
        return None
    return int.from_bytes(header[1] or header[2], "big"), file.seek(0, os.SEEK_END) - start


def unread_mp3_seconds(file: BinaryIO, decoded_seconds: float) -> float:
    """Estimate the seconds of audio after the file's position, at which the decoder of an MP3 file stopped.

    Two MP3 files joined end to end declare only the length of the first.
    """
    position = file.tell()
    file_size = file.seek(0, os.SEEK_END)
    file.seek(max(0, file_size - 160))
    # An APE tag, often with a picture, has this name in its last 32 bytes; an ID3v1 tag of 128 bytes may follow.
    if b"APETAGEX" in file.read() or position == 0:
        return 0.0
    return (file_size - position) * decoded_seconds / position


def au_header(rate: int, channels: int) -> bytes:
    """Return a header that turns any number of signed 16-bit little-endian samples after it into a recording.

    It is an AU header of unknown length, in DEC's byte order, which libsndfile knows.
    """
    linear_16_bit, length_unknown = 3, 0xFFFFFFFF
    return struct.pack("<4s5I", b"dns.", 24, length_unknown, linear_16_bit, rate, channels)
