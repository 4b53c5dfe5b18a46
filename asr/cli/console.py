"""A `Reporter` that writes to a terminal, or plain lines where there is none."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from asr.reporter import ProgressBar, Tone

_STYLES: dict[Tone, str] = {"plain": "", "quiet": "dim", "warning": "yellow", "failure": ""}


class ConsoleReporter:
    """Shows lines and progress on a console; progress bars on a live terminal only.

    Args:
        console: The terminal.
    """

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
        columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn()]
        if total is not None:
            columns.append(TextColumn("{task.percentage:>3.0f}%"))
        columns += [TextColumn("{task.fields[figures]}"), TimeElapsedColumn()]
        if total is not None:
            columns.append(TimeRemainingColumn())
        with Progress(
            *columns, console=self._console, transient=transient, disable=not self._console.is_terminal
        ) as progress:
            yield _Bar(progress, progress.add_task(label, total=total, figures=""))


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def update(self, completed: float, figures: str = "") -> None:
        self._progress.update(self._task, completed=completed, figures=figures)


console = Console(stderr=True)
reporter = ConsoleReporter(console)
