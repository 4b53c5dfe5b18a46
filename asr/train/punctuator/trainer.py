"""Training of punctuators: windows of text in, better weights out. What is common to every training is in loop.py."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from asr.config import PunctuatorSettings, PunctuatorTrainSettings
from asr.evaluate.punctuation import score
from asr.language.punctuated_text import UNKNOWN_CASE
from asr.language.punctuator import Decisions
from asr.language.written_words import NO_MARK
from asr.seeds import draw_seed
from asr.train.loop import LoopSetup, TrainingLoop
from asr.train.monitor import PunctuatorMetrics, PunctuatorMonitor
from asr.train.punctuator.batches import Batch, EncodedText, development_batches, training_batches
from asr.train.punctuator.network import PunctuatorNetwork
from asr.weights import Array

_PENALTIES = tuple(step / 10 for step in range(16))


class PunctuatorTrainer(TrainingLoop[Batch]):
    """Trains a punctuator on one text while watching another.

    Args:
        fabric: Launched; knows device and precision.
        network: Is trained.
        train: Encoded text.
        dev: Likewise.
        settings: Of the punctuator.
        setup: Everything else.
    """

    checkpoint_keys: ClassVar[Mapping[str, str]] = {}
    module: PunctuatorNetwork
    settings: PunctuatorTrainSettings
    monitor: PunctuatorMonitor

    def __init__(
        self,
        fabric: Fabric,
        network: PunctuatorNetwork,
        texts: tuple[EncodedText, EncodedText],
        settings: PunctuatorSettings,
        setup: LoopSetup,
    ) -> None:
        self.train_text, self.dev_text = texts
        options = setup.settings.optimizer
        rate, decay = options.learning_rate, options.weight_decay
        optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=decay, fused=True)
        super().__init__(fabric, network, optimizer, len(self.train_text), setup)
        window = settings.window
        self.length = window.left + window.block + window.right

    def loss(self, batch: Batch) -> Tensor:
        """Compute the mean loss of a batch in nats per word: that of the marks, and the capitals' with its weight."""
        marks, cases = self._run(batch)
        targets, known = self._tensor(batch.punctuation), self._tensor(batch.cases)
        loss = F.cross_entropy(marks.flatten(0, 1), targets.flatten())
        of_cases = F.cross_entropy(
            cases.flatten(0, 1), known.flatten(), ignore_index=UNKNOWN_CASE, reduction="sum"
        ) / max(1, int((batch.cases != UNKNOWN_CASE).sum()))
        return loss + self.settings.capital_weight * of_cases

    def best_epochs(self) -> list[int]:
        """Return the evaluation with the best F1 of all marks; of equal ones the last."""
        scores = [evaluation["dev_f1"] for evaluation in self.state.history]
        return [max(range(len(scores)), key=lambda number: (scores[number], number))]

    def _run(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return float32 scores of marks (T, B, M) and cases (T, B, C), given the true marks before them."""
        marks, cases = self.network(self._tensor(batch.rows), self._tensor(batch.silences))
        return marks.float(), cases.float() + self.module.after_mark(self._tensor(batch.previous)).float()

    def _tensor(self, array: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.fabric.device)

    def _remaining(self) -> Iterable[Batch]:
        state = self.state
        return training_batches(
            self.train_text, self.settings, length=self.length, epoch=state.epoch, first=state.batches
        )

    def _step_seed(self) -> int:
        return draw_seed(self.settings.seed, "step", self.state.steps)

    def _size(self, batch: Batch) -> int:
        return batch.num_words

    def _finish_epoch(self) -> None:
        self._after_step()
        self._save()

    def _after_step(self) -> None:
        due = int(self.share() * self.settings.evaluations + 1e-9)
        if due > len(self.state.history):
            self._evaluate(due)

    def _evaluate(self, due: int) -> None:
        """Measure the development text, and keep the weights if they are the best."""
        state = self.state
        scores = {one.name: one.f1 for one in score(*self._measure_dev())}
        metrics = PunctuatorMetrics(
            share=self.share(),
            loss=state.take_loss(),
            dev_f1=scores["all marks"],
            dev_comma=scores["comma"],
            dev_full_stop=scores["full stop"],
            dev_question_mark=scores["question mark"],
            dev_capitals=scores["capitals"],
            steps=state.steps,
            minutes=state.elapsed / 60,
        )
        self._record(metrics, lambda: self.monitor.evaluation(metrics), times=due - len(state.history))

    def find_penalty(self) -> float:
        """Return what to subtract from the score of no mark for the best F1 of all marks on the development text.

        The most probable mark is too often none: it is one mark, and the others share the probability of a pause.
        """
        expected, marks, cases = self._score_dev()
        scores = []
        for penalty in _PENALTIES:
            marks[:, NO_MARK] -= penalty
            found = Decisions(marks.argmax(1), cases)
            marks[:, NO_MARK] += penalty
            scores.append(next(one.f1 for one in score(expected, found) if one.name == "all marks"))
        return _PENALTIES[int(np.argmax(scores))]

    def _measure_dev(self) -> tuple[Decisions, Decisions]:
        """Return what the development text has, and what the network writes, window by window."""
        expected, marks, cases = self._score_dev()
        return expected, Decisions(marks.argmax(1), cases)

    @torch.inference_mode()
    def _score_dev(self) -> tuple[Decisions, Array, Array]:
        """Return what the development text has, scores of its marks (N, M), and the cases (N,) that are found."""
        self.network.eval()
        rows: list[tuple[Array, ...]] = []
        for batch in development_batches(self.dev_text, length=self.length, batch_size=self.settings.batch_size):
            marks, cases = (scores.flatten(0, 1).cpu().numpy() for scores in self._run(batch))
            rows.append((batch.punctuation.ravel(), batch.cases.ravel(), marks, cases.argmax(1)))
        self.network.train()
        punctuation, known, marks, found = map(np.concatenate, zip(*rows, strict=True))
        return Decisions(punctuation, known), marks, found
