"""Windows of a waveform in, features out: what the front ends of all toolkits share, for recordings and streams.

A toolkit pads the two ends of a recording in its own way; in between, frame t shows the samples from
`t * step - before` on. Knows nothing of what is computed from a window.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from asr.config import FeatureSettings, ToolkitSettings
from asr.errors import ConfigError
from asr.signal.features import BLOCK_SECONDS, Features
from asr.signal.resample import Waveform

Windows = npt.NDArray[np.float64]  # (T, W), or spectra (T, bins)
_LEAST_DEVIATION = 1e-5  # added to deviations of bands, as NeMo does


class FrameSizes(NamedTuple):
    """Frames of a toolkit's features: numbers per frame, and samples."""

    size: int
    window: int  # that a frame shows at the ends of a recording
    step: int
    shortest: int  # of a recording that has a frame


class ToolkitExtractor(ABC):
    """Turns waveforms into the features of a toolkit.

    Args:
        settings: Sample rate, window and step.
        toolkit: Which features.

    Attributes:
        window, step: In samples.
        before: Samples before the first that the first window shows.
    """

    before: int = 0

    def __init__(self, settings: FeatureSettings, toolkit: ToolkitSettings) -> None:
        self.settings, self.toolkit = settings, toolkit
        # In milliseconds, whose product with the rate is exact, and rounded down, as all these toolkits do.
        rate = settings.sample_rate
        self.window, self.step = (
            int(round(seconds * 1000, 6) * rate / 1000) for seconds in (settings.window_seconds, settings.step_seconds)
        )

    @property
    @abstractmethod
    def sizes(self) -> FrameSizes:
        """The sizes of frames."""

    @abstractmethod
    def compute(self, windows: Windows) -> Features:
        """Compute the features (T, F) of windows (T, W)."""

    def pad_start(self, samples: Waveform) -> Waveform:
        """Return the `before` samples that come before a recording that begins with `samples`."""
        return np.zeros(self.before, np.float32)

    @abstractmethod
    def pad_end(self, samples: Waveform, num_samples: int) -> Waveform:
        """Return what comes after a recording of `num_samples`, of which `samples` are the end."""

    def __call__(self, waveform: Waveform) -> Features:
        """Compute the features of a whole recording: (S,) to (T, F)."""
        return self.normalise(self.plain(waveform))

    def plain(self, waveform: Waveform) -> Features:
        """Compute the features of a whole recording, without normalisation."""
        stream = ToolkitStream(self)
        # In blocks, since intermediate results take many times the memory of the waveform.
        size = BLOCK_SECONDS * self.settings.sample_rate
        starts = range(0, max(1, len(waveform)), size)
        blocks = [stream.feed(waveform[start : start + size], last=start == starts[-1]) for start in starts]
        return np.concatenate(blocks)

    def normalise(self, features: Features) -> Features:
        """Normalise `plain` features (T, F) of a whole recording, if the toolkit does."""
        kind = self.toolkit.normalization
        if kind == "none" or len(features) == 0:
            return features
        values = features.astype(np.float64)
        if kind == "recording":
            # As torch computes it: one less than the number of values.
            scaled = (values - values.mean()) / max(values.std(ddof=1), np.finfo(np.float32).tiny)
        else:
            scaled = (values - values.mean(axis=0)) / (values.std(axis=0) + _LEAST_DEVIATION)
        return scaled.astype(np.float32)

    def stream(self) -> "ToolkitStream":
        """Start a stream. Raises ConfigError if features depend on the whole recording."""
        if self.toolkit.normalization != "none":
            raise ConfigError("this model's features are normalised over whole recordings; it cannot follow a stream")
        return ToolkitStream(self)


class ToolkitStream:
    """The features of one recording that arrives in blocks, without normalisation; see `ToolkitExtractor`."""

    def __init__(self, extractor: ToolkitExtractor) -> None:
        self._extractor = extractor
        self._samples = np.empty(0, np.float32)  # from the beginning of the next window on
        self._num_samples = 0
        self._has_begun = False

    def feed(self, waveform: Waveform, *, last: bool = False) -> Features:
        """Compute the frames that a block of samples completes: (S,) to (T, F), T may be 0; all with the `last`."""
        extractor = self._extractor
        self._samples = np.concatenate([self._samples, waveform])
        self._num_samples += len(waveform)
        if not self._has_begun and (last or len(self._samples) > extractor.before):
            self._samples = np.concatenate([extractor.pad_start(self._samples), self._samples])
            self._has_begun = True
        if last and self._num_samples >= extractor.sizes.shortest:
            end = extractor.pad_end(self._samples, self._num_samples)
            self._samples = np.concatenate([self._samples, end])
        if not self._has_begun or len(self._samples) < extractor.window:
            return np.empty((0, extractor.sizes.size), np.float32)
        scaled = self._samples.astype(np.float64) * extractor.toolkit.full_scale
        features = extractor.compute(sliding_window_view(scaled, extractor.window)[:: extractor.step])
        self._samples = self._samples[len(features) * extractor.step :].copy()
        return features


def next_power_of_two(size: int) -> int:
    """Return the size of the transform of a window."""
    return 1 << (size - 1).bit_length()


def power_spectrum(windows: Windows, fft_size: int) -> Windows:
    """Compute the power spectra of windows (T, W): (T, fft_size / 2 + 1)."""
    spectrum = np.fft.rfft(windows, n=fft_size)
    power: Windows = spectrum.real**2 + spectrum.imag**2
    return power


def htk_mel(frequency: npt.NDArray[Any] | float) -> npt.NDArray[np.float64]:
    """Return mels of Hz, on HTK's scale."""
    return np.asarray(1127 * np.log1p(np.asarray(frequency) / 700))
