"""Words with times in, subtitles out: cues that fit the screen and stay long enough to be read.

A cue never spans two segments. A segment is split after sentences that are long enough to be read by themselves, and
where it is too long where it costs least: preferably at pauses, into few cues of even length.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from asr.config import SubtitleSettings
from asr.transcript.transcript import Transcript, Word

_CLEAR_PAUSE = 0.5  # seconds between words at which a split costs nothing
_ENTITY = re.compile(r"&(?=#?\w+;)")
_ENDS_SENTENCE, _ENDS_CLAUSE = (".", "?", "!", "…", "。", "?", "!"), (",", ";", ":", "–")
_CLAUSE_COST = 0.25  # of a split within a sentence, but at the end of a clause
_JOINED_COST = 2.0  # of each sentence that ends within a cue, although it and the rest are long enough for two


@dataclass(frozen=True)
class Cue:
    """The lines on screen from `start` to `end`, in seconds; a channel recognised separately has its number."""

    start: float
    end: float
    lines: tuple[str, ...]
    channel: int | None = None

    @property
    def text(self) -> str:
        """The lines, separated by line breaks."""
        return "\n".join(self.lines)


def make_cues(transcript: Transcript, settings: SubtitleSettings) -> list[Cue]:
    """Split a transcript into cues. The words of a channel must be in order of time and not overlap.

    Returns:
        Cues in order, without overlaps in a channel, that hold each word once. Only a cue of a single word may have a
        line longer than the limit, or end before its word does.
    """
    cues = [
        cue for channel in transcript.channels for cue in _make_cues(transcript.in_channel(channel), settings, channel)
    ]
    return sorted(cues, key=lambda cue: cue.start)


def _make_cues(transcript: Transcript, settings: SubtitleSettings, channel: int | None) -> list[Cue]:
    if channel is not None:  # its number comes before the text
        narrower = max(1, settings.max_line_length - len(f"[{channel}] "))
        settings = settings.model_copy(update={"max_line_length": narrower})
    groups = [words for segment in transcript.segments for words in _split(segment.written_words, settings)]
    starts = [words[0].start for words in groups]
    limits = [*starts[1:], max(transcript.duration, groups[-1][-1].end)] if groups else []
    cues = []
    for words, limit in zip(groups, limits, strict=True):
        texts = [word.text for word in words]
        start, length = words[0].start, len(" ".join(texts))
        # Words that were spoken fast stay on screen until the next cue.
        readable = start + max(settings.min_seconds, length / settings.characters_per_second)
        end = min(max(words[-1].end, readable), limit, start + settings.max_seconds)
        cues.append(Cue(start, end, tuple(_balance(texts, settings.max_line_length)), channel))
    return cues


def write_srt(transcript: Transcript, settings: SubtitleSettings) -> str:
    """Write SubRip: numbered cues, milliseconds after a comma; channels that are apart in brackets.

    Players read a cue as HTML, and some as Advanced SubStation, whose commands begin with `{\\`.
    """
    return "".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n"
        f"{_speaker(cue, '[{}] ')}{_escape_srt(cue.text)}\n\n"
        for number, cue in enumerate(make_cues(transcript, settings), start=1)
    )


def write_vtt(transcript: Transcript, settings: SubtitleSettings) -> str:
    """Write the cues of a WebVTT file (W3C), in which `&`, `<` and `>` are escaped."""
    return "".join(
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
        f"{_speaker(cue, '<v channel {}>')}{escape(cue.text, quote=False)}\n"
        for cue in make_cues(transcript, settings)
    )


def _speaker(cue: Cue, form: str) -> str:
    return "" if cue.channel is None else form.format(cue.channel)


def _escape_srt(text: str) -> str:
    """Escape markup; an ampersand only where it would be read as one, since not every player knows entities."""
    text = _ENTITY.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("{\\", "{\u2060\\")


def _split(words: Sequence[Word], settings: SubtitleSettings) -> list[Sequence[Word]]:
    """Split a segment into groups that each fit a cue, at the lowest total cost."""
    cost = [0.0] + [math.inf] * len(words)  # of the words before each split
    previous = [0] * len(cost)  # the split before each
    for first in range(len(words)):
        for end, length in _fitting(words, first, settings):
            total = cost[first] + _cost(words, end, length, settings)
            total += _JOINED_COST * _count_joined(words, first, end, settings.min_seconds)
            if total < cost[end]:
                cost[end], previous[end] = total, first
    groups, end = [], len(words)
    while end > 0:
        groups.append(words[previous[end] : end])
        end = previous[end]
    return groups[::-1]


def _fitting(words: Sequence[Word], first: int, settings: SubtitleSettings) -> Iterator[tuple[int, int]]:
    """Yield the end and the length in characters of each group that fits a cue; a single word always fits."""
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
    """Rate a cue of `length` characters that ends before word `end`: 1, plus penalties for space and a bad split."""
    room = settings.max_line_length * settings.max_lines
    cost = 1 + max(0.0, 1 - length / room) ** 2
    if end == len(words) or _ends_sentence(words, end):
        return cost
    unclear = max(0.0, 1 - (words[end].start - words[end - 1].end) / _CLEAR_PAUSE)
    return cost + (min(_CLAUSE_COST, unclear) if words[end - 1].text.endswith(_ENDS_CLAUSE) else unclear)


def _count_joined(words: Sequence[Word], first: int, end: int, min_seconds: float) -> int:
    """Count the ends of sentences within a cue before and after which it is long enough to be read."""
    start, stop = words[first].start, words[end - 1].end
    return sum(
        _ends_sentence(words, index)
        and words[index].start - start >= min_seconds
        and stop - words[index].start >= min_seconds
        for index in range(first + 1, end)
    )


def _ends_sentence(words: Sequence[Word], index: int) -> bool:
    """Return whether a sentence ends before a word: 3 p.m. does not end one if a small letter follows."""
    return words[index - 1].text.endswith(_ENDS_SENTENCE) and not words[index].text[:1].islower()


def _balance(texts: Sequence[str], max_line_length: int) -> list[str]:
    """Wrap words into as few lines as possible, as even in length as possible."""
    lines = _wrap(texts, max_line_length)
    narrower = (_wrap(texts, width) for width in range(len(" ".join(texts)) // len(lines), max_line_length))
    return next((balanced for balanced in narrower if len(balanced) == len(lines)), lines)


def _wrap(texts: Sequence[str], width: int) -> list[str]:
    """Fill each line in turn; a word that is longer than the width gets its own line."""
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
