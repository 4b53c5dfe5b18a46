"""Waveform in, normalised log-mel features out, for whole utterances and streams alike.

Knows nothing of files or networks. Every step looks backwards only, so a stream that is fed
block by block gives the same frames as the whole recording at once, and one model serves both.
Unless the automatic gain is off, a recording's level and a constant offset do not change its features.
"""

import math
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from asr.config import FeatureSettings
from asr.jit import Array, jit, warm_up
from asr.signal.gain import AutomaticGain
from asr.signal.resample import Waveform

# Mel energy, at the reference level, below which nothing is audible. It keeps digital silence and the empty top bands
# of compressed audio close to a quiet room.
ENERGY_FLOOR = 1e-7
_SPEECH_BAND = 300, 3400  # Hz; where speech is strong, as in telephones, and hum is not
BLOCK_SECONDS = 10

Features: TypeAlias = npt.NDArray[np.float32]  # (T, F)
Energies: TypeAlias = npt.NDArray[np.float64]  # (T, F)
Statistic: TypeAlias = npt.NDArray[np.float32]  # (F,)


class SpectrogramSizes(NamedTuple):
    """Sizes of a mel spectrogram; the window, the step and the transform are in samples."""

    sample_rate: int
    window: int
    step: int
    fft_size: int
    num_mels: int

    def num_frames(self, num_samples: int) -> int:
        """Count the frames in `num_samples` samples; each needs a whole window."""
        return max(0, 1 + (num_samples - self.window) // self.step)


class FeatureExtractor:
    """Turns waveforms into log-mel features at a reference level, with a running mean.

    The mean at a frame is taken over the frames so far and, weighing as much as `prior_seconds` of sound, the training
    set's mean; the result is divided by the training set's deviation. Nothing of the future is needed.

    Args:
        settings: Sizes of window, step and filter bank.
        mean: (F,) the training set's mean; None for zero.
        deviation: (F,) the training set's standard deviation; None for one.
    """

    def __init__(
        self, settings: FeatureSettings, mean: Statistic | None = None, deviation: Statistic | None = None
    ) -> None:
        self.settings = settings
        self.window = round(settings.window_seconds * settings.sample_rate)
        self.step = round(settings.step_seconds * settings.sample_rate)
        self.fft_size = 1 << (self.window - 1).bit_length()
        self.prior_frames = settings.prior_seconds / settings.step_seconds
        self.level_bands = speech_bands(settings.num_mels, settings.sample_rate)
        self._sizes = SpectrogramSizes(settings.sample_rate, self.window, self.step, self.fft_size, settings.num_mels)
        self.mean = np.zeros(settings.num_mels, np.float32) if mean is None else mean
        self.deviation = np.ones(settings.num_mels, np.float32) if deviation is None else deviation

    def __call__(self, waveform: Waveform) -> Features:
        """Compute the features of a whole recording: (S,) to (T, F), T = `num_frames(S)`."""
        stream = self.stream()
        # In blocks, since intermediate results take many times the memory of the waveform.
        size = BLOCK_SECONDS * self.settings.sample_rate
        blocks = [waveform[first : first + size] for first in range(0, max(1, len(waveform)), size)]
        return np.concatenate([stream.feed(block) for block in blocks])

    def stream(self) -> "FeatureStream":
        """Start a stream, which computes the same frames block by block."""
        return FeatureStream(self)

    def num_frames(self, num_samples: int) -> int:
        """Count the frames in `num_samples` samples; each needs a whole window."""
        return self._sizes.num_frames(num_samples)

    def plain(self, waveform: Waveform) -> Features:
        """Compute the features of a whole recording, without normalisation."""
        return self.log_mel(waveform)

    def normalise(self, features: Features) -> Features:
        """Normalise `plain` features (T, F) of a whole recording."""
        return self.stream().normalise(features)

    def log_mel(self, waveform: Waveform) -> Features:
        """Compute the log-mel spectrogram of a whole recording at the reference level, without normalisation.

        (S,) to (T, F) float32, natural log. Frame t covers samples [t * step, t * step + window).
        """
        return self.scale(self.energies(waveform), AutomaticGain(self.settings.step_seconds))

    def energies(self, waveform: Waveform) -> Energies:
        """Compute the mel energies of a waveform without gain, (S,) to (T, F), as of `mel_energies`.

        The mean of each frame is subtracted if there is an automatic gain.
        """
        return mel_energies(waveform, self._sizes, without_mean=self.settings.automatic_gain)

    def scale(self, energies: Energies, gain: AutomaticGain) -> Features:
        """Bring the mel energies (T, F) of the next frames to the reference level: natural logs (T, F) float32."""
        if self.settings.automatic_gain:
            energies = energies * gain.feed(energies[:, self.level_bands].sum(axis=1))[:, None]
        return np.log(np.maximum(energies, ENERGY_FLOOR)).astype(np.float32)


class FeatureStream:
    """The features of one recording that arrives in blocks; see `FeatureExtractor`."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        self._extractor = extractor
        self._samples = np.empty(0, np.float32)
        self._gain = AutomaticGain(extractor.settings.step_seconds)
        self._sum = extractor.mean.astype(np.float64) * extractor.prior_frames
        self._count = extractor.prior_frames

    def feed(self, waveform: Waveform, *, last: bool = False) -> Features:
        """Compute the frames that a block of samples completes: (S,) to (T, F), T may be 0; none waits for the last."""
        samples = np.concatenate([self._samples, waveform])
        features = self._extractor.scale(self._extractor.energies(samples), self._gain)
        self._samples = samples[len(features) * self._extractor.step :].copy()
        return self.normalise(features)

    def normalise(self, features: Features) -> Features:
        """Subtract the running mean from the next frames (T, F) of `scale`, and divide by the deviation."""
        if len(features) == 0:
            return features
        # The carried sum is the first row, so that there is one running sum, added in one order.
        sums = np.cumsum(np.concatenate([self._sum[None], features]), axis=0)  # (T + 1, F) float64
        counts = self._count + np.arange(1, len(features) + 1)
        self._sum, self._count = sums[-1], float(counts[-1])
        means = (sums[1:] / counts[:, None]).astype(np.float32)
        normalised: Features = (features - means) / self._extractor.deviation
        return normalised


def mel_energies(waveform: Waveform, sizes: SpectrogramSizes, *, without_mean: bool) -> Energies:
    """Compute the mel energies of a waveform: (S,) to (T, F), one frame for each whole window.

    A periodic Hann window, the power spectrum, and Slaney's mel scale and area normalisation (librosa's default); with
    `without_mean`, the mean of each frame is subtracted first.
    """
    sample_rate, window, step, fft_size, num_mels = sizes
    if sizes.num_frames(len(waveform)) == 0:
        return np.empty((0, num_mels))
    # In float64, so that the order in which a library sums never reaches the float32 result: streams and whole
    # recordings agree to the bit.
    frames = sliding_window_view(waveform.astype(np.float64), window)[::step]
    mean = frames.mean(axis=1, keepdims=True) if without_mean else 0.0
    windowed = np.subtract(frames, mean)
    windowed *= _hann(window)
    spectrum = np.fft.rfft(windowed, n=fft_size)
    energies, power = np.empty((len(spectrum), num_mels)), np.empty(spectrum.shape[1])
    _load_compiled()
    _sum_bands(spectrum.view(np.float64), *_filter_bank(fft_size, sample_rate, num_mels), power, energies)
    return energies


@warm_up("spectrogram")
def _load_compiled() -> None:
    _sum_bands(np.zeros((1, 2)), np.zeros(1, np.int64), np.ones((1, 1)), np.empty(1), np.empty((1, 1)))


@jit
def _sum_bands(spectrum: Array, firsts: Array, weights: Array, power: Array, energies: Array) -> None:
    """Write the mel energies (T, F) of a spectrum (T, 2 * bins), whose real and imaginary parts alternate.

    `firsts` (F,) and `weights` (F, K) are those of `_filter_bank`, `power` (bins,) is scratch. As a product of matrices
    it would take longer: nine weights in ten are zero.
    """
    for frame in range(len(spectrum)):
        for index in range(len(power)):
            power[index] = spectrum[frame, 2 * index] ** 2 + spectrum[frame, 2 * index + 1] ** 2
        for band in range(len(firsts)):
            energy = 0.0
            for index in range(weights.shape[1]):
                energy += weights[band, index] * power[firsts[band] + index]
            energies[frame, band] = energy


def band_centres(num_mels: int, sample_rate: int) -> npt.NDArray[np.float64]:
    """Return (F,) Hz of the centres of the spectrogram's bands."""
    return mel_frequencies(num_mels + 2, sample_rate)[1:-1]


