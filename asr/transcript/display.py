"""A transcript's text and segments in, what a rich terminal or a notebook shows out.

The lower a word's confidence, the more it stands out.
"""

from collections.abc import Sequence
from html import escape

from rich.text import Text

from asr.transcript.words import DOUBTFUL, Segment, Word

_CONFIDENT = 0.8  # words with a lower confidence stand out, doubtful ones more


def to_rich(text: str, segments: Sequence[Segment]) -> Text:
    """Render one line per segment, with its start time; only the text if there are no segments."""
    return Text("\n").join(map(_rich_line, segments)) if segments else Text(text)


def to_html(text: str, segments: Sequence[Segment]) -> str:
    """Render one paragraph per segment: words are shaded by their doubt, tooltips show their times."""
    return "".join(map(_html_paragraph, segments)) if segments else f"<p>{escape(text)}</p>"


def _rich_line(segment: Segment) -> Text:
    line = Text(f"{_clock(segment.start)}  ", style="dim")
    line.append_text(Text(" ").join(Text(word.text, style=_rich_style(word)) for word in segment.words))
    return line


def _rich_style(word: Word) -> str:
    if word.confidence is None or word.confidence >= _CONFIDENT:
        return "not dim"
    return "not dim yellow" if word.confidence >= DOUBTFUL else "not dim red"


def _html_paragraph(segment: Segment) -> str:
    start = f'<small style="opacity: 0.6">{_clock(segment.start)}</small>'
    return f"<p>{start} {' '.join(_html_word(word) for word in segment.words)}</p>"


def _html_word(word: Word) -> str:
    title = f"{word.start:.2f} to {word.end:.2f} s"
    if word.confidence is None:
        return f'<span title="{title}">{escape(word.text)}</span>'
    title = f"{title}, {word.confidence:.0%} sure"
    style = f"background: rgba(255, 140, 0, {1 - word.confidence:.2f})"
    return f'<span title="{title}" style="{style}">{escape(word.text)}</span>'


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
