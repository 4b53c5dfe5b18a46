"""Features of utterances kept on disk in half precision, for those that take longer to compute than to read.

One file for each utterance and variation, below a folder for all that their features depend on. Any number of
processes may share it, and whatever is missing or broken is computed again.
"""

import hashlib
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import AsrError
from asr.signal.features import Features

_VERSION = 1  # of how features are computed; files of others are not read


class FeatureCache:
    """A folder of features.

    Args:
        folder: Created when something is kept.
        settings: Anything whose `repr` holds all that features depend on, but for the utterance and the variation.
    """

    def __init__(self, folder: Path, settings: object) -> None:
        self.folder = folder / _digest((_VERSION, settings))

    def get(self, cut: Any, variation: int | None, compute: Callable[[], Features]) -> Features:
        """Return the features (T, F) of a cut, rounded to half precision, whether they were kept or not.

        Args:
            cut: The utterance.
            variation: Which one; None: the utterance as recorded.
            compute: Called if they were not kept.

        Raises:
            AsrError: If they cannot be kept.
        """
        name = _digest((cut.id, cut.recording_id, cut.start, cut.duration, cut.channel, variation))
        path = self.folder / name[:2] / f"{name}.npy"
        kept = _read(path)
        if kept is None:
            kept = compute().astype(np.float16)
            _write(path, kept)
        return kept.astype(np.float32)


def _read(path: Path) -> Any:
    """Read an array; None if there is none, or it is broken."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.dtype == np.float16 and array.ndim == 2 else None


def _write(path: Path, array: Any) -> None:
    """Write an array to a file with a unique name, then rename it, so that no process reads half of it.

    Several may write the same at once, for which `atomic_write`, with its fixed name, is not made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".partial-", delete=False) as file:
            partial = Path(file.name)
            try:
                np.save(file, array)
                file.close()
                partial.replace(path)
            finally:
                with suppress(OSError):
                    partial.unlink()
    except OSError as error:
        remedy = "name another folder by train.feature_cache, or keep nothing with train.variations=0"
        raise AsrError(f"{path}: cannot be written: {error.strerror or error}; {remedy}") from None


def _digest(content: object) -> str:
    return hashlib.blake2b(repr(content).encode(), digest_size=12).hexdigest()
