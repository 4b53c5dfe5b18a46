"""What a training run keeps on disk, so that nothing is lost when it stops.

    OUTPUT/                     the model folder that the run ends with (recognize/recognizer.py reads it)
    OUTPUT/run/last.pt          where training stands: weights, optimiser, place in the epoch
    OUTPUT/run/epoch-NNN.pt     weights of the best epochs, to be averaged

A file is written beside its place and moved there whole: a kill in the middle leaves the old one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asr.atomic import atomic_write
from asr.errors import TrainingError

Weights = dict[str, Tensor]


class CheckpointFolder:
    """The `run` folder of a training's output."""

    def __init__(self, output: Path) -> None:
        self.path = output / "run"
        self.last = self.path / "last.pt"

    def save_last(self, state: dict[str, Any]) -> None:
        """Replace the place from which training continues."""
        _save(state, self.last)

    def load_last(self) -> dict[str, Any]:
        """Raises TrainingError where there is nothing to continue from."""
        if not self.last.exists():
            raise TrainingError(f"{self.last}: no checkpoint to resume from; train without --resume")
        try:
            state: dict[str, Any] = torch.load(self.last, map_location="cpu", weights_only=True)
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(f"{self.last}: not a checkpoint of this program: {reason}") from None
        return state

    def save_epoch(self, epoch: int, weights: Weights) -> None:
        """Keep the weights of an epoch."""
        _save(weights, self._epoch(epoch))

    def keep_epochs(self, epochs: Sequence[int]) -> None:
        """Delete the weights of all other epochs."""
        kept = {self._epoch(epoch) for epoch in epochs}
        for path in set(self.path.glob("epoch-*.pt")) - kept:
            path.unlink()

    def average_epochs(self, epochs: Sequence[int]) -> Weights:
        """The mean of the weights of several epochs, in float64."""
        total: Weights = {}
        for epoch in epochs:
            weights = torch.load(self._epoch(epoch), map_location="cpu", weights_only=True)
            for name, value in weights.items():
                total[name] = total.get(name, 0) + value.double()
        return {name: (value / len(epochs)).float() for name, value in total.items()}

    def _epoch(self, epoch: int) -> Path:
        return self.path / f"epoch-{epoch:03d}.pt"


def _save(content: Any, path: Path) -> None:
    with atomic_write(path) as partial:
        torch.save(content, partial)
