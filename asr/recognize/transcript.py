"""What was said in a recording: the result that people and programs read."""

from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Transcript:
    """The text of one recording. Prints as its text.

    Attributes:
        text: What was said; empty where nothing was.
        duration: Seconds of audio.
        source: The recording's name, where it has one.
    """

    text: str
    duration: float
    source: str | None = None

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: `schema_version` grows when a key changes its meaning, not when one is added."""
        return {
            "schema_version": SCHEMA_VERSION,
            "file": self.source,
            "duration": round(self.duration, 3),
            "text": self.text,
        }
