"""Containers of uncompressed samples in, where the samples lie out: WAV and its kin, AIFF, AU, SPHERE, CAF.

libsndfile believes the sizes in their headers. Recorders that crash leave them zero or too small, writers to a pipe
leave them at their largest value, and a file that was cut off still declares what it had.
"""

import math
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asr.signal.containers.layout import SAMPLE_BYTES, TOLERATED_SECONDS, FileView, Layout, Part, RawFormat

_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of the identifiers of most chunks
_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
# Chunks that follow the samples. Others count only if they fit into the file.
_KNOWN_CHUNKS = frozenset(
    re.findall(
        b"....",
        b"LISTINFOJUNKjunkPAD FLLRfactPEAKcue smplinstplstlablnoteltxtbextiXMLaxmlchnaid3 ID3 _PMXaXMLumidSAURminf"
        b"elm1regnovwfafspDISPacidstrccartlevllinkMARKINSTCOMMNAMEAUTH(c) ANNOMIDI"
        b"APPLAESDCOMTFVERSSNDbasctrnscateCHANCSETr64m",
    )
)
_RECORDINGS = (b"RIFF", b"RF64", b"FORM")
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")


class _Chunk(NamedTuple):
    name: bytes
    start: int  # of its content
    size: int  # of its content, as declared


@dataclass(frozen=True)
class Samples:
    """What a header says of the samples.

    Attributes:
        kind: Name of the container.
        start: Position of the first.
        declared: Bytes that may be declared, in any of the header's fields; those left open are left out.
        raw: Their format; None if they are compressed.
        byte_rate: Bytes per second.
        is_doubtful: Whether the fields of their format contradict each other.
    """

    kind: str
    start: int
    declared: tuple[int, ...]
    raw: RawFormat | None
    byte_rate: float
    is_doubtful: bool = False


def find_pcm(view: FileView) -> Layout | None:
    """Find the samples in a file; None if it has another container or its header cannot be used."""
    magic = view.at(0, 16)
    for pattern, read in _READERS:
        if re.match(pattern, magic, re.DOTALL):
            try:
                samples = read(view)
            except (struct.error, ValueError, OverflowError, ZeroDivisionError):
                return None
            return None if samples is None or samples.byte_rate <= 0 else _locate(view, samples)
    return None


def mpeg_in_wav(view: FileView) -> tuple[int, int] | None:
    """Return where the MPEG audio lies that a WAV file holds; None if it holds none."""
    if view.at(0, 4) != b"RIFF" or view.at(8, 4) != b"WAVE":
        return None
    chunks = {chunk.name: chunk for chunk in _riff_chunks(view, "<")}
    fmt, data = chunks.get(b"fmt "), chunks.get(b"data")
    if fmt is None or data is None or view.integer(fmt.start, "<H") not in (0x50, 0x55):
        return None
    end = data.start + data.size
    return data.start, view.size if _is_open(data.size) or end > view.size else end


def _locate(view: FileView, samples: Samples) -> Layout:
    """Compare what is declared with what is there: all that is there counts."""
    available = view.size - samples.start
    declared = [size for size in samples.declared if not _is_open(size)]
    present = [size for size in declared if size <= available]
    notes: tuple[str, ...] = ()
    end, missing = view.size, 0.0
    if 0 in samples.declared and not declared and _are_chunks(view, samples.start, _order(samples)):
        end = samples.start
    elif declared and not present:
        missing = (min(declared) - available) / samples.byte_rate
    elif present:
        size = next((size for size in present if _ends_well(view, samples, size)), None)
        end, notes = _read_on(view, samples, max(present)) if size is None else (samples.start + size, ())
        if size is not None and view.at(end, 4) in _RECORDINGS:
            notes = ("another recording that follows it in the file was left out; split the file",)
    if samples.is_doubtful:
        notes = (*notes, "its header contradicts itself, so its samples may be read wrongly")
    raw = None
    if samples.raw is not None:
        whole = (end - samples.start) // samples.raw.frame_bytes * samples.raw.frame_bytes
        raw = Part(((samples.start, samples.start + whole),), samples.raw)
    seconds = (end - samples.start) / samples.byte_rate
    parts = (_file_part(view, samples, end),)
    return Layout(samples.kind, parts, missing, notes=notes, seconds=seconds, raw=raw)


