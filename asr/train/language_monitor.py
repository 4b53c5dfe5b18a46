"""What a person sees of a language model's training: a progress line, samples of what it writes, a log."""

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
from rich.progress import TaskID

from asr.train.monitor import LOG_EVERY, progress_bar


@dataclass(frozen=True)
class Look:
    """How far training has come."""

    share: float  # of the whole training
    loss: float | None  # nats a token since the last look; None where it was never finite
    dev_bits_per_character: float
    steps: int
    minutes: float
    sample: str  # what the model writes by itself


class LanguageMonitor:
    """Tells what happens: to the terminal, to `FOLDER/log.jsonl` and to TensorBoard.

    Args:
        folder: Where the logs go.
        console: The terminal; progress moves only on a live one.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder = folder
        self._console = console
        self._progress = progress_bar(console, disable=not console.is_terminal)
        self._task: TaskID | None = None
        self._board: TensorBoardLogger | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=50)  # moment, tokens
        self._share = 0.0
        self._bits = float("nan")

    def __enter__(self) -> "LanguageMonitor":
        self._folder.mkdir(parents=True, exist_ok=True)
        self._board = TensorBoardLogger(self._folder, name="tensorboard", version="")
        self._progress.start()
        self._task = self._progress.add_task("", total=1.0, figures="")
        self._progress.update(self._task, completed=self._share)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if self._board is not None:
            self._board.finalize("success" if error is None else "failed")

    def resume_at(self, share: float) -> None:
        """Start the progress line where a resumed run starts."""
        self._share = share

    def step(
        self, step: int, *, loss: float, learning_rate: float, gradient_norm: float, tokens: int, share: float
    ) -> None:
        """A step of the optimiser on so many tokens."""
        self._recent.append((monotonic(), tokens))
        if self._task is not None:
            figures = f"loss {loss:.3f}  dev {self._bits:.3f} bits a character  {self._speed():,.0f} tokens/s"
            self._progress.update(self._task, completed=share, figures=figures)
        if self._board is not None and step % LOG_EVERY == 0:
            metrics = {"loss": loss, "learning_rate": learning_rate, "gradient_norm": gradient_norm}
            self._board.log_metrics({f"train/{name}": value for name, value in metrics.items()}, step)

    def look(self, look: Look) -> None:
        """The development text was measured."""
        self._bits = look.dev_bits_per_character
        self._append(asdict(look))
        if self._board is not None:
            self._board.log_metrics({"dev/bits_per_character": look.dev_bits_per_character}, look.steps)
        loss = "not finite" if look.loss is None else f"{look.loss:.3f}"
        self._print(
            f"{look.share:4.0%}  step {look.steps}  loss {loss}  "
            f"dev {look.dev_bits_per_character:.3f} bits a character  "
            f"{look.minutes:.1f} min  {self._speed():,.0f} tokens/s"
        )
        self._print("\n".join(f"  [dim]{escape(line)}[/]" for line in look.sample.splitlines()))

    def warn(self, message: str) -> None:
        """Something went wrong that training survives."""
        self._print(f"[yellow]{escape(message)}[/]")
        self._append({"warning": message})

    def _speed(self) -> float:
        """Tokens a second over the last steps."""
        if len(self._recent) < 2:
            return float("nan")
        tokens = sum(count for _, count in list(self._recent)[1:])
        return tokens / max(self._recent[-1][0] - self._recent[0][0], 1e-9)

    def _print(self, message: str) -> None:
        self._console.print(message, highlight=False, soft_wrap=True)

    def _append(self, entry: Mapping[str, object]) -> None:
        with (self._folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
