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
class EpochReport:
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
        self._folder = folder
        self._console = console
        self._active = active
        self._num_epochs = num_epochs
        self._epoch_seconds = epoch_seconds
        self._board: TensorBoardLogger | None = None
        self._progress = progress_bar(console, disable=not active or not console.is_terminal)
        self._task: TaskID | None = None
        self._recent: deque[tuple[float, float]] = deque(maxlen=20)  # moment, seconds of speech
        self._dev_wer = float("nan")
        self._done = 0.0  # seconds of speech before this session

    def __enter__(self) -> "Monitor":
        if self._active:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._board = TensorBoardLogger(self._folder, name="tensorboard", version="")
            self._progress.start()
            total = self._num_epochs * self._epoch_seconds
            self._task = self._progress.add_task("", total=total, completed=round(self._done), figures="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if self._board is not None:
            self._board.finalize("success" if error is None else "failed")

    def resume_at(self, epochs: float, *, dev_wer: float) -> None:
        """Start the progress line where a resumed run starts."""
        self._done = epochs * self._epoch_seconds
        self._dev_wer = dev_wer

    def step(self, step: int, *, loss: float, learning_rate: float, gradient_norm: float, seconds: float) -> None:
        """A step of the optimiser on so many seconds of speech."""
        self._recent.append((monotonic(), seconds))
        if self._task is not None:
            figures = f"loss {loss:.3f}  dev WER {self._dev_wer:.2%}  {self._times_real_time():.0f} x real time"
            self._progress.update(self._task, advance=seconds, figures=figures)
        if self._board is not None and step % LOG_EVERY == 0:
            metrics = {"loss": loss, "learning_rate": learning_rate, "gradient_norm/all": gradient_norm}
            self._board.log_metrics({f"train/{name}": value for name, value in metrics.items()}, step)

    def wants_layers(self, step: int) -> bool:
        """Whether this step's gradients are to be measured by layer."""
        return self._board is not None and step % LOG_EVERY == 0

    def layers(self, step: int, norms: Mapping[str, float]) -> None:
        """Gradient norms by layer: those that vanish or explode show here first."""
        if self._board is not None:
            self._board.log_metrics({f"gradient_norm/{name}": value for name, value in norms.items()}, step)
            self._append({"step": step, "gradient_norms": dict(norms)})

    def epoch(self, report: EpochReport, samples: list[tuple[str, str]]) -> None:
        """An epoch is over; samples are pairs of reference and hypothesis."""
        self._dev_wer = report.dev_wer
        if self._board is None:
            return
        self._append(asdict(report))
        loss = "not finite" if report.loss is None else f"{report.loss:.3f}"
        self._board.log_metrics(
            {f"dev/{name}": getattr(report, f"dev_{name}") for name in ("loss", "wer", "cer")}, report.steps
        )
        self._console.print(
            f"epoch {report.epoch + 1}/{self._num_epochs}  loss {loss}  dev loss {report.dev_loss:.3f}  "
            f"dev WER {report.dev_wer:.2%}  CER {report.dev_cer:.2%}  {report.minutes:.1f} min  "
            f"{self._times_real_time():.0f} x real time",
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
            self._append({"warning": message})

    def _times_real_time(self) -> float:
        """Seconds of speech per second of training, over the last steps."""
        if len(self._recent) < 2:
            return float("nan")
        speech = sum(seconds for _, seconds in list(self._recent)[1:])
        return speech / max(self._recent[-1][0] - self._recent[0][0], 1e-9)

    def _append(self, entry: Mapping[str, object]) -> None:
        with (self._folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


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
