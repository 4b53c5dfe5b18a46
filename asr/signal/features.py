"""Waveform in, normalised log-mel features out; whole utterances and streams alike.

Knows nothing of files or networks. Every step looks backwards only, so a stream that is fed
block by block gives the same frames as the whole recording at once, and one model serves both.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from asr.config import FeatureSettings

# Mel energy below which there is nothing to hear (about -77 dBFS of white noise). It keeps
# digital silence and the empty top bands of compressed audio close to a quiet room.
ENERGY_FLOOR = 1e-7
BLOCK_SECONDS = 30


class FeatureExtractor:
    """Turns waveforms into log-mel features with a running mean.

    The mean at a frame is taken over the frames so far and, weighing as much as
    `prior_seconds` of sound, the training set's mean; the result is divided by the training
    set's deviation. Nothing of the future is needed.

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
        """Features of a whole recording: (S,) to (T, F), T = `num_frames(S)`."""
        stream = self.stream()
        # In blocks, since intermediate results take many times the room of the waveform.
        blocks = torch.split(waveform, BLOCK_SECONDS * self.settings.sample_rate)
        return torch.cat([stream.feed(block) for block in blocks])

    def stream(self) -> "FeatureStream":
        """A stream that gives the same frames block by block."""
        return FeatureStream(self)

    def num_frames(self, num_samples: int) -> int:
        """Frames in so many samples; a frame needs a whole window."""
        return max(0, 1 + (num_samples - self.window) // self.step)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Log-mel spectrogram without normalisation: (S,) to (T, F) float32, natural log.

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
        """The frames that a block of samples completes: (S,) to (T, F), T may be 0."""
        samples = torch.cat([self._samples, waveform])
        features = self._extractor.log_mel(samples)
        self._samples = samples[len(features) * self._extractor.step :]
        return self._normalize(features)

    def _normalize(self, features: Tensor) -> Tensor:
        if len(features) == 0:
            return features
        # The carried sum goes in as the first row: one running sum, added in one order.
        sums = torch.cat([self._sum[None], features.double()]).cumsum(0)
        counts = self._count + torch.arange(1, len(features) + 1, dtype=torch.float64)
        self._sum, self._count = sums[-1], float(counts[-1])
        means = (sums[1:] / counts[:, None]).float()
        return (features - means) / self._extractor.deviation


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
