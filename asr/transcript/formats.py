"""Transcripts in, text in one of several formats out.

Knows nothing of files: jobs/outputs.py decides where the text goes. docs/transcripts.md describes the formats.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import PurePath
from string import ascii_uppercase

from asr.config import SubtitleSettings
from asr.errors import AsrError
from asr.transcript.subtitles import write_srt, write_vtt
from asr.transcript.transcript import Segment, Transcript, Word

# The tab, and all that some programs take for the end of a line.
_SEPARATORS = frozenset("\t\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
_Interval = tuple[float, float, str]  # start, end, text


@dataclass(frozen=True)
class FormatOptions:
    """What a format may need besides the transcript.

    Attributes:
        name: The recording's name in CTM. None: its file name without the suffix.
        several: Whether the output holds several recordings, so that each line of text names its own.
    """

    name: str | None = None
    several: bool = False
    subtitles: SubtitleSettings = field(default_factory=SubtitleSettings)


@dataclass(frozen=True)
class Format:
    """A text format for transcripts.

    Attributes:
        write: Returns one transcript's part of a document.
        header: Beginning of a document, before the first part.
        joins: Whether a document may hold several transcripts.
        is_timed: Whether it needs the words' times.
    """

    write: Callable[[Transcript, FormatOptions], str]
    header: str = ""
    joins: bool = True
    is_timed: bool = True


def format_transcript(transcript: Transcript, name: str, options: FormatOptions | None = None) -> str:
    """Format a transcript as a whole document; `name` is a key of `FORMATS`.

    Raises:
        AsrError: If the format needs the words' times and the transcript has none.
    """
    return FORMATS[name].header + format_part(transcript, name, options or FormatOptions())


def format_part(transcript: Transcript, name: str, options: FormatOptions) -> str:
    """Format a transcript like `format_transcript`, without the header."""
    if FORMATS[name].is_timed and transcript.text and not transcript.segments:
        raise AsrError(f"{transcript.source or 'transcript'}: has no word times, which {name} needs; write txt or json")
    return FORMATS[name].write(transcript, options)


def parse_formats(items: Sequence[str]) -> tuple[str, ...]:
    """Split items that may hold several names, separated by commas; return each name once.

    Raises:
        AsrError: If there is no such format.
    """
    names = dict.fromkeys(name.strip().lower() for item in items for name in item.split(","))
    for name in names:
        if name not in FORMATS:
            raise AsrError(f"{name}: no such format; there are: {', '.join(FORMATS)}")
    return tuple(names)


def _write_txt(transcript: Transcript, options: FormatOptions) -> str:
    """Write the text as one line; alternatives as one line each, with the score before the text.

    Of a recording whose channels are apart, each turn is a line, which begins with the channel.
    """
    name = f"{_one_field(transcript.source)}\t" if options.several else ""
    if transcript.alternatives:
        return "".join(f"{name}{hypothesis.score:.3f}\t{hypothesis.text}\n" for hypothesis in transcript.alternatives)
    if transcript.channels not in ((), (None,)):
        turns = groupby(transcript.segments, key=lambda segment: segment.channel)
        return "".join(f"{name}[{channel}] {' '.join(part.text for part in parts)}\n" for channel, parts in turns)
    return f"{name}{transcript.text}\n"


def _write_json(transcript: Transcript, options: FormatOptions) -> str:
    """Write one line of JSON, so that several recordings make JSON Lines."""
    line = json.dumps(transcript.to_dict(), ensure_ascii=False)
    return "".join(f"\\u{ord(letter):04x}" if letter in _SEPARATORS else letter for letter in line) + "\n"


def _write_tsv(transcript: Transcript, options: FormatOptions) -> str:
    """Write one line per segment."""
    return "".join(
        f"{_one_field(transcript.source)}\t{segment.start:.3f}\t{segment.end:.3f}\t"
        f"{_three_digits(segment.confidence)}\t{_one_field(segment.text)}\n"
        for segment in transcript.segments
    )


def _write_ctm(transcript: Transcript, options: FormatOptions) -> str:
    """Write NIST's time-marked conversation, one word per line: file, channel, start, duration, word, confidence.

    Lines are sorted by channel, then by time, as sclite needs them. Channels that are apart have letters.
    """
    name = options.name or (PurePath(transcript.source).stem if transcript.source else "audio")
    file = re.sub("^;;", "_;", "_".join(name.split()))  # two semicolons begin a comment
    return "".join(
        f"{file} {_channel_letter(channel)} {_write_ctm_word(word)}\n"
        for channel in transcript.channels
        for word in transcript.in_channel(channel).words
    )


def _write_ctm_word(word: Word) -> str:
    times = f"{word.start:.3f} {word.end - word.start:.3f}"
    return f"{times} {word.text} {_three_digits(word.confidence)}".rstrip()


def _channel_letter(channel: int | None) -> str:
    """Return the channel of CTM: 1 for a recording as a whole, letters for its channels, as in NIST's calls."""
    if channel is None:
        return "1"
    return ascii_uppercase[channel] if channel < len(ascii_uppercase) else str(channel)


