"""Transcripts in, text in a format of choice out.

Knows nothing of files: where the text goes is for outputs.py. docs/transcripts.md describes each format for users.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from asr.config import SubtitleSettings
from asr.errors import AsrError
from asr.transcript.subtitles import write_srt, write_vtt
from asr.transcript.textgrid import write_textgrid
from asr.transcript.transcript import Transcript


@dataclass(frozen=True)
class FormatOptions:
    """What a writer may want to know besides the transcript.

    Attributes:
        name: What CTM calls the recording; None takes its file's name without the suffix.
        several: Whether other recordings come before or after, so that lines of text tell whose they are.
        subtitles: Limits of subtitles.
    """

    name: str | None = None
    several: bool = False
    subtitles: SubtitleSettings = field(default_factory=SubtitleSettings)


@dataclass(frozen=True)
class Format:
    """One way to write a transcript down.

    Attributes:
        write: A transcript's own part.
        header: What comes before the first of them.
        joins: Whether the parts of several recordings may follow one another.
        is_timed: Whether it cannot do without the words' times.
    """

    write: Callable[[Transcript, FormatOptions], str]
    header: str = ""
    joins: bool = True
    is_timed: bool = True


def format_transcript(transcript: Transcript, name: str, layout: FormatOptions | None = None) -> str:
    """A transcript as a whole document.

    Args:
        transcript: What was said.
        name: Of the format, a key of `FORMATS`.
        layout: What the writer should know besides.

    Raises:
        AsrError: If the format needs the words' times and the transcript has none.
    """
    return FORMATS[name].header + format_part(transcript, name, layout or FormatOptions())


def format_part(transcript: Transcript, name: str, layout: FormatOptions) -> str:
    """As `format_transcript`, without what comes first in a document."""
    if FORMATS[name].is_timed and transcript.text and not transcript.segments:
        raise AsrError(f"{transcript.source or 'transcript'}: has no word times, which {name} needs; write txt or json")
    return FORMATS[name].write(transcript, layout)


def parse_formats(chosen: Sequence[str]) -> tuple[str, ...]:
    """Names of formats, each perhaps several with commas between; each comes out once.

    Raises:
        AsrError: If there is no such format.
    """
    names = dict.fromkeys(name.strip().lower() for item in chosen for name in item.split(","))
    for name in names:
        if name not in FORMATS:
            raise AsrError(f"--format {name}: no such format; there are: {', '.join(FORMATS)}")
    return tuple(names)


def _write_txt(transcript: Transcript, layout: FormatOptions) -> str:
    """A line: the text. With alternatives a line each, the score before the text."""
    name = f"{_one_field(transcript.source)}\t" if layout.several else ""
    if transcript.alternatives:
        return "".join(f"{name}{one.score:.3f}\t{one.text}\n" for one in transcript.alternatives)
    return f"{name}{transcript.text}\n"


def _write_json(transcript: Transcript, layout: FormatOptions) -> str:
    """A line of JSON, so that those of several recordings make JSON Lines."""
    return json.dumps(transcript.to_dict(), ensure_ascii=False) + "\n"


def _write_tsv(transcript: Transcript, layout: FormatOptions) -> str:
    """A line a segment."""
    return "".join(
        f"{_one_field(transcript.source)}\t{segment.start:.3f}\t{segment.end:.3f}\t"
        f"{_confidence(segment.confidence)}\t{_one_field(segment.text)}\n"
        for segment in transcript.segments
    )


def _write_ctm(transcript: Transcript, layout: FormatOptions) -> str:
    """NIST's time-marked conversation: file, channel, start, duration, word, confidence; a line a word."""
    name = layout.name or (PurePath(transcript.source).stem if transcript.source else "audio")
    file = "_".join(name.split())
    return "".join(
        f"{file} 1 {word.start:.3f} {word.end - word.start:.3f} {word.text} {_confidence(word.confidence)}".rstrip()
        + "\n"
        for word in transcript.words
    )


def _confidence(confidence: float | None) -> str:
    return "" if confidence is None else f"{confidence:.3f}"


def _one_field(text: str | None) -> str:
    """Text without what separates fields and lines; file names may hold anything."""
    return "".join(" " if letter in "\t\n\r" else letter for letter in text or "")


FORMATS: dict[str, Format] = {
    "txt": Format(_write_txt, is_timed=False),
    "json": Format(_write_json, is_timed=False),
    "srt": Format(lambda transcript, layout: write_srt(transcript, layout.subtitles), joins=False),
    "vtt": Format(lambda transcript, layout: write_vtt(transcript, layout.subtitles), "WEBVTT\n", joins=False),
    "tsv": Format(_write_tsv, "file\tstart\tend\tconfidence\ttext\n"),
    "ctm": Format(_write_ctm),
    "textgrid": Format(lambda transcript, layout: write_textgrid(transcript), joins=False),
}