def _read_on(view: FileView, samples: Samples, size: int) -> tuple[int, tuple[str, ...]]:
    """Return where the sound ends that continues after the declared end, and what to note of it."""
    end = samples.start + size
    declared, present = size / samples.byte_rate, (view.size - samples.start) / samples.byte_rate
    if samples.raw is None or not _is_noise(view, end, samples.raw):
        return view.size, (
            f"its header declares {declared:.1f} s of audio, but {present:.1f} s are there; all are read",
        )
    return end, (f"{view.size - end} bytes that follow the {declared:.1f} s of its sound were left out as no sound",)


def _is_noise(view: FileView, start: int, raw: RawFormat) -> bool:
    """Return whether bytes are no samples but random or compressed: the first byte of each sample says nothing.

    The highest byte of samples has few values in most of them; its entropy is then far below 8 bits.
    """
    size = SAMPLE_BYTES[raw.subtype]
    highest = size - 1 if raw.endian == "LITTLE" else 0
    counts = np.bincount(np.frombuffer(view.at(start, 1 << 18), np.uint8)[highest::size], minlength=256)
    shares = counts[counts > 0] / max(1, counts.sum())
    bias = 255 / (2 * max(1, counts.sum()) * math.log(2))  # of the estimate from so few
    return float(-(shares * np.log2(shares)).sum()) > 7.9 - bias


def _file_part(view: FileView, samples: Samples, end: int) -> Part:
    """Return the whole file; compressed samples in a WAV file get a header with their true size."""
    if samples.raw is None and view.at(0, 4) == b"RIFF" and end - samples.start not in samples.declared:
        size = struct.pack("<I", min(end - samples.start, 0x7FFFFFFF))
        return Part(((0, samples.start - 4), size, (samples.start, view.size)))
    if samples.raw is None and view.at(end, 4) in _RECORDINGS:  # libsndfile would refuse both
        return Part(((0, end),))
    return Part(((0, view.size),))


def _is_open(size: int) -> bool:
    """Return whether a size stands for one that is not known yet.

    ffmpeg leaves 0xFFFFFFFF (perhaps less its header), sox 0x7FFFF000 and more; a recorder that crashed leaves 0.
    """
    return size <= 0 or 0x7FFFF000 <= size <= 0x80000000 or 0xFFFFF000 <= size <= 0xFFFFFFFF or size >= 2**62


def _ends_well(view: FileView, samples: Samples, size: int) -> bool:
    """Return whether nothing that could be sound follows the first `size` bytes of samples."""
    end = samples.start + size
    if (view.size - end) / samples.byte_rate <= TOLERATED_SECONDS or view.at(end, 11).startswith(_TAGS):
        return True
    starts = (end + end % 2, end)
    if samples.kind in ("WAV", "AIFF") and any(_are_chunks(view, start, _order(samples)) for start in starts):
        return True
    if samples.kind == "W64" and view.at(end + -end % 8, 16)[4:] == _W64_TAIL:
        return True
    if samples.kind == "CAF" and re.fullmatch(rb"[a-z]{4}", view.at(end, 4)):
        return True
    return samples.kind not in ("AU", "SPHERE") and view.is_zero(end, view.size)


def _order(samples: Samples) -> str:
    return ">" if samples.kind == "AIFF" else "<"


def _are_chunks(view: FileView, position: int, order: str) -> bool:
    """Return whether a chunk begins at a position: a known one, or one that fits into the file."""
    name, size = view.at(position, 4), view.integer(position + 4, f"{order}I")
    if size is None or not re.fullmatch(rb"[\x20-\x7e]{4}", name):
        return False
    return name in _KNOWN_CHUNKS or position + 8 + size <= view.size


def _riff_chunks(view: FileView, order: str, start: int = 12) -> Iterator[_Chunk]:
    """Yield the chunks of a RIFF or AIFF file; they lie on even positions."""
    while (size := view.integer(start + 4, f"{order}I")) is not None:
        yield _Chunk(view.at(start, 4), start + 8, size)
        start += 8 + size + size % 2


