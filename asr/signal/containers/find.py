"""Any file in, the layout of its sound out, or None for containers that only libsndfile or ffmpeg know."""

import re
import struct
from typing import BinaryIO

from asr.signal.containers.flac import find_flac
from asr.signal.containers.layout import FileView, Layout
from asr.signal.containers.mpeg import find_mpeg, skip_tags
from asr.signal.containers.ogg import find_ogg
from asr.signal.containers.pcm import find_pcm, mpeg_in_wav

# Containers in which frames of MPEG audio may occur by chance or among others: MP4, Matroska, ASF, AMR, FLV, MPEG
# transport and programme streams, and the other containers of uncompressed samples.
_OTHERS = re.compile(
    rb"....(ftyp|moov|mdat|free|skip|wide)|\x1aE\xdf\xa3|0&\xb2u|#!AMR|FLV|\x00\x00\x01\xba|G.{187}G|RIFF|RIFX|RF64|BW64|"
    rb"riff|FORM|\.snd|dns\.|NIST_1A|caff|OggS|fLaC|Creative|\.sd\.| paf|fap |wvpk|MAC |TTA|MPCK|MP\+",
    re.DOTALL,
)

# What a container may begin with behind tags or damage.
_STARTS = re.compile(
    rb"(RIFF|RIFX|RF64|BW64)....WAVE|FORM....AIF[FC]|OggS\x00\x02|fLaC[\x00\x80]\x00\x00\x22|caff\x00\x01\x00\x00|"
    rb"NIST_1A\n   1024\n|\.snd\x00\x00\x00[\x18-\xff]|riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb",
    re.DOTALL,
)
_SEARCHED_BYTES = 1 << 16


def find_layout(file: BinaryIO, *, verify: bool = True) -> Layout | None:
    """Find the sound in a file; None if its container is not known here.

    Args:
        file: The file, whose position is moved.
        verify: Whether checksums are verified and large files searched for further streams, as is worthwhile if the
            sound will be decoded.
    """
    view = FileView(file)
    if (layout := _find_at_start(view, verify=verify)) is not None:
        return layout
    if _OTHERS.match(view.at(0, 256)):
        return None
    start = skip_tags(view, 0, view.size)
    if _OTHERS.match(view.at(start, 256)) is None:
        match = _STARTS.search(view.at(start, _SEARCHED_BYTES))
        if match is None:
            return find_mpeg(view, start)
        start += match.start()
    layout = _find_at_start(FileView(file, start), verify=verify)
    return None if layout is None else layout.moved(start)


def _find_at_start(view: FileView, *, verify: bool) -> Layout | None:
    if (inside := mpeg_in_wav(view)) is not None:
        return find_mpeg(view, *inside)
    return find_pcm(view) or find_ogg(view, verify=verify) or find_flac(view, verify=verify)


def au_header(rate: int, channels: int) -> bytes:
    """Return a header that turns any number of signed 16-bit little-endian samples after it into a recording.

    It is an AU header of unknown length, in DEC's byte order, which libsndfile knows.
    """
    linear_16_bit, length_unknown = 3, 0xFFFFFFFF
    return struct.pack("<4s5I", b"dns.", 24, length_unknown, linear_16_bit, rate, channels)
