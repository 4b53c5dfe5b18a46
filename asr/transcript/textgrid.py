"""A transcript in, a Praat TextGrid out: one tier of segments, one of words.

The long text format of Praat's manual, "TextGrid file formats". Its tiers may have no gaps, so pauses become
intervals without text.
"""

from collections.abc import Iterable

from asr.transcript.transcript import Transcript

_Interval = tuple[float, float, str]


def write_textgrid(transcript: Transcript) -> str:
    """Write a whole file, which ends with the recording or with the last word, whichever is later."""
    last = max([transcript.duration, *(word.end for word in transcript.words[-1:])])
    segments = [(segment.start, segment.end, segment.text) for segment in transcript.segments]
    words = [(word.start, word.end, word.text) for word in transcript.words]
    return (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        f"xmin = 0\nxmax = {last:.3f}\ntiers? <exists>\nsize = 2\nitem []:\n"
        + _tier(1, "segments", segments, last)
        + _tier(2, "words", words, last)
    )


def _tier(number: int, name: str, intervals: Iterable[_Interval], last: float) -> str:
    filled = _fill(intervals, last)
    lines = [
        f"    item [{number}]:",
        '        class = "IntervalTier"',
        f'        name = "{name}"',
        "        xmin = 0",
        f"        xmax = {last:.3f}",
        f"        intervals: size = {len(filled)}",
    ]
    for index, (start, end, text) in enumerate(filled, start=1):
        quoted = text.replace('"', '""')
        lines.append(f"        intervals [{index}]:")
        lines.append(f"            xmin = {start:.3f}")
        lines.append(f"            xmax = {end:.3f}")
        lines.append(f'            text = "{quoted}"')
    return "\n".join(lines) + "\n"


def _fill(intervals: Iterable[_Interval], last: float) -> list[_Interval]:
    """Round to milliseconds and fill the gaps, so that neighbouring intervals share their limits exactly."""
    filled: list[_Interval] = []
    position = 0.0
    for start, end, text in [*intervals, (last, last, "")]:
        start, end = round(start, 3), round(end, 3)
        if start > position:
            filled.append((position, start, ""))
        if end > start:
            filled.append((start, end, text))
        position = end
    return filled
