"""Waveform in, frames of a pre-trained Whisper encoder out, two joined to one, for whole utterances and streams.

    samples ──► mel spectrogram, level ──► windows ──► encoder, 20 ms ──► pairs (T, 2 D), 40 ms ──► normalised

The encoder sees both directions, up to 30 s at a time. Up to that length a recording is one window; a longer one, and a
stream, goes through it in windows that overlap, each with as much of the past and of the future as the sizes say.
The level of a recording does not change its features. Knows nothing of files or networks.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asr.config import FeatureSettings
from asr.errors import ConfigError
from asr.signal.encoder import Encoder, encoder_size, load_encoder
from asr.signal.features import Energies, Features, SpectrogramSizes, Statistic, mel_energies, speech_bands
from asr.signal.gain import ABOVE_NOISE, LOWEST, SILENCE, SMOOTHED
from asr.signal.resample import Waveform

SAMPLE_RATE = 16000  # Hz; that of all Whisper models
JOINED = 2  # frames of the encoder in one of ours
STEP = 640  # samples from one of our frames to the next
WINDOW = 320  # samples: the centres of two frames of the encoder and half the way to their neighbours
_MEL_STEP, _MEL_WINDOW = 160, 400  # samples; that of the spectrogram's frame i is centred on sample i * step
_PER_FRAME = STEP // _MEL_STEP  # frames of the spectrogram in one of ours
_REFERENCE = 11.0  # dB of loud speech in ordinary recordings, to which all are brought
_FLOOR = -7.0  # decimal logarithm of what is inaudible: 80 dB below the loudest band of loud speech


class WindowSizes(NamedTuple):
    """How a recording is divided, in frames: windows end `hop` apart, and `look_ahead` after what they yield."""

    hop: int
    look_ahead: int
    longest: int  # of a window; at least the other two together


WHOLE = WindowSizes(hop=500, look_ahead=125, longest=750)  # of recordings longer than a window: 20, 5 and 30 s
LIVE = WindowSizes(hop=10, look_ahead=10, longest=150)  # of streams: 0.4, 0.4 and 6 s


class WhisperExtractor:
    """Turns waveforms into frames of an encoder, normalised with the training set's statistics.

    Args:
        settings: Which encoder.
        mean: (F,) the training set's mean; None for zero.
        deviation: (F,) the training set's standard deviation; None for one.
        num_threads: Calls that the encoder computes at the same time.
        live: How streams are divided.

    Raises:
        ConfigError: If the settings ask for another sample rate than Whisper's.
        ModuleNotFoundError: If the encoder cannot run, because a package is not installed.
        AsrError: If the encoder's weights are not found.
    """

    def __init__(
        self,
        settings: FeatureSettings,
        mean: Statistic | None = None,
        deviation: Statistic | None = None,
        *,
        num_threads: int = 1,
        live: WindowSizes = LIVE,
    ) -> None:
        if settings.sample_rate != SAMPLE_RATE:
            raise ConfigError(f"features.sample_rate: Whisper hears {SAMPLE_RATE} Hz, not {settings.sample_rate}")
        self.settings = settings
        size = encoder_size(settings)
        self.mean = np.zeros(JOINED * size, np.float32) if mean is None else mean
        self.deviation = np.ones(JOINED * size, np.float32) if deviation is None else deviation
        self.encoder: Encoder = load_encoder(settings.encoder, size, num_threads=num_threads)
        self.live = live
        self._num_threads = num_threads
        self._sizes = SpectrogramSizes(SAMPLE_RATE, _MEL_WINDOW, _MEL_STEP, _MEL_WINDOW, self.encoder.num_mels)
        self.level_bands = speech_bands(self.encoder.num_mels, SAMPLE_RATE)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what the encoder is loaded by."""
        return _restore, (self.settings, self.mean, self.deviation, self._num_threads, self.live)

    def __call__(self, waveform: Waveform) -> Features:
        """Compute the features of a whole recording: (S,) to (T, F)."""
        return self.normalise(self.plain(waveform))

    def plain(self, waveform: Waveform) -> Features:
        """Compute the features of a whole recording, without normalisation."""
        num_frames = -(-len(waveform) // STEP)
        whole = WindowSizes(WHOLE.longest, 0, WHOLE.longest) if num_frames <= WHOLE.longest else WHOLE
        return WhisperStream(self, whole).feed_plain(waveform, last=True)

    def normalise(self, features: Features) -> Features:
        """Normalise `plain` features (T, F) with the training set's statistics."""
        normalised: Features = (features - self.mean) / self.deviation
        return normalised

    def stream(self) -> "WhisperStream":
        """Start a stream, whose frames come after its look-ahead, in hops."""
        return WhisperStream(self, self.live)

    def energies(self, samples: Waveform) -> Energies:
        """Compute Whisper's mel energies, one frame for each whole window: (S,) to (T, F)."""
        return mel_energies(samples, self._sizes, without_mean=True)

    def encode(self, energies: Energies, loudness: float) -> Features:
        """Encode a window of mel energies (M, F) of a recording whose speech is so loud, in decibels: (M / 4, 2 D)."""
        logarithms = np.log10(np.maximum(energies, SILENCE)) + (_REFERENCE - loudness) / 10
        mel = ((np.maximum(logarithms, _FLOOR) + 4) / 4).astype(np.float32)  # as Whisper scales it
        frames = self.encoder(mel)  # (M / 2, D)
        return frames.reshape(-1, JOINED * frames.shape[1])


class WhisperStream:
    """The features of one recording that arrives in blocks; see `WhisperExtractor`.

    What a window shows, and the level at its end, depend on the samples before its end alone. So the features do not
    depend on the blocks.
    """

    def __init__(self, extractor: WhisperExtractor, sizes: WindowSizes) -> None:
        self._extractor, self._sizes = extractor, sizes
        self._samples = np.empty(0, np.float32)  # that the next frame of the spectrogram begins with
        self._num_samples = 0
        self._energies = np.empty((0, extractor.encoder.num_mels))  # the spectrogram from frame `_first` on
        # Counted in frames of the features, as all counts here:
        self._first = self._measured = self._done = 0
        self._loudness = SpeechLoudness()

    def feed(self, waveform: Waveform, *, last: bool = False) -> Features:
        """Compute the frames that a block of samples completes: (S,) to (T, F), T may be 0; all with the `last`."""
        return self._extractor.normalise(self.feed_plain(waveform, last=last))

    def feed_plain(self, waveform: Waveform, *, last: bool) -> Features:
        """Compute the same frames without normalisation."""
        self._append(waveform, last=last)
        hop, look_ahead, _ = self._sizes
        parts = [np.empty((0, len(self._extractor.mean)), np.float32)]
        while (end := self._done + hop + look_ahead) <= self._num_ready():
            parts.append(self._encode_window(hop, end))
        if last and (count := self._num_ready() - self._done):
            parts.append(self._encode_window(count, self._num_ready()))
        return np.concatenate(parts)

    def _append(self, waveform: Waveform, *, last: bool) -> None:
        """Add samples to the spectrogram; before the first and after the `last`, those are repeated as needed."""
        before = np.repeat(waveform[:1], _MEL_WINDOW // 2 if self._num_samples == 0 else 0)
        self._num_samples += len(waveform)
        samples = np.concatenate([self._samples, before, waveform])
        if last and self._num_samples >= WINDOW:
            num_mels = _PER_FRAME * -(-self._num_samples // STEP)  # frames of the spectrogram
            end = (num_mels - 1) * _MEL_STEP + _MEL_WINDOW // 2  # of the last one
            samples = np.pad(samples, (0, max(0, end - self._num_samples)), mode="edge")  # zeros would click
        energies = self._extractor.energies(samples)
        self._samples = samples[len(energies) * _MEL_STEP :].copy()
        self._energies = np.concatenate([self._energies, energies])

    def _num_ready(self) -> int:
        return self._first + len(self._energies) // _PER_FRAME

    def _encode_window(self, count: int, end: int) -> Features:
        """Encode the window that ends at frame `end`, and return the next `count` frames."""
        start = max(0, end - self._sizes.longest)
        bands = self._extractor.level_bands
        loudness = self._loudness.feed(self._slice(self._measured, end)[:, bands].sum(axis=1))
        taken = self._extractor.encode(self._slice(start, end), loudness)[self._done - start :][:count]
        self._measured, self._done = end, self._done + count
        self._energies, self._first = self._energies[(start - self._first) * _PER_FRAME :], start  # no later one needs
        return taken

    def _slice(self, start: int, end: int) -> Energies:
        """Return the spectrogram of frames of the features."""
        return self._energies[(start - self._first) * _PER_FRAME : (end - self._first) * _PER_FRAME]


class SpeechLoudness:
    """Finds how loud the speech of a recording is, in decibels, from its beginning up to some frame.

    The level is the greatest energy, or 30 dB more than the least if that is greater: until there is speech, it can
    only be guessed from the noise. A factor on all energies changes all levels by that factor, and nothing else.
    """

    def __init__(self) -> None:
        self._recent = np.empty(0)  # energies of the last frames
        self._greatest, self._least = -np.inf, np.inf

    def feed(self, energies: npt.NDArray[np.float64]) -> float:
        """Return the level after the energies (T,) of the next frames."""
        joined = np.concatenate([self._recent, energies])
        spans = np.lib.stride_tricks.sliding_window_view(joined, min(SMOOTHED, len(joined)))
        decibels = 10 * np.log10(np.maximum(spans.mean(axis=1), SILENCE))
        self._recent = joined[-SMOOTHED + 1 :]
        self._greatest = max(self._greatest, float(decibels.max()))
        self._least = min(self._least, float(decibels.min()))
        return max(self._greatest, self._least + ABOVE_NOISE, LOWEST)


def _restore(*parts: Any) -> WhisperExtractor:
    *arguments, num_threads, live = parts
    return WhisperExtractor(*arguments, num_threads=num_threads, live=live)
