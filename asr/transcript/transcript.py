"""What was said in a recording: the result that people and programs read."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

SCHEMA_VERSION = 1
DOUBTFUL = 0.5  # a word with a lower confidence is more likely wrong than right


@dataclass(frozen=True)
class Alternative:
    """Another thing that may have been said, with the natural log of its score."""

    text: str
    score: float


@dataclass(frozen=True)
class Word:
    """A word and when it was said.

    Attributes:
        text: As the alphabet spells it.
        start, end: Seconds from the start of the recording, half-open.
        confidence: Probability that the word is right; None where the model is not calibrated.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None


@dataclass(frozen=True)
class Segment:
    """A stretch of speech between pauses, as subtitles and readers want it.

    Attributes:
        words: At least one, in the order of time.
    """

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """Its words with spaces between."""
        return " ".join(word.text for word in self.words)

    @property
    def start(self) -> float:
        """Seconds at which its first word starts."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Seconds at which its last word ends."""
        return self.words[-1].end

    @property
    def confidence(self) -> float | None:
        """The share of its words that one may expect to be right."""
        return mean_confidence(self.words)


@dataclass(frozen=True, repr=False)
class Transcript:
    """The text of one recording. Prints as its text; rich and notebooks show times and confidences, too.

    Attributes:
        text: What was said; empty where nothing was.
        duration: Seconds of audio.
        source: The recording's name, where it has one.
        segments: The words with their times, cut at pauses; none where nothing was said.
        alternatives: The n best readings, the text first, where they were asked for.
    """

    text: str
    duration: float
    source: str | None = None
    segments: tuple[Segment, ...] = ()
    alternatives: tuple[Alternative, ...] = ()

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        start = self.text if len(self.text) <= 60 else f"{self.text[:59]}…"
        name = f", {self.source}" if self.source else ""
        return f"<Transcript {start!r}, {self.duration:.1f} s{name}>"

    def __rich__(self) -> "Text":
        from asr.transcript.display import to_rich

        return to_rich(self)

    def _repr_html_(self) -> str:
        from asr.transcript.display import to_html

        return to_html(self)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def confidence(self) -> float | None:
        """The share of its words that one may expect to be right; None where there is no telling."""
        return mean_confidence(self.words)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it (docs/transcripts.md). Times to the millisecond, confidences to three digits.

        `schema_version` grows when a key changes its meaning, not when one is added.
        """
        fields: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "file": self.source,
            "duration": round(self.duration, 3),
            "text": self.text,
            "confidence": _rounded(self.confidence),
            "segments": [
                {**_timed(segment), "words": [_timed(word) for word in segment.words]} for segment in self.segments
            ],
        }
        if self.alternatives:
            fields["alternatives"] = [{"text": one.text, "score": round(one.score, 4)} for one in self.alternatives]
        return fields


def _timed(part: Segment | Word) -> dict[str, Any]:
    return {
        "start": round(part.start, 3),
        "end": round(part.end, 3),
        "text": part.text,
        "confidence": _rounded(part.confidence),
    }


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 3)


def mean_confidence(words: Iterable[Word]) -> float | None:
    """The mean of the words' confidences; None where there are no words or one has none."""
    known = [word.confidence for word in words]
    confidences = [one for one in known if one is not None]
    return sum(confidences) / len(confidences) if confidences and len(confidences) == len(known) else None
