"""A reporter that keeps what it is given."""

from collections.abc import Iterator
from contextlib import contextmanager


class RecordingReporter:
    """Keeps lines with their tones, and what bars were set to.

    Attributes:
        shows_progress: As a console that is a terminal, or is none.
    """

    def __init__(self, *, shows_progress: bool = False) -> None:
        self.shows_progress = shows_progress
        self.lines: list[tuple[str, str]] = []
        self.totals: list[float | None] = []
        self.updates: list[tuple[float, str]] = []

    def line(self, text: str, tone: str = "plain") -> None:
        self.lines.append((text, tone))

    @contextmanager
    def progress(
        self, label: str, total: float | None = None, *, transient: bool = False
    ) -> Iterator["RecordingReporter"]:
        self.totals.append(total)
        yield self

    def update(self, completed: float, figures: str = "") -> None:
        self.updates.append((completed, figures))
