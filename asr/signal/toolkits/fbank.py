"""Log-mel energies of Kaldi, for networks of icefall and WeNet, and those that stand in for NeMo's in sherpa-onnx.

They are those of kaldi-native-fbank without dither, with `snip_edges` off: frame t is centred on the middle of step t,
and both ends of a recording are mirrored. Kaldi's differ from NeMo's in window, mel scale and the constant offset.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from asr.signal.features import Features, slaney_bank
from asr.signal.resample import Waveform
from asr.signal.toolkits.frames import (
    FrameSizes,
    ToolkitExtractor,
    Windows,
    htk_mel,
    next_power_of_two,
    power_spectrum,
)

_PREEMPHASIS = 0.97
_FLOOR = np.finfo(np.float32).eps
_LOWEST, _BELOW_HIGHEST = 20.0, 400.0  # Hz: the lowest band begins here, the highest ends so far below half the rate


class FbankExtractor(ToolkitExtractor):
    """Turns waveforms into log-mel energies; see `ToolkitExtractor`."""

    @property
    def before(self) -> int:  # type: ignore[override]
        return self.window // 2 - self.step // 2

    @property
    def sizes(self) -> FrameSizes:
        half = self.step - self.step // 2
        return FrameSizes(self.settings.num_mels, half, self.step, half)

    def pad_start(self, samples: Waveform) -> Waveform:
        return mirror(samples, -self.before, 0)

    def pad_end(self, samples: Waveform, num_samples: int) -> Waveform:
        num_frames = (num_samples + self.step // 2) // self.step
        missing = (num_frames - 1) * self.step - self.before + self.window - num_samples
        # A window begins at most `before` samples before a step: the recording's own end is long enough to mirror,
        # unless all of it is here.
        own = samples[self.before :] if len(samples) >= num_samples + self.before else samples
        return mirror(own, len(own), len(own) + max(0, missing))

    def compute(self, windows: Windows) -> Features:
        is_kaldi = self.toolkit.kind == "kaldi"
        if is_kaldi:
            windows = windows - windows.mean(axis=1, keepdims=True)
        before = np.concatenate([windows[:, :1], windows[:, :-1]], axis=1)
        windows = (windows - _PREEMPHASIS * before) * (_povey(self.window) if is_kaldi else _hann(self.window))
        fft_size = next_power_of_two(self.window)
        bank = kaldi_bank if is_kaldi else slaney_bank
        weights = bank(fft_size, self.settings.sample_rate, self.settings.num_mels)
        energies = power_spectrum(windows, fft_size) @ weights
        return np.log(np.maximum(energies, _FLOOR)).astype(np.float32)


def mirror(samples: Waveform, first: int, last: int) -> Waveform:
    """Return the samples from `first` to `last` of a waveform that is mirrored at its ends, again and again."""
    if len(samples) == 0:
        return np.zeros(last - first, np.float32)
    period = 2 * len(samples)
    positions = np.arange(first, last) % period
    mirrored: Waveform = samples[np.minimum(positions, period - 1 - positions)]
    return mirrored


@lru_cache
def kaldi_bank(fft_size: int, sample_rate: int, num_mels: int) -> npt.NDArray[np.float64]:
    """Return the weights (bins, bands) of triangles on HTK's mel scale, none of which is normalised."""
    edges = np.linspace(htk_mel(_LOWEST), htk_mel(sample_rate / 2 - _BELOW_HIGHEST), num_mels + 2)
    mels = htk_mel(np.arange(fft_size // 2 + 1) * sample_rate / fft_size)[:, None]
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


@lru_cache
def _povey(window: int) -> npt.NDArray[np.float64]:
    return np.hanning(window) ** 0.85


@lru_cache
def _hann(window: int) -> npt.NDArray[np.float64]:
    return np.hanning(window + 1)[:-1]
