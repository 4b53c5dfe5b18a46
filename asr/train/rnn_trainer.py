"""Training of recurrent language models: text in, better weights out.

Truncated back-propagation through time (Williams & Peng 1990; Mikolov 2010): gradients flow back through a segment,
while the state is carried from segment to segment, so that earlier text still counts. What is common to every training
is in loop.py.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from asr.config import LanguageTrainSettings
from asr.language.rnn.bptt import IGNORED, Segment, make_segments
from asr.language.rnn.generate import generate
from asr.language.rnn.model import UNKNOWN_SCORE, RnnModel, count_nats
from asr.seeds import draw_seed
from asr.train.loop import LoopSetup, TrainingLoop
from asr.train.monitor import RnnMonitor, TextMetrics
from asr.train.rnn_network import LanguageNetwork
from asr.weights import Array

_BETAS = (0.9, 0.99)  # of AdamW: steps hold few tokens and may be few, so squares are forgotten sooner than by default
_EARLY_EVALUATIONS = (1 / 64, 1 / 32, 1 / 16)  # shares of the training: most is learnt at its beginning
_SAMPLE_TOKENS, _SAMPLE_TEMPERATURE = 160, 0.8
_DEV_STREAMS, _DEV_SEGMENT = 32, 256


@dataclass(frozen=True)
class Text:
    """Training and development text: lines of (U,) tokens with their line breaks."""

    train: Sequence[Array]
    dev: Sequence[Array]
    dev_characters: int  # of the development lines, including line breaks and unknown characters
    dev_unknown: int = 0  # characters of the development lines that the alphabet lacks


class RnnTrainer(TrainingLoop[Segment]):
    """Trains a recurrent language model on one text while watching another.

    Args:
        fabric: Launched; knows device and precision.
        network: Is trained.
        model: The same network behind `NextTokenNetwork`, with its alphabet.
        text: Encoded with that alphabet.
        setup: Everything else.
    """

    checkpoint_keys: ClassVar[Mapping[str, str]] = {"batches": "segments", "size": "tokens", "loss_size": "loss_tokens"}
    module: LanguageNetwork
    settings: LanguageTrainSettings
    monitor: RnnMonitor

    def __init__(self, fabric: Fabric, network: LanguageNetwork, model: RnnModel, text: Text, setup: LoopSetup) -> None:
        options = setup.settings.optimizer
        rate, decay = options.learning_rate, options.weight_decay
        optimizer = torch.optim.AdamW(network.parameters(), rate, _BETAS, weight_decay=decay, fused=True)
        super().__init__(fabric, network, optimizer, sum(map(len, text.train)), setup)
        self.model = model
        self.text = text
        self.carried: Tensor | None = None  # state of the network, for the next segment
        count = self.settings.evaluations
        # The shares of the training after which evaluations are due.
        self._evaluations = {*_EARLY_EVALUATIONS, *((1 + number) / count for number in range(count))}

    def loss(self, segment: Segment) -> Tensor:
        """Compute the mean loss of a segment in nats per token; the state is carried on, gradients are not."""
        if segment.starts or self.carried is None or not self.settings.carry_state:
            self.carried = self.module.initial_state(segment.inputs.shape[1])
        device = self.fabric.device
        logits, state = self.network(torch.from_numpy(segment.inputs).to(device), self.carried)
        self.carried = state.detach().to(self.carried.dtype)
        targets = torch.from_numpy(segment.targets).to(device).flatten()
        # bfloat16 is too coarse for a sum over the alphabet; float64 is unchanged.
        wide = logits.flatten(0, 1).to(torch.promote_types(logits.dtype, torch.float32))
        return F.cross_entropy(wide, targets, ignore_index=IGNORED)

    def best_epochs(self) -> list[int]:
        """Return the evaluation with the fewest bits per character; of equal ones the last."""
        bits = [evaluation["dev_bits_per_character"] for evaluation in self.state.history]
        numbers = reversed(range(len(bits)))
        return [min(numbers, key=lambda number: math.inf if math.isnan(bits[number]) else bits[number])]

    def _remaining(self) -> Iterable[Segment]:
        segments = make_segments(
            self.text.train,
            independent=self.model.settings.lines == "sentences",
            batch_size=self.settings.batch_size,
            length=self.settings.segment,
            seed=draw_seed(self.settings.seed, "order", self.state.epoch),
        )
        return islice(segments, self.state.batches, None)

    def _step_seed(self) -> int:
        return draw_seed(self.settings.seed, "step", self.state.steps)

    def _size(self, batch: Segment) -> int:
        return batch.num_tokens

    def _skip_step(self, group: list[Segment]) -> None:
        self.carried = None  # it may be what is not finite
        super()._skip_step(group)

    def _finish_epoch(self) -> None:
        self.carried = None
        self._after_step()
        self._save()

    def _after_step(self) -> None:
        due = sum(share <= self.share() + 1e-9 for share in self._evaluations)
        if due > len(self.state.history):
            self._evaluate(due)

    def _evaluate(self, due: int) -> None:
        """Measure the development text, generate a sample, keep the weights if they are the best."""
        state = self.state
        self.network.eval()
        metrics = TextMetrics(
            share=self.share(),
            loss=state.take_loss(),
            dev_bits_per_character=self._measure_dev(),
            steps=state.steps,
            minutes=state.elapsed / 60,
            sample="".join(generate(self.model, length=_SAMPLE_TOKENS, temperature=_SAMPLE_TEMPERATURE)),
        )
        self.network.train()
        self._record(metrics, lambda: self.monitor.evaluation(metrics), times=due - len(state.history))

    def _measure_dev(self) -> float:
        """Measure bits per character of the development text, read as in training: with carried state or without."""
        carry_state = self.settings.carry_state
        independent = self.model.settings.lines == "sentences"
        length = _DEV_SEGMENT if carry_state else self.settings.segment
        segments = make_segments(self.text.dev, independent=independent, batch_size=_DEV_STREAMS, length=length)
        nats = count_nats(self.model.network, segments, carry_state=carry_state)
        nats -= UNKNOWN_SCORE * self.text.dev_unknown
        return nats / self.text.dev_characters / math.log(2)

    def _checkpoint(self) -> dict[str, Any]:
        return {**super()._checkpoint(), "state": self.carried}

    def restore(self) -> dict[str, Any]:
        checkpoint = super().restore()
        carried = checkpoint["state"]
        self.carried = None if carried is None else carried.to(self.fabric.device)
        return checkpoint
