"""What a person sees of a training run: a progress line, a line an epoch, TensorBoard and a log file."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType

from lightning.fabric.loggers import TensorBoardLogger
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOG_EVERY = 10  # steps between two entries in TensorBoard


@dataclass(frozen=True)
class EpochMetrics:
    """An epoch in figures. Losses are nats a token, error rates fractions."""

    epoch: int  # from 0
    loss: float | None  # None where it was not finite in any step
    dev_loss: float
    dev_wer: float
    dev_cer: float
    steps: int
    bad_steps: int
    minutes: float


class Monitor:
    """Tells what happens: to the terminal, to `FOLDER/log.jsonl` and to TensorBoard.

    Args:
        folder: Where the logs go.
        console: The terminal; progress moves only on a live one.
        active: False in all processes but the first, which then say nothing.
        num_epochs: Epochs of the whole run.
        epoch_seconds: Speech an epoch.
    """

    def __init__(self, folder: Path, console: Console, *, active: bool, num_epochs: int, epoch_seconds: float) -> None:
        self._console = console
        self._active = active
        self._num_epochs = num_epochs
        self._epoch_seconds = epoch_seconds
        self._log = RunLog(folder)
        self._progress = progress_bar(console, disable=not active or not console.is_terminal)
        self._task: TaskID | None = None
        self._pace = Throughput(20)  # in seconds of speech
        self._dev_wer = float("nan")
        self._done = 0.0  # seconds of speech before this session

    def __enter__(self) -> "Monitor":
        if self._active:
            self._log.open()
            self._progress.start()
            total = self._num_epochs * self._epoch_seconds
            self._task = self._progress.add_task("", total=total, completed=round(self._done), figures="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._log.close(failed=error is not None)

    def resume_at(self, epochs: float, *, dev_wer: float) -> None:
        """Start the progress line where a resumed run starts."""
        self._done = epochs * self._epoch_seconds
        self._dev_wer = dev_wer

    def step(self, step: int, *, loss: float, learning_rate: float, gradient_norm: float, seconds: float) -> None:
        """A step of the optimiser on so many seconds of speech."""
        self._pace.add(seconds)
        if self._task is not None:
            figures = f"loss {loss:.3f}  dev WER {self._dev_wer:.2%}  {self._pace.per_second():.0f} x real time"
            self._progress.update(self._task, advance=seconds, figures=figures)
        if step % LOG_EVERY == 0:
            metrics = {"loss": loss, "learning_rate": learning_rate, "gradient_norm/all": gradient_norm}
            self._log.draw("train", metrics, step)

    def wants_layers(self, step: int) -> bool:
        """Whether this step's gradients are to be measured by layer."""
        return self._log.is_open and step % LOG_EVERY == 0

    def layers(self, step: int, norms: Mapping[str, float]) -> None:
        """Gradient norms by layer: those that vanish or explode show here first."""
        if self._log.is_open:
            self._log.draw("gradient_norm", norms, step)
            self._log.append({"step": step, "gradient_norms": dict(norms)})

    def epoch(self, report: EpochMetrics, samples: list[tuple[str, str]]) -> None:
        """An epoch is over; samples are pairs of reference and hypothesis."""
        self._dev_wer = report.dev_wer
        if not self._log.is_open:
            return
        self._log.append(asdict(report))
        loss = "not finite" if report.loss is None else f"{report.loss:.3f}"
        self._log.draw("dev", {name: getattr(report, f"dev_{name}") for name in ("loss", "wer", "cer")}, report.steps)
        self._console.print(
            f"epoch {report.epoch + 1}/{self._num_epochs}  loss {loss}  dev loss {report.dev_loss:.3f}  "
            f"dev WER {report.dev_wer:.2%}  CER {report.dev_cer:.2%}  {report.minutes:.1f} min  "
            f"{self._pace.per_second():.0f} x real time",
            highlight=False,
            soft_wrap=True,
        )
        for reference, hypothesis in samples:
            pair = f"  [dim]{escape(reference)}[/dim]\n  {escape(hypothesis)}"
            self._console.print(pair, highlight=False, soft_wrap=True)

    def warn(self, message: str) -> None:
        """Something went wrong that training survives."""
        if self._active:
            self._console.print(f"[yellow]{escape(message)}[/yellow]", highlight=False, soft_wrap=True)
            self._log.append({"warning": message})


class RunLog:
    """What is kept of a training: `FOLDER/log.jsonl` and TensorBoard's curves.

    Args:
        folder: Where they go; made when opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._board: TensorBoardLogger | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is anything to draw on."""
        return self._board is not None

    def open(self) -> None:
        """Begin, or go on where an earlier session ended."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._board = TensorBoardLogger(self._folder, name="tensorboard", version="")

    def close(self, *, failed: bool) -> None:
        """Finish the curves, if there are any."""
        if self._board is not None:
            self._board.finalize("failed" if failed else "success")

    def draw(self, group: str, values: Mapping[str, float], step: int) -> None:
        """A point of each curve `group/name`; nothing where the log is not open."""
        if self._board is not None:
            self._board.log_metrics({f"{group}/{name}": value for name, value in values.items()}, step)

    def append(self, entry: Mapping[str, object]) -> None:
        """A line of `log.jsonl`."""
        with (self._folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


class Throughput:
    """How much is done a second, over the last steps.

    Args:
        num_steps: How many count.
    """

    def __init__(self, num_steps: int) -> None:
        self._recent: deque[tuple[float, float]] = deque(maxlen=num_steps)  # moment, amount

    def add(self, amount: float) -> None:
        """A step is over, in which so much was done."""
        self._recent.append((monotonic(), amount))

    def per_second(self) -> float:
        """NaN before there are two steps."""
        if len(self._recent) < 2:
            return float("nan")
        done = sum(amount for _, amount in list(self._recent)[1:])
        return done / max(self._recent[-1][0] - self._recent[0][0], 1e-9)


def progress_bar(console: Console, *, disable: bool) -> Progress:
    """A line that shows how far training is, with the field `figures` beside it."""
    return Progress(
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=disable,
    )