def speech_bands(num_mels: int, sample_rate: int) -> npt.NDArray[np.int64]:
    """Return the bands by which the level of speech is measured; all, if the sample rate leaves none."""
    centres = band_centres(num_mels, sample_rate)
    chosen = (centres >= _SPEECH_BAND[0]) & (centres <= _SPEECH_BAND[1])
    return np.flatnonzero(chosen if chosen.any() else centres)


def mel_frequencies(num_mels: int, sample_rate: int) -> npt.NDArray[np.float64]:
    """Return (F,) Hz of bands that are evenly spaced on Slaney's mel scale from 0 to half the sample rate.

    The scale has 3 mel per 200 Hz up to 1 kHz, and 27 per factor 6.4 above (Slaney 1998).
    """
    highest = 15 + 27 * math.log(sample_rate / 2 / 1000, 6.4)
    mels = np.linspace(0, highest if sample_rate > 2000 else 3 * sample_rate / 400, num_mels)
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))


@lru_cache
def _filter_bank(
    fft_size: int, sample_rate: int, num_mels: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the first (F,) of the K bins that each band of `slaney_bank` covers, and their weights (F, K)."""
    triangles = slaney_bank(fft_size, sample_rate, num_mels).T  # (F, bins)
    width = max(1, int((triangles > 0).sum(axis=1).max()))
    firsts = np.minimum((triangles > 0).argmax(axis=1), triangles.shape[1] - width)
    return firsts, np.take_along_axis(triangles, firsts[:, None] + np.arange(width), axis=1)


@lru_cache
def slaney_bank(fft_size: int, sample_rate: int, num_mels: int) -> npt.NDArray[np.float64]:
    """Return the weights (bins, F) of the spectrum's bins in each band.

    Bands are triangles between the centres of their neighbours, of the same area in Hz (Slaney 1998).
    """
    edges = mel_frequencies(num_mels + 2, sample_rate)
    frequencies = np.linspace(0, sample_rate / 2, fft_size // 2 + 1)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]  # (F, bins)
    return triangles.T


@lru_cache
def _hann(window: int) -> npt.NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
