"""TensorFlow's mel-frequency cepstra, as DeepSpeech and Coqui STT feed them to their networks.

They are those of TensorFlow's operators AudioSpectrogram and Mfcc (tensorflow/core/kernels/spectrogram.cc, mfcc.cc,
mfcc_mel_filterbank.cc, mfcc_dct.cc): 40 triangles on the magnitudes between 20 Hz and half the sample rate. The last
window is filled up with zeros.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from asr.signal.features import Features
from asr.signal.resample import Waveform
from asr.signal.toolkits.frames import (
    FrameSizes,
    ToolkitExtractor,
    Windows,
    htk_mel,
    next_power_of_two,
    power_spectrum,
)

NUM_BANDS = 40
_LOWEST = 20.0  # Hz
_FLOOR = 1e-12


class MfccExtractor(ToolkitExtractor):
    """Turns waveforms into cepstra; see `ToolkitExtractor`."""

    @property
    def sizes(self) -> FrameSizes:
        # The window that remains after the last whole one is always computed: it has window - step samples or more.
        rest = self.window - self.step
        return FrameSizes(self.toolkit.num_coefficients, rest, self.step, rest)

    def pad_end(self, samples: Waveform, num_samples: int) -> Waveform:
        rest = len(samples) if len(samples) < self.window else self._rest(len(samples))
        return np.zeros(self.window - rest, np.float32)

    def _rest(self, count: int) -> int:
        """Return the samples from the beginning of the first window that is not whole."""
        return count - self.step * (1 + (count - self.window) // self.step)

    def compute(self, windows: Windows) -> Features:
        fft_size = next_power_of_two(self.window)
        magnitudes = np.sqrt(power_spectrum(windows * np.hanning(self.window + 1)[:-1], fft_size))
        energies = magnitudes @ mel_weights(fft_size // 2 + 1, self.settings.sample_rate)
        cepstra = np.log(np.maximum(energies, _FLOOR)) @ dct_matrix(self.toolkit.num_coefficients)
        return cepstra.astype(np.float32)


@lru_cache
def mel_weights(num_bins: int, sample_rate: int) -> npt.NDArray[np.float64]:
    """Return the weights (bins, bands) of the spectrum's bins in the bands."""
    width = sample_rate / 2 / (num_bins - 1)  # Hz from one bin to the next
    first, last = int(1.5 + _LOWEST / width), int(sample_rate / 2 / width)
    edges = np.linspace(htk_mel(_LOWEST), htk_mel(sample_rate / 2), NUM_BANDS + 2)
    mels = htk_mel(np.arange(num_bins) * width)[:, None]
    rising = (mels - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - mels) / np.diff(edges)[1:]
    weights = np.maximum(0, np.minimum(rising, falling))
    used = (np.arange(num_bins) >= first) & (np.arange(num_bins) <= last)
    return np.where(used[:, None], weights, 0)


@lru_cache
def dct_matrix(num_coefficients: int) -> npt.NDArray[np.float64]:
    """Return the matrix (bands, coefficients) of the cosine transform."""
    bands, coefficients = np.arange(NUM_BANDS)[:, None], np.arange(num_coefficients)
    return np.sqrt(2 / NUM_BANDS) * np.cos(np.pi / NUM_BANDS * coefficients * (bands + 0.5))