def _read_wav(view: FileView) -> Samples | None:
    order = ">" if view.at(0, 4) == b"RIFX" else "<"
    raw, byte_rate, long_size, is_doubtful = None, 0.0, None, False
    for chunk in _riff_chunks(view, order):
        if chunk.name == b"ds64":  # of RF64 and BW64
            long_size = view.integer(chunk.start + 8, "<Q")
        elif chunk.name == b"fmt ":
            fields = view.at(chunk.start, min(chunk.size, 40))
            raw, byte_rate = _read_wave_format(fields, order)
            is_doubtful = _contradicts_itself(fields, order)
        elif chunk.name == b"data":
            size = long_size if chunk.size == 0xFFFFFFFF and long_size is not None else chunk.size
            return Samples("WAV", chunk.start, (size,), raw, byte_rate, is_doubtful)
    return None


def _read_wave_format(fields: bytes, order: str) -> tuple[RawFormat | None, float]:
    """Return the format of the samples, and the bytes per second."""
    tag, channels, rate, byte_rate, frame_bytes, bits = struct.unpack(f"{order}HHIIHH", fields[:16])
    if tag == 0xFFFE and len(fields) >= 26:  # WAVE_FORMAT_EXTENSIBLE
        (tag,) = struct.unpack(f"{order}H", fields[24:26])
    names = {(1, 8): "PCM_U8", (1, 16): "PCM_16", (1, 24): "PCM_24", (1, 32): "PCM_32", (3, 32): "FLOAT"}
    names |= {(3, 64): "DOUBLE", (6, 8): "ALAW", (7, 8): "ULAW"}
    raw = _raw_format(rate, channels, names.get((tag, bits)), "BIG" if order == ">" else "LITTLE")
    if raw is not None and raw.frame_bytes == frame_bytes:
        return raw, rate * frame_bytes  # the field for bytes per second is often wrong
    return None, byte_rate


def _contradicts_itself(fields: bytes, order: str) -> bool:
    """Return whether neither of the two numbers that follow from the others does, in uncompressed samples."""
    tag, channels, rate, byte_rate, frame_bytes, bits = struct.unpack(f"{order}HHIIHH", fields[:16])
    return tag in (1, 3, 0xFFFE) and byte_rate != rate * frame_bytes and frame_bytes != channels * ((bits + 7) // 8)


def _raw_format(rate: float, channels: int, subtype: str | None, endian: str) -> RawFormat | None:
    if subtype is None or not (0 < channels <= 1024 and 0 < rate < math.inf):
        return None
    return RawFormat(rate, channels, subtype, endian)


def _byte_rate(raw: RawFormat | None, otherwise: float = 0.0) -> float:
    return otherwise if raw is None else raw.rate * raw.frame_bytes


def _read_w64(view: FileView) -> Samples | None:
    position, raw, byte_rate = 40, None, 0.0
    while (size := view.integer(position + 16, "<q")) is not None:
        name = view.at(position, 4) if view.at(position, 16)[4:] == _W64_TAIL else b""
        if name == b"data":  # sizes count the 24 bytes before the content
            return Samples("W64", position + 24, (size - 24,), raw, byte_rate)
        if name == b"fmt ":
            raw, byte_rate = _read_wave_format(view.at(position + 24, 40), "<")
        if size < 24:
            return None
        position += size + -size % 8
    return None


def _read_aiff(view: FileView) -> Samples | None:
    compression, common, sound = b"NONE", None, None
    for chunk in _riff_chunks(view, ">"):
        if chunk.name == b"COMM" and common is None:
            common = struct.unpack(">hIhHQ", view.at(chunk.start, 18))
            if view.at(8, 4) == b"AIFC":
                compression = view.at(chunk.start + 18, 4)
        elif chunk.name == b"SSND" and sound is None:
            sound = chunk
        if common is not None and sound is not None:
            break
    if common is None or sound is None:
        return None
    channels, num_frames, bits, exponent, mantissa = common
    rate = mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63)  # an 80-bit float
    size = (bits + 7) // 8
    integers = {1: "PCM_S8", 2: "PCM_16", 3: "PCM_24", 4: "PCM_32"}
    subtype, endian = {
        b"NONE": (integers.get(size), "BIG"),
        b"twos": (integers.get(size), "BIG"),
        b"sowt": (integers.get(size), "LITTLE"),
        b"in24": ("PCM_24", "BIG"),
        b"in32": ("PCM_32", "BIG"),
        b"raw ": ("PCM_U8", "BIG"),
        **dict.fromkeys([b"fl32", b"FL32"], ("FLOAT", "BIG")),
        **dict.fromkeys([b"fl64", b"FL64"], ("DOUBLE", "BIG")),
        **dict.fromkeys([b"ulaw", b"ULAW"], ("ULAW", "BIG")),
        **dict.fromkeys([b"alaw", b"ALAW"], ("ALAW", "BIG")),
    }.get(compression, (None, "BIG"))
    raw = _raw_format(rate, channels, subtype, endian)
    offset = view.integer(sound.start, ">I") or 0
    start = sound.start + 8 + (offset if offset < view.size else 0)
    in_chunk = 0 if _is_open(sound.size) else sound.start + sound.size - start
    if raw is None:  # such as IMA ADPCM: 34 bytes for 64 samples
        return Samples("AIFF", start, (in_chunk,), None, rate * channels * 34 / 64)
    in_frames = 0 if _is_open(num_frames) else num_frames * raw.frame_bytes
    return Samples("AIFF", start, (in_chunk, in_frames), raw, _byte_rate(raw))


