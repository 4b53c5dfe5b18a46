"""The training loop: what every training does, whatever it learns.

A trainer says what a batch is and what its loss is; the loop steps the optimiser, skips steps whose gradients are not
finite, saves checkpoints, stops on request and resumes. Devices, processes and precision are Lightning Fabric's; the
loop is plain, so that it can be read and changed. A resumed run ends with the same weights, bit for bit.
"""

import math
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from types import FrameType
from typing import Any, ClassVar, Generic, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from asr.config import LanguageTrainSettings, OptimizerSettings, PunctuatorTrainSettings, TrainSettings
from asr.errors import TrainingError, TrainingInterrupted
from asr.train.checkpoint import CheckpointFolder, Fingerprint, Weights
from asr.train.monitor import Monitor

BatchT = TypeVar("BatchT")


@dataclass
class TrainState:
    """Where a run stands: with weights and optimiser, everything that the next step depends on.

    A size is a batch's weight: seconds of speech or number of tokens, over all processes.
    """

    epoch: int = 0
    steps: int = 0
    bad_steps: int = 0  # skipped, because their gradients were not finite
    bad_in_a_row: int = 0
    batches: int = 0  # of this epoch, already used
    size: float = 0.0  # of those batches
    loss_sum: float = 0.0  # finite losses since the last evaluation, each weighted by its batch's size
    loss_size: float = 0.0  # of the batches in `loss_sum`
    elapsed: float = 0.0  # seconds of training, over all sessions
    history: list[dict[str, Any]] = field(default_factory=list)  # the evaluations

    def take_loss(self) -> float | None:
        """Return the mean loss since the last evaluation, and reset it; None if it was never finite."""
        loss = self.loss_sum / self.loss_size if self.loss_size else None
        self.loss_sum = self.loss_size = 0.0
        return loss


@dataclass(frozen=True)
class LoopSetup:
    """What every trainer needs, apart from its network."""

    settings: TrainSettings | LanguageTrainSettings | PunctuatorTrainSettings
    folder: CheckpointFolder
    monitor: Monitor
    fingerprint: Fingerprint  # must not differ between a checkpoint and the run that resumes it


