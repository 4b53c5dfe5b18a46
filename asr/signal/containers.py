"""What a recording's container declares about its own length: file in, a reason for distrust out.

libsndfile reads a WAV or Ogg file that was cut off as if it were a shorter one, and guesses the
length of an MP3 without a length header. These few checks read headers only, never samples.
"""

import os
import re
import struct
from typing import BinaryIO

# Writers that stream do not know the size yet: ffmpeg leaves 0xFFFFFFFF, sox 0x7FFFF000 and more.
_SIZE_UNKNOWN = 0x7FFFF000
# Some writers count the header, or a padding byte, as audio; so little lost is not worth an error.
TOLERATED_SECONDS = 0.1
_LARGEST_OGG_PAGE = 27 + 255 + 255 * 255  # bytes (RFC 3533, section 6)


def missing_wav_seconds(file: BinaryIO) -> float:
    """Seconds of audio that a WAV file's data chunk promises and the file does not hold.

    Args:
        file: A binary file that can seek; its position is moved.

    Returns:
        Seconds; 0 where nothing is missing, the size was left open, or it is not a RIFF WAV file.
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
    """Whether an Ogg file ends in the midst of a page (RFC 3533, section 6).

    A missing end-of-stream flag alone is no reason: recorders that are stopped leave none.

    Args:
        file: A binary file that can seek; its position is moved.
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
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def mp3_extent(file: BinaryIO) -> tuple[int, int] | None:
    """Bytes of audio that an MP3 file declares in its first frame, and bytes that are there.

    Without a Xing, Info or VBRI header libsndfile guesses the length from the first frame's bit
    rate, and drops what lies beyond its guess.

    Args:
        file: A binary file that can seek; its position is moved.

    Returns:
        (declared, there), or None where the file declares nothing. More than declared is there
        where files were joined end to end, or where a tag with a picture comes last.
    """
    file.seek(0)
    tag = file.read(10)
    # An ID3v2 tag comes first, its size in four bytes of seven bits (ID3v2.4, section 3.1).
    is_tagged = len(tag) == 10 and tag[:3] == b"ID3"
    start = 10 + sum(byte << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True)) if is_tagged else 0
    file.seek(start)
    first_frame = file.read(1024)
    found = re.search(rb"(?:Xing|Info)\0\0\0[\x03\x07\x0b\x0f].{4}(.{4})|VBRI.{6}(.{4})", first_frame, re.DOTALL)
    if found is None:
        return None
    return int.from_bytes(found[1] or found[2], "big"), file.seek(0, os.SEEK_END) - start


def unread_mp3_seconds(file: BinaryIO, decoded_seconds: float) -> float:
    """Seconds, about, that follow where the decoder of an MP3 file stopped reading.

    Two MP3 files joined end to end declare the length of the first alone.

    Args:
        file: The file at the position where the decoder left it.
        decoded_seconds: Length of what was decoded so far.
    """
    position = file.tell()
    file_size = file.seek(0, os.SEEK_END)
    file.seek(max(0, file_size - 160))
    # An APE tag, often with a picture, ends in this name within the last 32 bytes, or 128 before when ID3v1 follows.
    if b"APETAGEX" in file.read() or position == 0:
        return 0.0
    return (file_size - position) * decoded_seconds / position


def au_header(rate: int, channels: int) -> bytes:
    """A header that makes a recording of raw samples that follow it, however many.

    Args:
        rate: Hz.
        channels: Interleaved, of signed 16-bit little-endian samples.

    Returns:
        24 bytes: an AU header of open length, in the byte order of DEC's machines, which libsndfile knows.
    """
    linear_16_bit, length_unknown = 3, 0xFFFFFFFF
    return struct.pack("<4s5I", b"dns.", 24, length_unknown, linear_16_bit, rate, channels)
