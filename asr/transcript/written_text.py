"""Recognised words in, the same words with how people write them out: marks, capitals and numbers.

Words keep their text, times and confidences; what is written stands next to them (`Word.written`). Knows nothing of
how marks and numbers are found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, Protocol

from asr.transcript.transcript import Segment, Transcript, Word

_UNKNOWN = float("nan")


class WrittenWord(Protocol):
    """A word with its capitals, and the mark after it."""

    @property
    def word(self) -> str: ...
    @property
    def punctuation(self) -> str: ...


class PunctuationStream(Protocol):
    """Punctuates words that come piece by piece; see language/punctuator.py."""

    def feed(self, words: Sequence[str], silences: Sequence[float] | None = None) -> Sequence[WrittenWord]:
        """Take words with the seconds of silence after each, NaN if unknown; return those that are committed."""

    def flush(self) -> Sequence[WrittenWord]:
        """Commit all words; the sentence may go on."""

    def finish(self) -> Sequence[WrittenWord]:
        """Commit all words; the last ends a sentence."""


class _Plain(NamedTuple):
    word: str
    punctuation: str = ""


@dataclass(frozen=True)
class TextWriter:
    """Writes words out.

    Attributes:
        start_punctuation: Starts a stream that punctuates; None: neither marks nor capitals.
        numbers: Whether numbers and the like are written as in English text, within segments.
    """

    start_punctuation: Callable[[], PunctuationStream] | None = None
    numbers: bool = False

    def write(self, transcript: Transcript) -> Transcript:
        """Write out a transcript, whatever its segments: marks and capitals depend on its words and their times."""
        words = transcript.words
        if not words:
            return replace(transcript, raw_text=transcript.text)
        stream = WrittenStream(self)
        written = iter(stream.punctuate(words, transcript.duration - words[-1].end, closes=True))
        segments = tuple(
            stream.combine(segment, [next(written) for _ in segment.words]) for segment in transcript.segments
        )
        text = " ".join(segment.text for segment in segments if segment.text)
        return replace(transcript, text=text, raw_text=transcript.text, segments=segments)

    def start(self) -> "WrittenStream":
        """Start to write out the segments of a live stream."""
        return WrittenStream(self)


class WrittenStream:
    """Writes out the segments of a live stream, each with those before it as context."""

    def __init__(self, writer: TextWriter) -> None:
        self._writer = writer
        self._punctuation = writer.start_punctuation() if writer.start_punctuation is not None else None

    def write(self, segment: Segment, silence: float = _UNKNOWN, *, closes: bool = False) -> Segment:
        """Write out the next segment.

        Args:
            segment: Speech up to a pause.
            silence: Seconds from its end on in which nothing was said, as far as is known.
            closes: Whether nothing follows, so that it ends a sentence.
        """
        return self.combine(segment, self.punctuate(segment.words, silence, closes=closes))

    def punctuate(self, words: Sequence[Word], silence: float, *, closes: bool) -> list[WrittenWord]:
        """Return words with their capitals and marks; see `write`."""
        texts = [word.text for word in words]
        if self._punctuation is None:
            return [_Plain(text) for text in texts]
        pauses = [max(0.0, after.start - word.end) for word, after in pairwise(words)]
        written = [*self._punctuation.feed(texts, [*pauses, silence])]
        return [*written, *(self._punctuation.finish() if closes else self._punctuation.flush())]

    def combine(self, segment: Segment, written: Sequence[WrittenWord]) -> Segment:
        """Put words with capitals and marks, and the numbers among them, together."""
        forms = [word.word + word.punctuation for word in written]
        if self._writer.numbers:
            forms = _write_numbers([word.text for word in segment.words], forms)
        words = zip(segment.words, forms, strict=True)
        return replace(segment, words=tuple(replace(word, written=form) for word, form in words))


def _write_numbers(texts: Sequence[str], punctuated: Sequence[str]) -> list[str]:
    """Return how each word is written: the first of a number stands for all its words, and the others are empty."""
    from asr.text.written.write import apply_marks, write_numbers  # their tables take time to build

    forms = [""] * len(texts)
    groups = write_numbers(texts)
    for group, form in zip(groups, apply_marks(groups, texts, punctuated), strict=True):
        forms[group.start] = form
    return forms
