"""What a person sees of a language model's training: a progress line, samples of what it writes, a log."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import TaskID

from asr.train.monitor import LOG_EVERY, RunLog, Throughput, progress_bar


@dataclass(frozen=True)
class Look:
    """How far training has come."""

    share: float  # of the whole training
    loss: float | None  # nats a token since the last look; None where it was never finite
    dev_bits_per_character: float
    steps: int
    minutes: float
    sample: str  # what the model writes by itself


class RnnMonitor:
    """Tells what happens: to the terminal, to `FOLDER/log.jsonl` and to TensorBoard.

    Args:
        folder: Where the logs go.
        console: The terminal; progress moves only on a live one.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self._console = console
        self._progress = progress_bar(console, disable=not console.is_terminal)
        self._task: TaskID | None = None
        self._log = RunLog(folder)
        self._pace = Throughput(50)  # in tokens
        self._share = 0.0
        self._bits = float("nan")

    def __enter__(self) -> "RnnMonitor":
        self._log.open()
        self._progress.start()
        self._task = self._progress.add_task("", total=1.0, figures="")
        self._progress.update(self._task, completed=self._share)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._log.close(failed=error is not None)

    def resume_at(self, share: float) -> None:
        """Start the progress line where a resumed run starts."""
        self._share = share

    def step(
        self, step: int, *, loss: float, learning_rate: float, gradient_norm: float, tokens: int, share: float
    ) -> None:
        """A step of the optimiser on so many tokens."""
        self._pace.add(tokens)
        if self._task is not None:
            dev = "" if math.isnan(self._bits) else f"  dev {self._bits:.3f} bits a character"
            self._progress.update(self._task, completed=share, figures=f"loss {loss:.3f}{dev}{self._describe_pace()}")
        if step % LOG_EVERY == 0:
            metrics = {"loss": loss, "learning_rate": learning_rate, "gradient_norm": gradient_norm}
            self._log.draw("train", metrics, step)

    def look(self, look: Look) -> None:
        """The development text was measured."""
        self._bits = look.dev_bits_per_character
        self._log.append(asdict(look))
        self._log.draw("dev", {"bits_per_character": look.dev_bits_per_character}, look.steps)
        loss = "not finite" if look.loss is None else f"{look.loss:.3f}"
        self._print(
            f"{look.share:4.0%}  step {look.steps}  loss {loss}  "
            f"dev {look.dev_bits_per_character:.3f} bits a character  "
            f"{look.minutes:.1f} min{self._describe_pace()}"
        )
        self._print("\n".join(f"  [dim]{escape(line)}[/]" for line in look.sample.splitlines()))

    def warn(self, message: str) -> None:
        """Something went wrong that training survives."""
        self._print(f"[yellow]{escape(message)}[/]")
        self._log.append({"warning": message})

    def _describe_pace(self) -> str:
        """Nothing while there are too few steps to tell."""
        pace = self._pace.per_second()
        return "" if math.isnan(pace) else f"  {pace:,.0f} tokens/s"

    def _print(self, message: str) -> None:
        self._console.print(message, highlight=False, soft_wrap=True)
