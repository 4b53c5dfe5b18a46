"""Training of the acoustic model: batches of speech in, better weights out.

The loss is CTC, with the terms that the settings add; the optimiser is AdamW. What is common to every training is in
loop.py.
"""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from asr.acoustic.ctc import consistency_loss, ctc_loss, divergence_from
from asr.acoustic.ctc_crf import Denominator
from asr.acoustic.model import Output
from asr.config import TrainSettings
from asr.decode.greedy import greedy_decode
from asr.evaluate.wer import score_utterances
from asr.runtime.network import ChunkSize
from asr.seeds import draw_seed
from asr.text.tokenizer import Tokenizer
from asr.train.dataset import Batch, SpeechLoader, Targets
from asr.train.loop import LoopSetup, TrainingLoop
from asr.train.monitor import EpochMetrics, SpeechMonitor

_NUM_SAMPLES = 4  # references and hypotheses that are shown after an epoch


@dataclass
class DevResult:
    """How well the model does on the development set."""

    loss: float
    wer: float
    cer: float
    samples: list[tuple[str, str]]  # reference, hypothesis


class _BatchResult(NamedTuple):
    loss: float  # summed over the utterances
    num_tokens: int
    pairs: list[tuple[str, str]]  # reference, hypothesis


@dataclass(frozen=True)
class TrainingSetup(LoopSetup):
    """What a `Trainer` needs, apart from its network."""

    settings: TrainSettings
    monitor: SpeechMonitor
    train_loader: SpeechLoader
    dev_loader: SpeechLoader
    train_seconds: float  # of speech in the training set
    frame_seconds: float  # of a frame of log probabilities
    tokenizer: Tokenizer
    denominator: Denominator | None  # of the loss, if the settings give it a weight


