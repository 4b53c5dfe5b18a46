"""The training loop: batches in, better weights out.

The network reads augmented speech, CTC says how far it is from the references, AdamW follows
the gradient. Devices, processes and precision are Lightning Fabric's; the loop is plain so
that it can be read, changed and resumed to the bit.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from asr.acoustic.ctc import consistency_loss, ctc_loss
from asr.acoustic.ctc_crf import Denominator
from asr.acoustic.model import Output
from asr.config import TrainSettings
from asr.decode.greedy import greedy_decode
from asr.errors import TrainingError, TrainingInterrupted
from asr.evaluate.wer import score_utterances
from asr.runtime.network import ChunkSize
from asr.text.tokenizer import Tokenizer
from asr.train.augment import draw_seed
from asr.train.checkpoint import CheckpointFolder, Weights
from asr.train.dataset import Batch, SpeechLoader
from asr.train.monitor import EpochMetrics, Monitor
from asr.train.schedule import learning_rate
from asr.train.stopping import StopRequest


@dataclass
class TrainState:
    """Where a run stands. Everything that the next step depends on beside weights and optimiser."""

    epoch: int = 0
    batches: int = 0  # of this epoch, already seen
    seconds: float = 0.0  # of speech in this epoch, already seen, over all processes
    loss_sum: float = 0.0  # finite losses, weighted by seconds of speech
    loss_seconds: float = 0.0
    steps: int = 0
    bad_steps: int = 0  # non-finite gradients so far
    bad_in_a_row: int = 0
    elapsed: float = 0.0  # seconds of training and dev evaluation, over all sessions
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class DevResult:
    """What the model makes of the development set."""

    loss: float
    wer: float
    cer: float
    samples: list[tuple[str, str]]  # reference, hypothesis


class Trainer:
    """Trains a model on one set of speech while watching another.

    Args:
        fabric: Launched; knows device, processes and precision.
        model: The acoustic model.
        train_loader, dev_loader: Batches of speech.
        tokenizer: To read hypotheses on the development set.
        denominator: Of the loss, where the settings give it a weight.
        settings: The recipe.
        train_seconds: Speech in the training set.
        frame_seconds: Length of a frame of log probabilities.
        folder: Where checkpoints go.
        monitor: Told what happens.
        fingerprint: What must not differ between a checkpoint and the run that resumes it.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: nn.Module,
        train_loader: SpeechLoader,
        dev_loader: SpeechLoader,
        *,
        tokenizer: Tokenizer,
        denominator: Denominator | None = None,
        settings: TrainSettings,
        train_seconds: float,
        frame_seconds: float,
        folder: CheckpointFolder,
        monitor: Monitor,
        fingerprint: str,
    ) -> None:
        self.fabric = fabric
        optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=settings.optimizer.learning_rate,
            weight_decay=settings.optimizer.weight_decay,
        )
        self.model, self.optimizer = fabric.setup(model, optimizer)
        self.train_loader = train_loader
        self.dev_loader = dev_loader
        self.tokenizer = tokenizer
        self.denominator = denominator
        self.settings = settings
        self.train_seconds = train_seconds
        self.frame_seconds = frame_seconds
        self.folder = folder
        self.monitor = monitor
        self.fingerprint = fingerprint
        self.position = TrainState()
        self.stop_request = StopRequest()

    def fit(self) -> Weights:
        """Train to the end; return the average of the best epochs' weights.

        Raises:
            TrainingInterrupted: On SIGINT or SIGTERM; `restore` continues.
            TrainingError: If gradients are non-finite several times in a row.
        """
        with self.stop_request, self.monitor:
            if self.position.steps == 0:
                self._save()  # a run that is killed before its first checkpoint can be resumed, too
            while self.position.epoch < self.settings.epochs and not self._out_of_patience():
                self._train_epoch()
                self._finish_epoch()
                if self.position.epoch < self.settings.epochs:
                    self._agree_to_go_on()
        return self.folder.average_epochs(self.best_epochs())

    def restore(self) -> None:
        """Continue from the folder's last checkpoint.

        Raises:
            TrainingError: If there is none, or it was made with other settings.
        """
        state = self.folder.load_last()
        if state["fingerprint"] != self.fingerprint:
            raise TrainingError(
                f"{self.folder.last}: made with other settings or data; train without --resume, or to another output"
            )
        self._module().load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.position = TrainState(**state["position"])
        dev_wer = self.position.history[-1]["dev_wer"] if self.position.history else math.nan
        self.monitor.resume_at(self.position.epoch + self.position.seconds / self.train_seconds, dev_wer=dev_wer)

    def best_epochs(self) -> list[int]:
        """The epochs that did best on the development set, best first."""
        ranked = sorted(self.position.history, key=lambda epoch: self.rank(epoch["dev_loss"], epoch["dev_wer"]))
        return [int(epoch["epoch"]) for epoch in ranked[: self.settings.average]]

    def rank(self, loss: float, wer: float) -> tuple[float, float]:
        """What is lower for better weights: first the WER, or the loss where it asks for more than the best path."""
        loss = math.inf if math.isnan(loss) else loss
        return (wer, loss) if self.denominator is None else (loss, wer)

    def evaluate(self) -> DevResult:
        """Decode the development set greedily with the current weights."""
        self.model.eval()
        loss, num_tokens = 0.0, 0
        pairs: list[tuple[str, str]] = []
        with torch.inference_mode():
            for batch in self.dev_loader.batches():
                output = self.model(batch.features.to(self.fabric.device), batch.lengths)
                loss += float(self._criterion(output.log_probs, output.lengths, batch).sum())
                num_tokens += int(batch.token_lengths.sum())
                decoded = greedy_decode(output.log_probs, output.lengths)
                pairs += zip(batch.texts, map(self.tokenizer.decode, decoded), strict=True)
        self.model.train()
        rate = score_utterances([reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs])
        return DevResult(loss / num_tokens, rate.wer, rate.cer, pairs[:: max(1, len(pairs) // 4)][:4])

    def _train_epoch(self) -> None:
        self.model.train()
        position = self.position
        batches = self.train_loader.batches(position.epoch, skip=position.batches)
        saved = started = time.monotonic()
        for group in _grouped(batches, self.settings.optimizer.accumulate):
            self._step(group)
            now = time.monotonic()
            position.elapsed += now - started
            started = now
            if self._any(now - saved >= 60 * self.settings.checkpoint_minutes):
                self._save()
                saved = now
            self._agree_to_go_on()

    def _agree_to_go_on(self) -> None:
        """Stop all processes at the same step where one of them was asked to."""
        if self._any(self.stop_request.received):
            self._save()
            raise TrainingInterrupted(
                f"stopped in epoch {self.position.epoch + 1} after step {self.position.steps}; go on with --resume"
            )

    def _any(self, here: bool) -> bool:
        """Whether something holds in any process. All must ask at the same place: each has its own clock."""
        return self._sum(float(here))[0] > 0

    def _sum(self, *values: float) -> list[float]:
        """Each value's sum over all processes."""
        if self.fabric.world_size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.fabric.device)
        return self.fabric.all_reduce(tensor, reduce_op="sum").tolist()

    def _step(self, group: list[Batch]) -> None:
        """One step of the optimiser, on the mean gradient of a few batches."""
        position = self.position
        # What dropout draws depends on the place alone, so a resumed run draws the same.
        torch.manual_seed(draw_seed(self.settings.seed, position.epoch, position.batches, self.fabric.global_rank))
        rate = self._set_learning_rate()
        loss = 0.0
        for index, batch in enumerate(group):
            last = index == len(group) - 1
            with self.fabric.no_backward_sync(self.model, enabled=not last):
                batch_loss = self.loss(batch) / len(group)
                self.fabric.backward(batch_loss)
            loss += float(batch_loss.detach())
        norm = self._apply_gradients(group)
        own_seconds = sum(batch.seconds for batch in group)
        # Of all processes: the learning rate follows from it, and must be the same in each.
        seconds, weighted = self._sum(own_seconds, loss * own_seconds)
        position.batches += len(group)
        position.seconds += seconds
        position.steps += 1
        if math.isfinite(weighted):
            position.loss_sum += weighted
            position.loss_seconds += seconds
        self.monitor.step(
            position.steps, loss=weighted / seconds, learning_rate=rate, gradient_norm=norm, seconds=seconds
        )

    def loss(self, batch: Batch) -> Tensor:
        """The training loss of a batch, in nats a token; with two views each counts as an utterance."""
        settings = self.settings.loss
        batch = batch.to(self.fabric.device)
        with_intermediate = settings.intermediate_weight > 0
        chunk_size = draw_chunk_size(self.settings, self.frame_seconds)
        output: Output = self.model(
            batch.features, batch.lengths, with_intermediate=with_intermediate, chunk_size=chunk_size
        )
        loss = self._criterion(output.log_probs, output.lengths, batch)
        if output.intermediate is not None:
            middle = self._ctc(output.intermediate, output.lengths, batch)
            loss = (1 - settings.intermediate_weight) * loss + settings.intermediate_weight * middle
        if settings.consistency_weight > 0:
            loss = loss + settings.consistency_weight * consistency_loss(output.log_probs, output.lengths)
        return loss.sum() / batch.token_lengths.sum().to(loss.device)

    def _criterion(self, log_probs: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
        """(B,) CTC or, with a denominator, what lies between it and CTC-CRF."""
        loss = self._ctc(log_probs, lengths, batch)
        if self.denominator is None:
            return loss
        tokens = batch.tokens.to(log_probs.device)
        others = self.denominator(log_probs, lengths) - self.denominator.score(tokens, batch.token_lengths)
        others = others.to(loss.dtype).masked_fill(loss == 0, 0)  # infeasible utterances teach nothing
        return loss + self.settings.loss.denominator_weight * others

    def _ctc(self, log_probs: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
        return ctc_loss(log_probs, lengths, batch.tokens.to(log_probs.device), batch.token_lengths)

    def _apply_gradients(self, group: list[Batch]) -> float:
        """Clip and step, or skip a step whose gradient is not finite. Returns the norm before clipping."""
        position = self.position
        limit = self.settings.optimizer.clip_norm
        if self.monitor.wants_layers(position.steps + 1):
            self.monitor.layers(position.steps + 1, gradient_norms(self._module()))
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), math.inf if limit is None else limit))
        if math.isfinite(norm):
            position.bad_in_a_row = 0
            self.optimizer.step()
        else:
            position.bad_steps += 1
            position.bad_in_a_row += 1
            self._tell_bad_step(group)
        self.optimizer.zero_grad()
        return norm

    def _tell_bad_step(self, group: list[Batch]) -> None:
        names = ", ".join(name for batch in group for name in batch.utterances[:5])
        self.monitor.warn(f"step {self.position.steps + 1}: gradient not finite, step skipped; batch of {names}, ...")
        if self.position.bad_in_a_row >= self.settings.max_bad_steps:
            raise TrainingError(
                f"{self.position.bad_in_a_row} steps in a row had a gradient that is not finite, the last on the batch "
                f"of {names}, ...; lower train.optimizer.learning_rate or clip_norm, or look at these recordings"
            )

    def _finish_epoch(self) -> None:
        """Look at the development set, keep the weights if they are among the best, tell, save."""
        position = self.position
        started = time.monotonic()
        dev = self.fabric.broadcast(self.evaluate())
        position.elapsed += time.monotonic() - started
        report = EpochMetrics(
            epoch=position.epoch,
            loss=position.loss_sum / position.loss_seconds if position.loss_seconds else None,
            dev_loss=dev.loss,
            dev_wer=dev.wer,
            dev_cer=dev.cer,
            steps=position.steps,
            bad_steps=position.bad_steps,
            minutes=position.elapsed / 60,
        )
        position.history.append(asdict(report))
        position.epoch += 1
        position.batches, position.seconds, position.loss_sum, position.loss_seconds = 0, 0.0, 0.0, 0.0
        best = self.best_epochs()
        if self.fabric.is_global_zero and report.epoch in best:
            self.folder.save_epoch(report.epoch, self._module().state_dict())
        self.monitor.epoch(report, dev.samples)
        self._save()
        if self.fabric.is_global_zero:
            self.folder.keep_epochs(best)  # after the save: what it still names must be there

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            self.folder.save_last(
                {
                    "fingerprint": self.fingerprint,
                    "model": self._module().state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "position": asdict(self.position),
                }
            )
        self.fabric.barrier()

    def _set_learning_rate(self) -> float:
        """By the share of all speech seen so far: known without counting batches beforehand."""
        seen = (self.position.epoch + self.position.seconds / self.train_seconds) / self.settings.epochs
        rate = learning_rate(min(seen, 1.0), self.settings.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _out_of_patience(self) -> bool:
        patience = self.settings.patience
        history = self.position.history
        if patience is None or not history:
            return False
        ranks = [self.rank(epoch["dev_loss"], epoch["dev_wer"]) for epoch in history]
        best = ranks.index(min(ranks))
        return len(history) - 1 - best >= patience

    def _module(self) -> nn.Module:
        module: nn.Module = self.model.module
        return module


def draw_chunk_size(settings: TrainSettings, frame_seconds: float) -> ChunkSize | None:
    """The chunk size with which a batch is read; None for whole utterances. Drawn from torch's generator."""
    if settings.chunk_seconds is None or float(torch.rand(())) >= settings.chunk_share:
        return None
    low, high = settings.chunk_right_seconds
    right = low + (high - low) * float(torch.rand(()))
    return ChunkSize.from_seconds(settings.chunk_seconds, right, frame_seconds=frame_seconds)


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """L2 norm of the gradient of each layer: a module that owns weights itself."""
    norms = {}
    for name, module in model.named_modules():
        gradients = [p.grad for p in module.parameters(recurse=False) if p.grad is not None]
        if gradients:
            norms[name] = float(nn.utils.get_total_norm(gradients))
    return norms


def _grouped(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