def _read_au(view: FileView) -> Samples | None:
    order = ">" if view.at(0, 4) == b".snd" else "<"
    start, size, encoding, rate, channels = struct.unpack(f"{order}5I", view.at(4, 20))
    names = {1: "ULAW", 2: "PCM_S8", 3: "PCM_16", 4: "PCM_24", 5: "PCM_32", 6: "FLOAT", 7: "DOUBLE", 27: "ALAW"}
    raw = _raw_format(rate, channels, names.get(encoding), "BIG" if order == ">" else "LITTLE")
    return Samples("AU", start, (size,), raw, _byte_rate(raw, rate * channels / 2))


def _read_sphere(view: FileView) -> Samples | None:
    start = int(view.at(8, 8))
    fields: dict[bytes, bytes] = {}
    for line in view.at(16, max(0, start - 16)).split(b"\n"):
        name, _, value = line.partition(b" ")
        fields.setdefault(name, value.partition(b" ")[2].strip())
        if name == b"end_head":
            break
    size, coding = int(fields.get(b"sample_n_bytes", b"2")), fields.get(b"sample_coding", b"pcm").lower()
    names = {(b"pcm", 1): "PCM_S8", (b"pcm", 2): "PCM_16", (b"pcm", 3): "PCM_24", (b"pcm", 4): "PCM_32"}
    names |= {(b"ulaw", 1): "ULAW", (b"mu-law", 1): "ULAW", (b"alaw", 1): "ALAW"}
    rate, channels = (
        float(fields[b"sample_rate"]) if b"sample_rate" in fields else 0.0,
        int(fields.get(b"channel_count", b"1")),
    )
    endian = "LITTLE" if fields.get(b"sample_byte_format") == b"01" else "BIG"
    raw = _raw_format(rate, channels, names.get((coding, size)), endian)
    declared = int(fields.get(b"sample_count", b"0")) * channels * size
    return Samples("SPHERE", start, (declared,), raw, _byte_rate(raw))


def _read_caf(view: FileView) -> Samples | None:
    position, raw = 8, None
    while (size := view.integer(position + 4, ">q")) is not None:
        name, start = view.at(position, 4), position + 12
        if name == b"desc":
            rate, kind, flags, _, _, channels, bits = struct.unpack(">d4s5I", view.at(start, 32))
            numbers = {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"}
            floats = {32: "FLOAT", 64: "DOUBLE"}
            subtype = {b"lpcm": (floats if flags & 1 else numbers).get(bits), b"ulaw": "ULAW", b"alaw": "ALAW"}
            raw = _raw_format(rate, channels, subtype.get(kind), "LITTLE" if flags & 2 else "BIG")
        elif name == b"data":  # begins with a count of edits; a size of -1 is not known yet
            declared = 0 if size < 4 else size - 4
            return Samples("CAF", start + 4, (declared,), raw, _byte_rate(raw, 16000.0))
        if size < 0:
            return None
        position = start + size
    return None


_READERS: list[tuple[bytes, Callable[[FileView], Samples | None]]] = [
    (rb"(RIFF|RIFX|RF64|BW64)....WAVE", _read_wav),
    (re.escape(_W64_RIFF), _read_w64),
    (rb"FORM....AIF[FC]", _read_aiff),
    (rb"\.snd|dns\.", _read_au),
    (rb"NIST_1A\n", _read_sphere),
    (rb"caff", _read_caf),
]
