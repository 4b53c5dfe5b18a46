"""The training loop of language models: text in, better weights out.

Truncated back-propagation through time (Williams & Peng 1990; Mikolov 2010): gradients flow back
through a segment, while the state is carried from segment to segment, so that what was read long
ago still has its say. Resumes to the same weights.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from asr.config import LanguageTrainSettings
from asr.errors import TrainingError, TrainingInterrupted
from asr.language.rnn.bptt import IGNORED, Segment, make_segments
from asr.language.rnn.generate import generate
from asr.language.rnn.likelihood import count_nats
from asr.language.rnn.model import RnnModel
from asr.train.augment import draw_seed
from asr.train.checkpoint import CheckpointFolder, Weights
from asr.train.rnn_monitor import Look, RnnMonitor
from asr.train.schedule import learning_rate
from asr.train.stopping import StopRequest

_BETAS = (0.9, 0.99)  # of AdamW: steps hold few tokens and may be few, so squares are forgotten sooner than by default
_EARLY_LOOKS = (1 / 64, 1 / 32, 1 / 16)  # shares of the training: most is learnt at its beginning
_MAX_BAD_STEPS = 10  # with gradients that are not finite, in a row
_SAMPLE_TOKENS, _SAMPLE_TEMPERATURE = 160, 0.8
_DEV_STREAMS, _DEV_SEGMENT = 32, 256


@dataclass
class RnnTrainState:
    """Where a run stands. Everything that the next step depends on beside weights, optimiser and carried state."""

    epoch: int = 0
    segments: int = 0  # of this epoch, already read
    tokens: int = 0  # of this epoch, already predicted
    steps: int = 0
    bad_in_a_row: int = 0
    loss_sum: float = 0.0  # nats since the last look
    loss_tokens: int = 0
    elapsed: float = 0.0  # seconds of training, over all sessions
    history: list[dict[str, Any]] = field(default_factory=list)  # the looks


@dataclass(frozen=True)
class Text:
    """What is trained on and what is watched: lines of (U,) tokens with their line breaks.

    Attributes:
        dev_characters: Of the development lines, line breaks and unknown ones included.
        dev_unknown: Those that the alphabet lacks.
    """

    train: Sequence[Tensor]
    dev: Sequence[Tensor]
    dev_characters: int
    dev_unknown: int = 0


class RnnTrainer:
    """Trains a recurrent language model on one text while watching another.

    Args:
        fabric: Launched; knows device and precision.
        model: Network and alphabet.
        text: Spelled with it.
        settings: The recipe.
        folder: Where checkpoints go.
        monitor: Told what happens.
        fingerprint: What must not differ between a checkpoint and the run that resumes it.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: RnnModel,
        text: Text,
        *,
        settings: LanguageTrainSettings,
        folder: CheckpointFolder,
        monitor: RnnMonitor,
        fingerprint: str,
    ) -> None:
        self.fabric = fabric
        optimizer = torch.optim.AdamW(
            model.network.parameters(),
            lr=settings.optimizer.learning_rate,
            betas=_BETAS,
            weight_decay=settings.optimizer.weight_decay,
            fused=True,
        )
        self.network, self.optimizer = fabric.setup(model.network, optimizer)
        self.model = model
        self.text = text
        self.settings = settings
        self.folder = folder
        self.monitor = monitor
        self.fingerprint = fingerprint
        self.position = RnnTrainState()
        self.state: Tensor | None = None  # carried to the next segment
        self.stop_request = StopRequest()
        self._num_tokens = sum(len(line) for line in text.train)
        self._looks = sorted({*_EARLY_LOOKS, *((1 + n) / settings.looks for n in range(settings.looks))})

    def fit(self) -> Weights:
        """Train to the end; return the weights that predict the development text best.

        Raises:
            TrainingInterrupted: On SIGINT or SIGTERM; `restore` continues.
            TrainingError: If gradients are non-finite several times in a row.
        """
        with self.stop_request, self.monitor:
            if self.position.steps == 0:
                self._save()  # a run that is killed before its first checkpoint can be resumed, too
            while self.position.epoch < self.settings.epochs:
                self._train_epoch()
        return self.folder.average_epochs([self._best()])

    def restore(self) -> None:
        """Continue from the folder's last checkpoint.

        Raises:
            TrainingError: If there is none, or it was made with other settings or texts, or from another base.
        """
        state = self.folder.load_last()
        if state.get("fingerprint") != self.fingerprint:
            raise TrainingError(
                f"{self.folder.last}: made with other settings, texts or another --from; "
                "give those again, or train without --resume to another output"
            )
        self.model.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.position = RnnTrainState(**state["position"])
        self.state = state["state"].to(self.fabric.device) if state["state"] is not None else None
        self.monitor.resume_at(self.share())

    def share(self) -> float:
        """Of the whole training that is done, in [0, 1]."""
        return min((self.position.epoch + self.position.tokens / self._num_tokens) / self.settings.epochs, 1.0)

    def loss(self, segment: Segment) -> Tensor:
        """Mean loss of a segment in nats a token; the state goes on, the gradients do not."""
        if segment.starts or self.state is None or not self.settings.carry_state:
            self.state = self.model.network.initial_state(segment.inputs.shape[1])
        device = self.fabric.device
        logits, state = self.network(segment.inputs.to(device), self.state)
        self.state = state.detach().to(self.state.dtype)
        targets = segment.targets.to(device).flatten()
        # bfloat16 is too coarse for a sum over the alphabet; float64 stays what it is.
        wide = logits.flatten(0, 1).to(torch.promote_types(logits.dtype, torch.float32))
        return F.cross_entropy(wide, targets, ignore_index=IGNORED)

    def step(self, segment: Segment) -> None:
        """One step of the optimiser."""
        position, limit = self.position, self.settings.optimizer.clip_norm
        # What dropout draws depends on the place alone, so a resumed run draws the same.
        torch.manual_seed(draw_seed(self.settings.seed, "step", position.steps))
        rate = learning_rate(self.share(), self.settings.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.loss(segment)
        self.fabric.backward(loss)
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), math.inf if limit is None else limit))
        if math.isfinite(norm):
            position.bad_in_a_row = 0
            self.optimizer.step()
        else:
            self._tell_bad_step()
        self.optimizer.zero_grad()
        nats, count = float(loss.detach()), segment.num_tokens
        position.segments += 1
        position.tokens += count
        position.steps += 1
        if math.isfinite(nats):
            position.loss_sum += nats * count
            position.loss_tokens += count
        self.monitor.step(
            position.steps, loss=nats, learning_rate=rate, gradient_norm=norm, tokens=count, share=self.share()
        )

    def _train_epoch(self) -> None:
        position = self.position
        started, saved = time.monotonic(), time.monotonic()
        self.network.train()
        for segment in self._remaining():
            self.step(segment)
            now = time.monotonic()
            position.elapsed += now - started
            started = now
            self._look_if_due()
            if now - saved >= 60 * self.settings.checkpoint_minutes:
                self._save()
                saved = now
            if self.stop_request.received:
                self._save()
                raise TrainingInterrupted(f"stopped after step {position.steps}; go on with --resume")
        position.epoch += 1
        position.segments, position.tokens, self.state = 0, 0, None
        self._look_if_due()
        self._save()

    def _remaining(self) -> Iterator[Segment]:
        """The segments of this epoch that were not read yet."""
        segments = make_segments(
            self.text.train,
            independent=self.model.settings.lines == "apart",
            batch_size=self.settings.batch_size,
            length=self.settings.segment,
            seed=draw_seed(self.settings.seed, "order", self.position.epoch),
        )
        done = self.position.segments
        return (segment for index, segment in enumerate(segments) if index >= done)

    def _tell_bad_step(self) -> None:
        position = self.position
        position.bad_in_a_row += 1
        self.state = None  # it may be what is not finite
        self.monitor.warn(f"step {position.steps + 1}: gradient not finite, step skipped")
        if position.bad_in_a_row >= _MAX_BAD_STEPS:
            raise TrainingError(
                f"{_MAX_BAD_STEPS} steps in a row had a gradient that is not finite; "
                "lower train.optimizer.learning_rate or clip_norm"
            )

    def _look_if_due(self) -> None:
        due = sum(share <= self.share() + 1e-9 for share in self._looks)
        if due > len(self.position.history):
            self._look(due)

    def _look(self, due: int) -> None:
        """Measure the development text, write a sample, keep the weights if they are the best."""
        position = self.position
        self.network.eval()
        look = Look(
            share=self.share(),
            loss=position.loss_sum / position.loss_tokens if position.loss_tokens else None,
            dev_bits_per_character=self._measure_dev(),
            steps=position.steps,
            minutes=position.elapsed / 60,
            sample="".join(generate(self.model, length=_SAMPLE_TOKENS, temperature=_SAMPLE_TEMPERATURE)),
        )
        self.network.train()
        # Looks that fell due together count as one that was taken several times.
        position.history += [asdict(look)] * (due - len(position.history))
        position.loss_sum, position.loss_tokens = 0.0, 0
        if self._best() == len(position.history) - 1:
            self.folder.save_epoch(self._best(), self.model.network.state_dict())
        self.monitor.look(look)
        self._save()
        self.folder.keep_epochs([self._best()])  # after the save: what it still names must be there

    def _measure_dev(self) -> float:
        """Bits per character of the development text, read as training reads: with carried state or without."""
        carry_state = self.settings.carry_state
        nats = count_nats(
            self.model.network,
            self.text.dev,
            independent=self.model.settings.lines == "apart",
            batch_size=_DEV_STREAMS,
            num_unknown=self.text.dev_unknown,
            segment=_DEV_SEGMENT if carry_state else self.settings.segment,
            carry_state=carry_state,
        )
        return nats / self.text.dev_characters / math.log(2)

    def _best(self) -> int:
        """The look with the fewest bits per character; of equal ones the last."""
        bits = [look["dev_bits_per_character"] for look in self.position.history]
        return min(
            reversed(range(len(bits))), key=lambda index: bits[index] if bits[index] == bits[index] else math.inf
        )

    def _save(self) -> None:
        self.folder.save_last(
            {
                "fingerprint": self.fingerprint,
                "model": self.model.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "position": asdict(self.position),
                "state": self.state,
            }
        )
