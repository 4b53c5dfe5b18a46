"""Words with times in, subtitles out: cues that fit the screen and stay long enough to be read.

A cue never goes beyond a segment. Where a segment is too long, it is cut where the cuts cost least: at pauses and
after sentences rather than elsewhere, in few cues of even length.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asr.config import SubtitleSettings
from asr.transcript.transcript import Transcript, Word

_CLEAR_PAUSE = 0.5  # seconds between words that make a cut cost nothing
_ENDS_CLAUSE = (".", "?", "!", ",", ";", ":", "…", "。", "?", "!")


@dataclass(frozen=True)
class Cue:
    """What is on the screen at once, from `start` to `end` in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def make_cues(transcript: Transcript, settings: SubtitleSettings) -> list[Cue]:
    """Cut a transcript into cues.

    Args:
        transcript: Its words must lie in the order of time and not overlap.
        settings: The limits.

    Returns:
        Cues in order, none overlapping another, that hold each word once. A line is longer than the limit, and a
        word longer on air than its cue on the screen, only where a single word breaks the limit.
    """
    groups = [words for segment in transcript.segments for words in _cut(segment.words, settings)]
    starts = [words[0].start for words in groups]
    limits = [*starts[1:], max(transcript.duration, groups[-1][-1].end)] if groups else []
    cues = []
    for words, limit in zip(groups, limits, strict=True):
        texts = [word.text for word in words]
        start, length = words[0].start, len(" ".join(texts))
        # Words that were spoken fast stay on the screen while nothing else wants it.
        wanted = start + max(settings.min_seconds, length / settings.characters_per_second)
        end = min(max(words[-1].end, wanted), limit, start + settings.max_seconds)
        cues.append(Cue(start, end, tuple(_balance(texts, settings.max_line_length))))
    return cues


def write_srt(transcript: Transcript, settings: SubtitleSettings) -> str:
    """SubRip: numbered cues, milliseconds after a comma."""
    return "".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_join(cue.lines)}\n\n"
        for number, cue in enumerate(make_cues(transcript, settings), start=1)
    )


def write_vtt(transcript: Transcript, settings: SubtitleSettings) -> str:
    """The cues of a WebVTT file (W3C), in which `&`, `<` and `>` are escaped."""
    return "".join(
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_escape(_join(cue.lines))}\n"
        for cue in make_cues(transcript, settings)
    )


def _cut(words: Sequence[Word], settings: SubtitleSettings) -> list[Sequence[Word]]:
    """The cheapest way to cut a segment into groups that each fit a cue."""
    cost = [0.0] + [math.inf] * len(words)  # of the words before each place
    previous = [0] * len(cost)  # cut before each
    for first in range(len(words)):
        for end, length in _fitting(words, first, settings):
            total = cost[first] + _cost(words, end, length, settings)
            if total < cost[end]:
                cost[end], previous[end] = total, first
    groups, end = [], len(words)
    while end > 0:
        groups.append(words[previous[end] : end])
        end = previous[end]
    return groups[::-1]


def _fitting(words: Sequence[Word], first: int, settings: SubtitleSettings) -> Iterator[tuple[int, int]]:
    """Ends of the groups from a first word on that fit a cue, and their characters; one word always fits."""
    column = length = len(words[first].text)
    lines = 1
    yield first + 1, length
    for index in range(first + 1, len(words)):
        added = 1 + len(words[index].text)
        length += added
        column += added
        if column > settings.max_line_length:
            lines, column = lines + 1, added - 1
        if lines > settings.max_lines or words[index].end - words[first].start > settings.max_seconds:
            return
        yield index + 1, length


def _cost(words: Sequence[Word], end: int, length: int, settings: SubtitleSettings) -> float:
    """Of a cue of `length` characters before word `end`: 1, and more for empty space and for a bad cut."""
    room = settings.max_line_length * settings.max_lines
    cost = 1 + max(0.0, 1 - length / room) ** 2
    if end == len(words) or words[end - 1].text.endswith(_ENDS_CLAUSE):
        return cost
    pause = words[end].start - words[end - 1].end
    return cost + max(0.0, 1 - pause / _CLEAR_PAUSE)


def _balance(texts: Sequence[str], max_line_length: int) -> list[str]:
    """As few lines as the words need, of as even a length as they allow."""
    total = len(" ".join(texts))
    if total <= max_line_length:
        return [" ".join(texts)]
    lines = _wrap(texts, max_line_length)
    for width in range(total // len(lines), max_line_length):
        if len(narrower := _wrap(texts, width)) == len(lines):
            return narrower
    return lines


def _wrap(texts: Sequence[str], width: int) -> list[str]:
    """Fill each line in turn; a word that is longer than the width stands alone."""
    lines = [texts[0]]
    for text in texts[1:]:
        if len(lines[-1]) + 1 + len(text) <= width:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
    return lines


def _clock(seconds: float, point: str) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _join(lines: Sequence[str]) -> str:
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
