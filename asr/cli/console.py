"""A `Reporter` that writes to a terminal, or as plain lines if there is no terminal."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from asr.errors import AsrWarning
from asr.reporter import ProgressBar, Reporter, Tone

if TYPE_CHECKING:
    from rich.progress import Progress

_STYLES: dict[Tone, str] = {"plain": "", "quiet": "dim", "warning": "yellow", "failure": ""}


class ConsoleReporter(Reporter):
    """Shows lines and progress on a console; progress bars on a live terminal only."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def shows_progress(self) -> bool:
        """Whether the console is a live terminal."""
        return self._console.is_terminal

    def line(self, text: str, tone: Tone = "plain") -> None:
        """Print one message, unwrapped."""
        message = Text(text, style=_STYLES[tone])
        if tone == "failure":
            message = Text.assemble(("failed:", "red"), " ", message)
        self._console.print(message, soft_wrap=True, highlight=False)

    @contextmanager
    def progress(self, label: str, total: float | None = None, *, transient: bool = False) -> Iterator[ProgressBar]:
        """Show a bar with the share done, figures and times while the block runs."""
        if not self.shows_progress:
            yield ProgressBar()
            return
        from rich.progress import (
            BarColumn,
            Progress,
            ProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn()]
        columns += [TextColumn("{task.fields[figures]}"), TimeElapsedColumn()]
        if total is not None:
            columns.insert(2, TextColumn("{task.percentage:>3.0f}%"))
            columns.append(TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=transient) as bars:
            yield _Bar(bars, label, total)


class _Bar(ProgressBar):
    def __init__(self, bars: "Progress", label: str, total: float | None) -> None:
        self._bars = bars
        self._task = bars.add_task(label, total=total, figures="")

    def update(self, completed: float, figures: str = "") -> None:
        self._bars.update(self._task, completed=completed, figures=figures)


console = Console(stderr=True)
reporter = ConsoleReporter(console)


def show_warnings() -> None:
    """Print the warnings of this package as one line each; others stay as they are."""
    show_other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *details: Any, **named: Any) -> None:
        if issubclass(category, AsrWarning):
            reporter.line(f"warning: {message}", "warning")
        else:
            show_other(message, category, *details, **named)

    warnings.showwarning = show
    warnings.simplefilter("always", AsrWarning)