class TrainingLoop(ABC, Generic[BatchT]):
    """Trains a network while watching development data.

    Args:
        fabric: Launched; knows device, processes and precision.
        module: The network.
        optimizer: Of the network's parameters.
        epoch_size: Sum of the sizes of an epoch's batches.
        setup: Everything else.
    """

    max_bad_steps = TrainSettings().max_bad_steps  # language models have no setting of their own
    checkpoint_keys: ClassVar[Mapping[str, str]]  # names in checkpoints of fields of the state, if they differ
    settings: TrainSettings | LanguageTrainSettings | PunctuatorTrainSettings
    monitor: Monitor

    def __init__(
        self, fabric: Fabric, module: nn.Module, optimizer: torch.optim.Optimizer, epoch_size: float, setup: LoopSetup
    ) -> None:
        self.fabric = fabric
        self.module = module
        self.network, self.optimizer = fabric.setup(module, optimizer)
        self.epoch_size = epoch_size
        self.state = TrainState()
        self.settings, self.monitor = setup.settings, setup.monitor
        self.folder, self.fingerprint = setup.folder, setup.fingerprint
        self.stop_requested = False

    def fit(self) -> Weights:
        """Train to the end; return the average of the best weights.

        Raises:
            TrainingInterrupted: On SIGINT or SIGTERM; `restore` continues.
            TrainingError: If gradients are non-finite several times in a row.
        """
        with self._stopping_on_signals(), self.monitor.recording():
            if self.state.steps == 0:
                self._save()  # so that even a run that is killed before its first checkpoint can be resumed
            while not self._is_finished():
                self._train_epoch()
                self._finish_epoch()
                if self.state.epoch < self.settings.epochs:
                    self._stop_if_requested()
        return self.folder.average_epochs(self.best_epochs())

    def restore(self) -> dict[str, Any]:
        """Continue from the folder's last checkpoint, and return it.

        Raises:
            TrainingError: If there is none, or it was made with other settings or data.
        """
        checkpoint = self.folder.load_last()
        if checkpoint.get("fingerprint") != self.fingerprint.run:
            raise self.folder.mismatch()
        self.module.load_state_dict(checkpoint["model"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        fields = {key: name for name, key in self.checkpoint_keys.items()}
        self.state = TrainState(**{fields.get(key, key): value for key, value in checkpoint["position"].items()})
        self.monitor.resume_at(self.share(), self.state.history)
        return checkpoint

    def share(self) -> float:
        """Return the share of the whole training that is done, in [0, 1]."""
        return min((self.state.epoch + self.state.size / self.epoch_size) / self.settings.epochs, 1.0)

    def step(self, group: list[BatchT]) -> None:
        """Take one step of the optimiser, on the mean gradient of a few batches."""
        state = self.state
        # What dropout draws depends on the position in the run alone, so a resumed run draws the same.
        torch.manual_seed(self._step_seed())
        rate = learning_rate(self.share(), self.settings.optimizer)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        loss = self._backward(group)
        norm = self._apply_gradients(group)
        own_size = sum(self._size(batch) for batch in group)
        # Summed over all processes: the learning rate follows from it, and must be the same in each.
        size, weighted_loss = self._sum(own_size, loss * own_size)
        state.batches += len(group)
        state.size += size
        if math.isfinite(weighted_loss):
            state.loss_sum += weighted_loss
            state.loss_size += size
        state.steps += 1
        self.monitor.step(
            state.steps, self.share(), loss=weighted_loss / size, learning_rate=rate, gradient_norm=norm, size=size
        )

    @abstractmethod
    def loss(self, batch: BatchT) -> Tensor:
        """Compute the mean loss of a batch, in nats per token."""

    @abstractmethod
    def best_epochs(self) -> list[int]:
        """Return the numbers of the saved weights that did best on development data, best first."""

    @abstractmethod
    def _remaining(self) -> Iterable[BatchT]:
        """Return the batches of this epoch that were not used yet."""

    @abstractmethod
    def _step_seed(self) -> int:
        """Return the seed of what the next step draws."""

    @abstractmethod
    def _size(self, batch: BatchT) -> float:
        """Return a batch's weight among others, in seconds or tokens."""

    @abstractmethod
    def _finish_epoch(self) -> None:
        """Evaluate, if that is due after an epoch, and save; the state is already that of the next epoch."""

    def _is_finished(self) -> bool:
        return self.state.epoch >= self.settings.epochs

    def _after_step(self) -> None:
        """Do what may be due after any step; nothing by default."""

    def _describe(self, group: list[BatchT]) -> str:
        """Name a step's batches in a warning."""
        return ""

    def _train_epoch(self) -> None:
        self.network.train()
        batches = iter(self._remaining())
        saved = started = time.monotonic()
        try:
            while group := list(islice(batches, self.settings.optimizer.accumulate)):
                self.step(group)
                now = time.monotonic()
                self.state.elapsed += now - started
                started = now
                self._after_step()
                if self._any(now - saved >= 60 * self.settings.checkpoint_minutes):
                    self._save()
                    saved = now
                self._stop_if_requested()
        finally:
            del batches  # and the processes that read them, whoever keeps an error with this frame
        self._stop_if_requested()  # the batches end early if a signal comes while one is awaited
        self.state.epoch += 1
        self.state.batches, self.state.size = 0, 0.0

    def _backward(self, group: list[BatchT]) -> float:
        """Add up the gradients of a few batches; return their mean loss."""
        loss = 0.0
        for index, batch in enumerate(group):
            last = index == len(group) - 1
            with self.fabric.no_backward_sync(self.network, enabled=not last):
                batch_loss = self.loss(batch) / len(group)
                self.fabric.backward(batch_loss)
            loss += float(batch_loss.detach())
        return loss

    def _apply_gradients(self, group: list[BatchT]) -> float:
        """Clip and step, or skip a step whose gradient is not finite; return the norm before clipping."""
        limit = self.settings.optimizer.clip_norm
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), math.inf if limit is None else limit))
        if math.isfinite(norm):
            self.state.bad_in_a_row = 0
            self.optimizer.step()
        else:
            self._skip_step(group)
        self.optimizer.zero_grad()
        return norm

    def _skip_step(self, group: list[BatchT]) -> None:
        """Report a step whose gradient is not finite; too many in a row end the training."""
        state, batches = self.state, self._describe(group)
        state.bad_steps += 1
        state.bad_in_a_row += 1
        self.monitor.warn(f"step {state.steps + 1}: gradient not finite, step skipped{batches and f'; {batches}'}")
        if state.bad_in_a_row >= self.max_bad_steps:
            raise TrainingError(
                f"{state.bad_in_a_row} steps in a row had a gradient that is not finite"
                f"{batches and f', the last on the {batches}'}; lower train.optimizer.learning_rate or clip_norm"
                f"{batches and ', or check these recordings'}"
            )

    def _stop_if_requested(self) -> None:
        """Stop all processes at the same step when one of them was asked to."""
        if self._any(self.stop_requested):
            self._save()
            raise TrainingInterrupted(
                f"stopped in epoch {self.state.epoch + 1} after step {self.state.steps}; resume it to continue"
            )

    def _any(self, here: bool) -> bool:
        """Return whether something holds in any process; all must ask at the same point, as each has its own clock."""
        return self._sum(float(here))[0] > 0

    def _sum(self, *values: float) -> list[float]:
        """Sum each value over all processes."""
        if self.fabric.world_size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.fabric.device)
        return self.fabric.all_reduce(tensor, reduce_op="sum").tolist()

    def _record(self, metrics: Any, report: Callable[[], None], *, times: int = 1) -> None:
        """Note an evaluation, keep the weights if they are among the best, report, save.

        Args:
            metrics: A data class of its figures.
            report: Called once the weights are kept.
            times: How often it counts: evaluations that fell due together are one that was made several times.
        """
        history = self.state.history
        history += [asdict(metrics)] * times
        best = self.best_epochs()
        if self.fabric.is_global_zero and len(history) - 1 in best:
            self.folder.save_epoch(len(history) - 1, self.module.state_dict())
        report()
        self._save()
        if self.fabric.is_global_zero:
            self.folder.keep_epochs(best)  # after the save: what it still names must be there

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            self.folder.save_last(self._checkpoint())
        self.fabric.barrier()

    def _checkpoint(self) -> dict[str, Any]:
        keys = self.checkpoint_keys
        return {
            "fingerprint": self.fingerprint.run,
            "settings_fingerprint": self.fingerprint.settings,
            "model": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "position": {keys.get(name, name): value for name, value in asdict(self.state).items()},
        }

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        """Remember SIGINT and SIGTERM while the block runs, for a stop between two steps; a second one acts at once."""
        # Only the main thread may set handlers; elsewhere the caller keeps its own.
        signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        handlers: dict[int, Any] = {number: signal.getsignal(number) for number in signals}

        def remember(number: int, _: FrameType | None) -> None:
            self.stop_requested = True
            signal.signal(number, handlers[number])

        for number in signals:
            signal.signal(number, remember)
        try:
            yield
        finally:
            for number in signals:
                signal.signal(number, handlers[number])


def learning_rate(share: float, settings: OptimizerSettings) -> float:
    """Compute a learning rate: linear warm-up, then half a cosine to zero (Loshchilov & Hutter 2017).

    `share`, in [0, 1], is the share of the whole training that is done.
    """
    if share < settings.warmup_fraction:
        # Never zero: the first step counts as well.
        return settings.learning_rate * max(share / settings.warmup_fraction, 0.01)
    remaining = (1 - share) / (1 - settings.warmup_fraction)
    return settings.learning_rate * 0.5 * (1 - math.cos(math.pi * remaining))
