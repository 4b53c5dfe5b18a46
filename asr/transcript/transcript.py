"""What was said in a recording: the result for people and programs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asr.transcript.words import Segment, Word, mean_confidence

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["Alternative", "Segment", "Transcript", "Word"]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Alternative:
    """A hypothesis of the whole text, with the natural log of its score."""

    text: str
    score: float


@dataclass(frozen=True, repr=False)
class Transcript:
    """The text of one recording. Prints as its text; rich and notebooks also show times and confidences.

    Attributes:
        text: What was said; empty if nothing was.
        duration: Seconds of audio.
        source: Name of the recording, if it has one.
        segments: The words with their times, split at pauses; empty if nothing was said.
        alternatives: The n best hypotheses, the text itself first, if they were requested.
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

        return to_rich(self.text, self.segments)

    def _repr_html_(self) -> str:
        from asr.transcript.display import to_html

        return to_html(self.text, self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def confidence(self) -> float | None:
        """The expected share of words that are right; None if a word has no confidence."""
        return mean_confidence(self.words)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of the JSON format (docs/transcripts.md): times in milliseconds, confidences in 3 digits.

        `schema_version` grows when a key changes its meaning, not when one is added.
        """
        fields: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "file": self.source,
            "duration": round(self.duration, 3),
            "text": self.text,
            "confidence": _round_confidence(self.confidence),
            "segments": [
                {**_to_dict(segment), "words": [_to_dict(word) for word in segment.words]} for segment in self.segments
            ],
        }
        if self.alternatives:
            fields["alternatives"] = [
                {"text": alternative.text, "score": round(alternative.score, 4)} for alternative in self.alternatives
            ]
        return fields


def _to_dict(part: Segment | Word) -> dict[str, Any]:
    return {
        "start": round(part.start, 3),
        "end": round(part.end, 3),
        "text": part.text,
        "confidence": _round_confidence(part.confidence),
    }


def _round_confidence(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 3)