class Trainer(TrainingLoop[Batch]):
    """Trains an acoustic model on one set of speech while watching another; see `TrainingLoop`."""

    checkpoint_keys: ClassVar[Mapping[str, str]] = {"size": "seconds", "loss_size": "loss_seconds"}
    settings: TrainSettings
    monitor: SpeechMonitor

    def __init__(self, fabric: Fabric, model: nn.Module, setup: TrainingSetup) -> None:
        options = setup.settings.optimizer
        optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
        super().__init__(fabric, model, optimizer, setup.train_seconds, setup)
        self.setup = setup
        self.denominator = setup.denominator
        self.max_bad_steps = setup.settings.max_bad_steps

    def best_epochs(self) -> list[int]:
        """Return the epochs that did best on the development set, best first."""
        ranked = sorted(self.state.history, key=lambda epoch: self.rank(epoch["dev_loss"], epoch["dev_wer"]))
        return [int(epoch["epoch"]) for epoch in ranked[: self.settings.average]]

    def rank(self, loss: float, wer: float) -> tuple[float, float]:
        """Rank weights, lower is better: by the WER, or with a denominator, which asks for more, by the loss."""
        loss = math.inf if math.isnan(loss) else loss
        return (wer, loss) if self.denominator is None else (loss, wer)

    def evaluate(self) -> DevResult:
        """Decode the development set greedily with the current weights, each process a part of its batches.

        The result is that of one process, to the last digit: batches are counted in their order, whoever had them.
        """
        self.network.eval()
        results: dict[int, _BatchResult] = {}
        with torch.inference_mode():
            for number, batch in self.setup.dev_loader.own_batches(self.fabric.global_rank, self.fabric.world_size):
                results[number] = self._evaluate_batch(batch)
        self.network.train()
        results = self._gather(results)
        ordered = [results[number] for number in sorted(results)]
        pairs = [pair for result in ordered for pair in result.pairs]
        references, hypotheses = zip(*pairs, strict=True)
        rates = score_utterances(references, hypotheses)
        samples = pairs[:: max(1, len(pairs) // _NUM_SAMPLES)][:_NUM_SAMPLES]
        loss = sum(result.loss for result in ordered) / sum(result.num_tokens for result in ordered)
        return DevResult(loss, rates.wer, rates.cer, samples)

    def _evaluate_batch(self, batch: Batch) -> "_BatchResult":
        features = batch.features.to(self.fabric.device)
        if self.fabric.world_size == 1:
            output = self.network(features, batch.lengths)
        else:  # without what distributes it: processes have different numbers of batches, so none may wait for others
            with self.fabric.autocast():
                output = self.module(features, batch.lengths)
        loss = float(self._criterion(output.log_probs, output.lengths, batch).sum())
        decoded = greedy_decode(output.log_probs.float().cpu().numpy(), output.lengths.cpu().numpy())
        pairs = list(zip(batch.texts, map(self.setup.tokenizer.decode, decoded), strict=True))
        return _BatchResult(loss, int(batch.token_lengths.sum()), pairs)

    def _gather(self, results: dict[int, "_BatchResult"]) -> dict[int, "_BatchResult"]:
        """Return the results of all processes, by the numbers of their batches."""
        if self.fabric.world_size == 1:
            return results
        gathered: list[dict[int, _BatchResult]] = [{} for _ in range(self.fabric.world_size)]
        torch.distributed.all_gather_object(gathered, results)
        return {number: result for part in gathered for number, result in part.items()}

    def loss(self, batch: Batch) -> Tensor:
        """Compute the loss of a batch, in nats per token; with two views each counts as an utterance."""
        settings = self.settings.loss
        batch = batch.to(self.fabric.device)
        output: Output = self.network(
            batch.features,
            batch.lengths,
            with_intermediate=settings.intermediate_weight > 0,
            chunk_size=draw_chunk_size(self.settings, self.setup.frame_seconds),
        )
        loss = self._criterion(output.log_probs, output.lengths, batch)
        if output.intermediate is not None:
            middle = self._ctc(output.intermediate, output.lengths, batch)
            loss = (1 - settings.intermediate_weight) * loss + settings.intermediate_weight * middle
        if settings.consistency_weight > 0:
            loss = loss + settings.consistency_weight * consistency_loss(output.log_probs, output.lengths)
        if batch.targets is not None:
            loss = loss + settings.teacher_weight * self._distance(output.log_probs, output.lengths, batch.targets)
        return loss.sum() / batch.token_lengths.sum().to(loss.device)

    def _criterion(self, log_probs: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
        """Compute the (B,) losses: CTC or, with a denominator, a mixture of it and CTC-CRF."""
        loss = self._ctc(log_probs, lengths, batch)
        if self.denominator is None:
            return loss
        tokens = batch.tokens.to(log_probs.device)
        others = self.denominator(log_probs, lengths) - self.denominator.score(tokens, batch.token_lengths)
        others = others.to(loss.dtype).masked_fill(loss == 0, 0)  # infeasible utterances teach nothing
        return loss + self.settings.loss.denominator_weight * others

    def _distance(self, log_probs: Tensor, lengths: Tensor, targets: Targets) -> Tensor:
        """Compute the (B,) distances from a teacher's log probabilities."""
        # Another front end may count a frame more or less at the end.
        num_frames = min(targets.log_probs.shape[1], log_probs.shape[1])
        lengths = torch.minimum(lengths, targets.lengths)
        return divergence_from(targets.log_probs[:, :num_frames], log_probs[:, :num_frames], lengths)

    def _ctc(self, log_probs: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
        return ctc_loss(log_probs, lengths, batch.tokens.to(log_probs.device), batch.token_lengths)

    def _remaining(self) -> Iterable[Batch]:
        # Several processes stop at the same step; one of them alone must not leave the others waiting.
        may_stop = self.fabric.world_size == 1
        return self.setup.train_loader.batches(
            self.state.epoch, skip=self.state.batches, is_stopping=lambda: may_stop and self.stop_requested
        )

    def _step_seed(self) -> int:
        return draw_seed(self.settings.seed, self.state.epoch, self.state.batches, self.fabric.global_rank)

    def _size(self, batch: Batch) -> float:
        return batch.seconds

    def _apply_gradients(self, group: list[Batch]) -> float:
        self.monitor.log_gradient_norms(self.state.steps + 1, lambda: gradient_norms(self.module))
        return super()._apply_gradients(group)

    def _describe(self, group: list[Batch]) -> str:
        return f"batch of {', '.join(name for batch in group for name in batch.utterances[:5])}, ..."

    def _finish_epoch(self) -> None:
        """Evaluate on the development set, keep the weights if they are among the best, report, save."""
        state = self.state
        started = time.monotonic()
        dev = self.fabric.broadcast(self.evaluate())
        state.elapsed += time.monotonic() - started
        metrics = EpochMetrics(
            epoch=state.epoch - 1,
            loss=state.take_loss(),
            dev_loss=dev.loss,
            dev_wer=dev.wer,
            dev_cer=dev.cer,
            steps=state.steps,
            bad_steps=state.bad_steps,
            minutes=state.elapsed / 60,
        )
        self._record(metrics, lambda: self.monitor.epoch(metrics, dev.samples))

    def _is_finished(self) -> bool:
        patience, epoch = self.settings.patience, self.state.epoch
        is_out_of_patience = patience is not None and epoch > 0 and epoch - 1 - self.best_epochs()[0] >= patience
        return super()._is_finished() or is_out_of_patience


def draw_chunk_size(settings: TrainSettings, frame_seconds: float) -> ChunkSize | None:
    """Draw the chunk size for a batch from torch's generator; None for whole utterances."""
    if settings.chunk_seconds is None or float(torch.rand(())) >= settings.chunk_share:
        return None
    low, high = settings.chunk_right_seconds
    right = low + (high - low) * float(torch.rand(()))
    return ChunkSize.from_seconds(settings.chunk_seconds, right, frame_seconds=frame_seconds)


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """Compute the L2 norm of the gradient of each layer: a module that owns weights itself."""
    norms = {}
    for name, module in model.named_modules():
        gradients = [p.grad for p in module.parameters(recurse=False) if p.grad is not None]
        if gradients:
            norms[name] = float(nn.utils.get_total_norm(gradients))
    return norms
