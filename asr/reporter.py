"""What long-running code reports to a person; the caller decides where it appears.

Library code takes a `Reporter` and knows no console: the command line's is `asr.cli.console.ConsoleReporter`.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, TypeAlias

Tone: TypeAlias = Literal["plain", "quiet", "warning", "failure"]


class ProgressBar:
    """One task under way; this base class shows nothing."""

    def update(self, completed: float, figures: str = "") -> None:
        """Set how much of the total is complete, and the figures to show next to the bar."""


class Reporter:
    """Shows lines and progress to a person; this base class shows nothing."""

    @property
    def shows_progress(self) -> bool:
        """Whether a progress bar would be seen."""
        return False

    def line(self, text: str, tone: Tone = "plain") -> None:
        """Show one message; `text` is plain text, without markup."""

    def progress(
        self, label: str, total: float | None = None, *, transient: bool = False
    ) -> AbstractContextManager[ProgressBar]:
        """Show a task under way while the block runs.

        Args:
            label: What is being done.
            total: The amount that `update` counts towards; None if it is not known.
            transient: Whether the bar disappears when the block ends.
        """
        return nullcontext(ProgressBar())


SILENT = Reporter()
