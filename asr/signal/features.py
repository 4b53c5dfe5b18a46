"""Waveform in, normalised log-mel features out, for whole utterances and streams alike.

Knows nothing of files or networks. Every step looks backwards only, so a stream that is fed
block by block gives the same frames as the whole recording at once, and one model serves both.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from asr.config import FeatureSettings

# Mel energy below which nothing is audible (about -77 dBFS of white noise). It keeps
# digital silence and the empty top bands of compressed audio close to a quiet room.
ENERGY_FLOOR = 1e-7
BLOCK_SECONDS = 30


class FeatureExtractor:
    """Turns waveforms into log-mel features with a running mean.

    The mean at a frame is taken over the frames so far and, weighing as much as `prior_seconds` of sound, the training
    set's mean; the result is divided by the training set's deviation. Nothing of the future is needed.

    Args:
        settings: Sizes of window, step and filter bank.
        mean: (F,) the training set's mean; None for zero.
        deviation: (F,) the training set's standard deviation; None for one.
    """

    def __init__(self, settings: FeatureSettings, mean: Tensor | None = None, deviation: Tensor | None = None) -> None:
        self.settings = settings
        self.window = round(settings.window_seconds * settings.sample_rate)
        self.step = round(settings.step_seconds * settings.sample_rate)
        self.prior_frames = settings.prior_seconds / settings.step_seconds
        self.mean = torch.zeros(settings.num_mels) if mean is None else mean.cpu()
        self.deviation = torch.ones(settings.num_mels) if deviation is None else deviation.cpu()

    def __call__(self, waveform: Tensor) -> Tensor:
        """Compute the features of a whole recording: (S,) to (T, F), T = `num_frames(S)`."""
        stream = self.stream()
        # In blocks, since intermediate results take many times the memory of the waveform.
        blocks = torch.split(waveform, BLOCK_SECONDS * self.settings.sample_rate)
        return torch.cat([stream.feed(block) for block in blocks])

    def stream(self) -> "FeatureStream":
        """Start a stream, which computes the same frames block by block."""
        return FeatureStream(self)

    def num_frames(self, num_samples: int) -> int:
        """Count the frames in `num_samples` samples; each needs a whole window."""
        return max(0, 1 + (num_samples - self.window) // self.step)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Compute the log-mel spectrogram without normalisation: (S,) to (T, F) float32, natural log.

        Frame t covers samples [t * step, t * step + window), a periodic Hann window; power
        spectrum; Slaney's mel scale and area normalisation (librosa's default).
        """
        num_frames = self.num_frames(waveform.numel())
        if num_frames == 0:
            return torch.empty(0, self.settings.num_mels)
        # In float64, so that the order in which a library sums (it differs with the number of
        # frames) never reaches the float32 result: streams and batches agree to the bit.
        frames = waveform.double().unfold(0, self.window, self.step)
        spectrum = torch.fft.rfft(frames * _hann(self.window), n=_fft_size(self.window))
        power = spectrum.real.square() + spectrum.imag.square()
        energies = power @ _filter_bank(self.window, self.settings.sample_rate, self.settings.num_mels)
        return energies.clamp(min=ENERGY_FLOOR).log().float()


class FeatureStream:
    """The features of one recording that arrives in blocks; see `FeatureExtractor`."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        self._extractor = extractor
        self._samples = torch.empty(0)
        self._sum = extractor.mean.double() * extractor.prior_frames
        self._count = extractor.prior_frames

    def feed(self, waveform: Tensor) -> Tensor:
        """Compute the frames that a block of samples completes: (S,) to (T, F), T may be 0."""
        samples = torch.cat([self._samples, waveform])
        features = self._extractor.log_mel(samples)
        self._samples = samples[len(features) * self._extractor.step :]
        if len(features) == 0:
            return features
        # The carried sum is the first row, so that there is one running sum, added in one order.
        sums = torch.cat([self._sum[None], features.double()]).cumsum(0)
        counts = self._count + torch.arange(1, len(features) + 1, dtype=torch.float64)
        self._sum, self._count = sums[-1], float(counts[-1])
        means = (sums[1:] / counts[:, None]).float()
        return (features - means) / self._extractor.deviation


def mel_frequencies(num_mels: int, sample_rate: int) -> npt.NDArray[np.float64]:
    """Return (F,) Hz of bands that are evenly spaced on Slaney's mel scale from 0 to half the sample rate.

    The scale has 3 mel per 200 Hz up to 1 kHz, and 27 per factor 6.4 above (Slaney 1998).
    """
    highest = 15 + 27 * math.log(sample_rate / 2 / 1000, 6.4)
    mels = np.linspace(0, highest if sample_rate > 2000 else 3 * sample_rate / 400, num_mels)
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))


@lru_cache
def _filter_bank(window: int, sample_rate: int, num_mels: int) -> Tensor:
    bank = melscale_fbanks(
        n_freqs=_fft_size(window) // 2 + 1,
        f_min=0.0,
        f_max=sample_rate / 2,
        n_mels=num_mels,
        sample_rate=sample_rate,
        norm="slaney",
        mel_scale="slaney",
    )
    return bank.double()


@lru_cache
def _hann(window: int) -> Tensor:
    return torch.hann_window(window, dtype=torch.float64)


def _fft_size(window: int) -> int:
    return 1 << (window - 1).bit_length()
