"""What long-running code reports to a person; the caller decides where it appears.

Library code takes a `Reporter` and knows no console: the command line's is `asr.cli.console.ConsoleReporter`.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol, TypeAlias

Tone: TypeAlias = Literal["plain", "quiet", "warning", "failure"]


class ProgressBar(Protocol):
    """One task under way."""

    def update(self, completed: float, figures: str = "") -> None:
        """Set how much of the total is complete, and the figures to show beside the bar."""


class Reporter(Protocol):
    """Shows lines and progress to a person."""

    @property
    def shows_progress(self) -> bool:
        """Whether a progress bar would be seen."""

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


class _SilentBar:
    def update(self, completed: float, figures: str = "") -> None:
        pass


class SilentReporter:
    """Shows nothing: the default of library functions."""

    shows_progress = False

    def line(self, text: str, tone: Tone = "plain") -> None:
        """Show nothing."""

    def progress(
        self, label: str, total: float | None = None, *, transient: bool = False
    ) -> AbstractContextManager[ProgressBar]:
        """Show nothing while the block runs."""
        return nullcontext(_SilentBar())


SILENT = SilentReporter()
