"""Pre-trained Whisper encoders (Radford et al. 2022): a mel spectrogram in, what the encoder makes of it out.

CTranslate2 runs them, without torch. Their weights are no part of a model folder: they are looked up by name.
"""

import os
import threading
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asr.config import FeatureSettings
from asr.errors import AsrError, ConfigError, one_line
from asr.signal.features import Features

FOLDER_VARIABLE = "ASR_WHISPER"  # a folder of weights, or one with such folders by name
# Numbers per frame of the published encoders.
ENCODER_SIZES = {
    **dict.fromkeys(("tiny", "tiny.en"), 384),
    **dict.fromkeys(("base", "base.en"), 512),
    **dict.fromkeys(("small", "small.en"), 768),
    **dict.fromkeys(("medium", "medium.en"), 1024),
    **dict.fromkeys(("large-v1", "large-v2", "large-v3", "large-v3-turbo"), 1280),
}
COMPUTE_TYPE = "int8_float32"  # 1.6 times as fast as float32 (docs/benchmarks.md)
_WEIGHTS = "model.bin"
# CTranslate2's models by process and folder. One that a forked process inherits has lost its threads: it must neither
# be used nor be destroyed, so none is ever removed.
_models: dict[tuple[int, Path], Any] = {}
_lock = threading.Lock()


class Encoder(Protocol):
    """Turns mel spectrograms, as Whisper scales them, into frames half as many."""

    @property
    def num_mels(self) -> int:
        """F, bands of the spectrogram: 80, or 128 for the third large one."""

    @property
    def size(self) -> int:
        """D, numbers per frame."""

    def __call__(self, mel: Features) -> Features:
        """Encode (T, F) frames, 10 ms apart and at most 30 s, into (T / 2, D) float32; T is even."""


class WhisperEncoder:
    """An encoder on the CPU, with one thread per call; any number of threads may call it.

    Args:
        folder: CTranslate2's files.
        num_threads: Calls that are computed at the same time.
    """

    def __init__(self, folder: Path, num_threads: int) -> None:
        self._folder, self._num_threads = folder, num_threads
        self.num_mels = int(self._model().n_mels)
        self.size = self(np.zeros((4, self.num_mels), np.float32)).shape[1]

    def __call__(self, mel: Features) -> Features:
        """See `Encoder`. Frames are not padded to 30 s, which would take up to thirty times as long."""
        view = import_package("ctranslate2").StorageView.from_array(
            np.ascontiguousarray(mel.T[None], np.float32)
        )  # (1, F, T)
        encoded: npt.NDArray[np.float32] = np.array(self._model().encode(view, to_cpu=True))[0]
        return encoded

    def is_multilingual(self) -> bool:
        """Whether it was trained on other languages than English."""
        return bool(self._model().is_multilingual)

    def _model(self) -> Any:
        key = os.getpid(), self._folder
        with _lock:
            if key not in _models:
                _models[key] = _open(self._folder, self._num_threads)
            return _models[key]


def encoder_size(settings: FeatureSettings) -> int:
    """Return the numbers per frame of the encoder that the settings name. Raises ConfigError if they do not tell."""
    size = settings.encoder_size or ENCODER_SIZES.get(settings.encoder)
    if size is None:
        raise ConfigError(
            f"features.encoder: {settings.encoder} is none of {', '.join(ENCODER_SIZES)}; "
            "set features.encoder_size to its numbers per frame as well"
        )
    return size


def load_encoder(name: str, size: int, *, num_threads: int = 1) -> Encoder:
    """Load an encoder.

    Args:
        name: Of a published encoder, such as "tiny.en", or a folder; see `find_encoder`.
        size: D that is expected of it.
        num_threads: Calls that are computed at the same time.

    Raises:
        ModuleNotFoundError: If CTranslate2 is not installed.
        AsrError: If the weights are not found, or are another encoder's.
    """
    import_package("ctranslate2")
    folder = find_encoder(name)
    encoder = WhisperEncoder(folder, num_threads)
    if encoder.size != size:
        raise AsrError(f"{folder}: gives {encoder.size} numbers per frame, but {name} gives {size}")
    if name in ENCODER_SIZES and name.endswith(".en") == encoder.is_multilingual():
        kind = "a multilingual" if encoder.is_multilingual() else "an English"
        raise AsrError(f"{folder}: holds {kind} encoder, which is not {name}")
    return encoder


def find_encoder(name: str) -> Path:
    """Find the folder of an encoder's weights: `ASR_WHISPER`, the folder that the name is, or faster-whisper's.

    Raises:
        ModuleNotFoundError: If faster-whisper is needed to look for the weights, and is not installed.
        AsrError: If there are none.
    """
    if given := os.environ.get(FOLDER_VARIABLE):
        for folder in (Path(given) / name, Path(given)):
            if (folder / _WEIGHTS).is_file():
                return folder
        raise AsrError(f"{FOLDER_VARIABLE}={given}: holds neither {_WEIGHTS} nor {name}/{_WEIGHTS}")
    if (Path(name) / _WEIGHTS).is_file():
        return Path(name)
    remedy = f"set {FOLDER_VARIABLE} to a folder that holds its {_WEIGHTS} for CTranslate2"
    if name not in ENCODER_SIZES:
        known = ", ".join(ENCODER_SIZES)
        raise AsrError(f"encoder {name}: neither a folder that holds {_WEIGHTS} nor one of {known}; {remedy}")
    download = import_package("faster_whisper").download_model
    try:
        return Path(download(name, local_files_only=True))
    except Exception:  # of several libraries: it was never downloaded
        try:
            return Path(download(name))
        except Exception as error:
            reason = one_line(error).partition(". ")[0]  # of paragraphs
            raise AsrError(f"encoder {name}: cannot be downloaded ({reason}); {remedy} (docs/whisper.md)") from None


def import_package(name: str) -> Any:
    """Import what the extra `whisper` installs. Raises ModuleNotFoundError that says how to install it."""
    try:
        return __import__(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"a Whisper encoder needs {error.name}, which is not installed: install asr's extra `whisper`", name=name
        ) from None


def _open(folder: Path, num_threads: int) -> Any:
    whisper = import_package("ctranslate2").models.Whisper
    try:
        return whisper(str(folder), compute_type=COMPUTE_TYPE, inter_threads=num_threads, intra_threads=1)
    except (RuntimeError, ValueError) as error:
        raise AsrError(f"{folder}: not a Whisper model for CTranslate2: {one_line(error)}") from None
