"""How a transcript looks to a person: in a terminal that rich writes to, and in a notebook.

The less a word is to be trusted, the more it stands out.
"""

from html import escape

from rich.text import Text

from asr.transcript.transcript import DOUBTFUL, Segment, Transcript, Word

_SURE = 0.8  # words with a lower confidence stand out, doubtful ones more


def to_rich(transcript: Transcript) -> Text:
    """A line a segment, its start before it; the text alone where there are no times."""
    if not transcript.segments:
        return Text(transcript.text)
    return Text("\n").join(_rich_line(segment) for segment in transcript.segments)


def to_html(transcript: Transcript) -> str:
    """A paragraph a segment; each word is shaded by its doubt and tells its times when pointed at."""
    if not transcript.segments:
        return f"<p>{escape(transcript.text)}</p>"
    return "".join(_html_paragraph(segment) for segment in transcript.segments)


def _rich_line(segment: Segment) -> Text:
    line = Text(f"{_clock(segment.start)}  ", style="dim")
    line.append_text(Text(" ").join(Text(word.text, style=_rich_style(word)) for word in segment.words))
    return line


def _rich_style(word: Word) -> str:
    if word.confidence is None or word.confidence >= _SURE:
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
