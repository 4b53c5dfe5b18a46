"""What was said in a recording: the result that people and programs read."""

from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Alternative:
    """Another thing that may have been said, with the natural log of its score."""

    text: str
    score: float


@dataclass(frozen=True)
class Transcript:
    """The text of one recording. Prints as its text.

    Attributes:
        text: What was said; empty where nothing was.
        duration: Seconds of audio.
        source: The recording's name, where it has one.
        alternatives: The n best readings, the text first, where they were asked for.
    """

    text: str
    duration: float
    source: str | None = None
    alternatives: tuple[Alternative, ...] = ()

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: `schema_version` grows when a key changes its meaning, not when one is added."""
        fields: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "file": self.source,
            "duration": round(self.duration, 3),
            "text": self.text,
        }
        if self.alternatives:
            fields["alternatives"] = [{"text": one.text, "score": round(one.score, 4)} for one in self.alternatives]
        return fields
