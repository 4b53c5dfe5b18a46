"""Recognised words in, the same words with how people write them out: marks, capitals and numbers.

Words keep their text, times and confidences; what is written stands next to them (`Word.written`). Knows nothing of
how marks and numbers are found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
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

    def close(self) -> WrittenWord | None:
        """End the sentence that a flush left open; return its last word anew, or None if nothing was open."""


class _Plain(NamedTuple):
    word: str
    punctuation: str = ""


@dataclass(frozen=True)
class TextWriter:
    """Writes words out.

    Attributes:
        start_punctuation: Starts a stream that punctuates; None: neither marks nor capitals.
        numbers: Whether numbers and the like are written as in English text.
    """

    start_punctuation: Callable[[], PunctuationStream] | None = None
    numbers: bool = False

    def write(self, transcript: Transcript) -> Transcript:
        """Write out a transcript, whatever its segments: what is written depends on its words and their times.

        A number that goes on in the next segment belongs to the one in which it begins, with all its words.
        """
        words = transcript.words
        if not words:
            return replace(transcript, raw_text=transcript.text)
        stream = WrittenStream(self)
        punctuated = stream.punctuate(words, transcript.duration - words[-1].end, closes=True)
        segments = _share_out(transcript.segments, stream.combine(words, punctuated))
        text = " ".join(segment.text for segment in segments if segment.text)
        return replace(transcript, text=text, raw_text=transcript.text, segments=segments)

    def warm_up(self) -> None:
        """Load what the first text would wait for."""
        self.write(Transcript("one", 1.0, segments=(Segment((Word("one", 0.0, 1.0),)),)))

    def start(self) -> "WrittenStream":
        """Start to write out the segments of a live stream."""
        return WrittenStream(self)


class WrittenStream:
    """Writes out the segments of a live stream, each with those before it as context."""

    def __init__(self, writer: TextWriter) -> None:
        self._writer = writer
        self._punctuation = writer.start_punctuation() if writer.start_punctuation is not None else None
        self._latest: tuple[Segment, list[WrittenWord]] | None = None

    def write(self, segment: Segment, silence: float = _UNKNOWN, *, closes: bool = False) -> Segment:
        """Write out the next segment.

        Args:
            segment: Speech up to a pause.
            silence: Seconds from its end on in which nothing was said, as far as is known.
            closes: Whether nothing follows, so that it ends a sentence.
        """
        punctuated = self.punctuate(segment.words, silence, closes=closes)
        self._latest = segment, punctuated
        return replace(segment, words=tuple(self.combine(segment.words, punctuated)))

    def close(self) -> Segment | None:
        """Return the last segment with the mark that ends its sentence; None if it has one. Nothing else changes."""
        word = self._punctuation.close() if self._punctuation is not None else None
        if word is None or self._latest is None:
            return None
        segment, punctuated = self._latest
        self._latest = segment, [*punctuated[:-1], word]
        return replace(segment, words=tuple(self.combine(segment.words, self._latest[1])))

    def punctuate(self, words: Sequence[Word], silence: float, *, closes: bool) -> list[WrittenWord]:
        """Return words with their capitals and marks; see `write`."""
        texts = [word.text for word in words]
        if self._punctuation is None:
            return [_Plain(text) for text in texts]
        pauses = [max(0.0, after.start - word.end) for word, after in pairwise(words)]
        written = [*self._punctuation.feed(texts, [*pauses, silence])]
        return [*written, *(self._punctuation.finish() if closes else self._punctuation.flush())]

    def combine(self, words: Sequence[Word], punctuated: Sequence[WrittenWord]) -> list[Word]:
        """Put on words how they are written: with capitals and marks, and the numbers among them."""
        forms = [word.word + word.punctuation for word in punctuated]
        if self._writer.numbers:
            forms = _write_numbers([word.text for word in words], forms)
        return [replace(word, written=form) for word, form in zip(words, forms, strict=True)]


def _share_out(segments: Sequence[Segment], words: Sequence[Word]) -> tuple[Segment, ...]:
    """Put all words into their segments, those of a number into the segment in which it begins."""
    shared: list[Segment] = []
    first = 0
    for segment in segments:
        own = tuple(words[first : first + len(segment.words)])
        first += len(own)
        if shared:
            continued = tuple(takewhile(lambda word: not word.written, own))
            shared[-1] = replace(shared[-1], words=shared[-1].words + continued)
            own = own[len(continued) :]
        if own:
            shared.append(replace(segment, words=own))
    return tuple(shared)


def _write_numbers(texts: Sequence[str], punctuated: Sequence[str]) -> list[str]:
    """Return how each word is written: the first of a number stands for all its words, and the others are empty."""
    from asr.text.written.punctuated import write_punctuated  # its tables take time to build

    forms = [""] * len(texts)
    for group in write_punctuated(texts, punctuated):
        forms[group.start] = group.text
    return forms