def _write_textgrid(transcript: Transcript, options: FormatOptions) -> str:
    """Write a tier of segments and one of words, of each channel, in the long text format of Praat's manual.

    The file ends with the recording or with the last word, whichever is later. See "TextGrid file formats" there.
    """
    end = max([transcript.duration, *(segment.end for segment in transcript.segments)])
    text = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    channels = transcript.channels or (None,)
    text += f"xmin = 0\nxmax = {end:.3f}\ntiers? <exists>\nsize = {2 * len(channels)}\nitem []:\n"
    for index, channel in enumerate(channels):
        part, name = transcript.in_channel(channel), "" if channel is None else f" {channel}"
        text += _write_tier(2 * index + 1, f"segments{name}", part.segments, end)
        text += _write_tier(2 * index + 2, f"words{name}", part.words, end)
    return text


def _write_tier(number: int, name: str, parts: Sequence[Segment | Word], end: float) -> str:
    intervals = _fill_gaps([(part.start, part.end, part.text) for part in parts], end)
    lines = [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
    lines += ["        xmin = 0", f"        xmax = {end:.3f}", f"        intervals: size = {len(intervals)}"]
    for index, (start, stop, text) in enumerate(intervals, start=1):
        quoted = text.replace('"', '""')
        lines += [f"        intervals [{index}]:", f"            xmin = {start:.3f}"]
        lines += [f"            xmax = {stop:.3f}", f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"


def _fill_gaps(intervals: Sequence[_Interval], end: float) -> list[_Interval]:
    """Round to milliseconds and add intervals without text for the pauses, since a tier may have no gaps."""
    filled: list[_Interval] = []
    position = 0.0
    for start, stop, text in [*intervals, (end, end, "")]:
        start, stop = round(start, 3), round(stop, 3)
        if start > position:
            filled.append((position, start, ""))
        if stop > start:
            filled.append((start, stop, text))
        position = stop
    return filled


def _three_digits(confidence: float | None) -> str:
    return "" if confidence is None else f"{confidence:.3f}"


def _one_field(text: str | None) -> str:
    """Replace characters that separate fields and lines; file names may hold anything."""
    return "".join(" " if letter in _SEPARATORS else letter for letter in text or "")


FORMATS: dict[str, Format] = {
    "txt": Format(_write_txt, is_timed=False),
    "json": Format(_write_json, is_timed=False),
    "srt": Format(lambda transcript, options: write_srt(transcript, options.subtitles), joins=False),
    "vtt": Format(lambda transcript, options: write_vtt(transcript, options.subtitles), "WEBVTT\n", joins=False),
    "tsv": Format(_write_tsv, "file\tstart\tend\tconfidence\ttext\n"),
    "ctm": Format(_write_ctm),
    "textgrid": Format(_write_textgrid, joins=False),
}
