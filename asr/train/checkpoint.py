"""What a training run keeps on disk, so that nothing is lost when it stops, and nothing overwritten when it starts.

    OUTPUT/                     the model folder that the run ends with
    OUTPUT/run/last.pt          where training stands: weights, optimiser, position in the epoch
    OUTPUT/run/epoch-NNN.pt     weights of the best epochs, to be averaged

A file is written under another name and then moved to its own: a kill in the middle leaves the old one.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from asr.atomic import atomic_write
from asr.config import NormalizerSettings
from asr.errors import TrainingError, one_line

Weights = dict[str, Tensor]
Resume: TypeAlias = bool | Literal["auto"]
Action: TypeAlias = Literal["begin", "resume", "nothing"]


class Fingerprint:
    """A digest of everything that decides which weights come out.

    Args:
        settings: Anything whose `repr` holds all of them.
        lexicon: A file that counts as a setting.

    Attributes:
        settings: The digest before any data is added.
    """

    def __init__(self, settings: object = (), lexicon: Path | None = None) -> None:
        self._digest = hashlib.sha256(repr(settings).encode())
        if lexicon is not None and lexicon.is_file():
            self._digest.update(lexicon.read_bytes())
        self.settings = self.run

    def add(self, lines: Iterable[str]) -> None:
        """Add data, as lines of text."""
        for line in lines:
            self._digest.update(f"{line}\n".encode())

    @property
    def run(self) -> str:
        """The digest of the settings and of all data added so far."""
        return self._digest.hexdigest()


def without_later_settings(normalizer: dict[str, Any]) -> dict[str, Any]:
    """Leave out what has its default and did not exist at first, so that runs that were begun then can be resumed."""
    defaults = NormalizerSettings().model_dump(mode="json")
    later = ("language", "annotations", "extra_annotations")
    return {name: value for name, value in normalizer.items() if name not in later or value != defaults[name]}


class CheckpointFolder:
    """The `run` folder of a training's output."""

    def __init__(self, output: Path) -> None:
        self.path = output / "run"
        self.last = self.path / "last.pt"

    def plan(self, resume: Resume, model: Path, fingerprint: Fingerprint) -> Action:
        """Decide what a run has to do, given what is there already.

        Args:
            resume: False to begin, True to continue; "auto" continues a run that was begun, else begins one, and
                has nothing to do if the model is finished.
            model: The file that is written last of all.
            fingerprint: Of the run, before data is added.

        Raises:
            TrainingError: If a run would be overwritten, there is nothing to resume, or the finished model was made
                with other settings.
        """
        if resume == "auto" and model.exists():
            # Runs of earlier versions, and models without their run, do not say what made them.
            made_with = self.load_last().get("settings_fingerprint") if self.last.exists() else None
            if made_with not in (None, fingerprint.settings):
                raise self.mismatch()
            return "nothing"
        if resume:
            return "begin" if resume == "auto" and not self.last.exists() else "resume"
        for path, remedy in ((self.last, "resume that run"), (model, "it is a trained model")):
            if path.exists():
                raise TrainingError(f"{path} exists: {remedy}, or choose another output folder, or delete it")
        return "begin"

    def mismatch(self) -> TrainingError:
        """Return the error of a checkpoint that another run made."""
        remedy = "pass the original ones, or choose another output folder for a new run"
        return TrainingError(f"{self.last}: made with other settings, data or base model; {remedy}")

    def save_last(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint from which training continues."""
        _save(state, self.last)

    def load_last(self) -> dict[str, Any]:
        """Read the checkpoint from which training continues. Raises TrainingError if there is none."""
        if not self.last.exists():
            raise TrainingError(f"{self.last}: no checkpoint to resume from; begin a new run")
        try:
            state: dict[str, Any] = torch.load(self.last, map_location="cpu", weights_only=True)
        except Exception as error:
            raise TrainingError(f"{self.last}: not a checkpoint of this program: {one_line(error)}") from None
        return state

    def save_epoch(self, epoch: int, weights: Weights) -> None:
        """Keep the weights of an epoch."""
        _save(weights, self._epoch(epoch))

    def keep_epochs(self, epochs: Sequence[int]) -> None:
        """Delete the weights of all other epochs."""
        for path in set(self.path.glob("epoch-*.pt")) - set(map(self._epoch, epochs)):
            path.unlink()

    def average_epochs(self, epochs: Sequence[int]) -> Weights:
        """Average the weights of several epochs, in float64."""
        total: Weights = {}
        for epoch in epochs:
            for name, value in torch.load(self._epoch(epoch), map_location="cpu", weights_only=True).items():
                total[name] = total.get(name, 0) + value.double()
        return {name: (value / len(epochs)).float() for name, value in total.items()}

    def _epoch(self, epoch: int) -> Path:
        return self.path / f"epoch-{epoch:03d}.pt"


def _save(content: Any, path: Path) -> None:
    with atomic_write(path) as partial:
        torch.save(content, partial)
