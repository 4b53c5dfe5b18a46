"""Kinds of features, and what other parts must know of them without computing any.

log_mel   80 bands every 10 ms; the network begins with two convolutions, which join four frames   (features.py)
whisper   768 numbers every 40 ms, those of two frames of a pre-trained encoder                    (whisper.py)

Imported networks have those of the toolkits that trained them, one frame or several for one of log probabilities
(toolkits/).
"""

from dataclasses import dataclass
from typing import Protocol

from asr.config import FeatureSettings
from asr.signal.encoder import encoder_size
from asr.signal.features import FeatureExtractor, Features, Statistic
from asr.signal.resample import Waveform
from asr.signal.toolkits.build import build_toolkit_extractor, toolkit_frames
from asr.signal.whisper import JOINED, STEP, WINDOW, WhisperExtractor


class FeatureStream(Protocol):
    """The features of one recording that arrives in blocks."""

    def feed(self, waveform: Waveform, *, last: bool = False) -> Features:
        """Compute the frames that a block of samples completes: (S,) to (T, F), T may be 0."""


class Extractor(Protocol):
    """Turns waveforms into normalised features; `plain` features, with `normalise`, are the same in two steps."""

    settings: FeatureSettings

    def __call__(self, waveform: Waveform) -> Features:
        """Compute the features of a whole recording: (S,) to (T, F)."""

    def plain(self, waveform: Waveform) -> Features:
        """Compute the features of a whole recording, without normalisation."""

    def normalise(self, features: Features) -> Features:
        """Normalise `plain` features (T, F) of a whole recording with the training set's statistics."""

    def stream(self) -> FeatureStream:
        """Start a stream."""


@dataclass(frozen=True)
class FrameLayout:
    """The frames of a kind of features, and how the network goes from them to frames of log probabilities.

    Attributes:
        size: F, numbers per frame.
        window: Samples that a frame shows; at the ends of a recording it may show less.
        step: Samples from one frame to the next.
        num_convolutions: With which the network begins; each halves the number of frames, rounding up.
        subsampling: Frames of features for one frame of log probabilities.
        shortest: Samples of the shortest recording that has a frame.
        has_bands: Whether neighbours among the numbers are alike, as frequencies are.
        fills_last: Whether a frame of which the recording shows a part counts.
    """

    size: int
    window: int
    step: int
    num_convolutions: int
    subsampling: int
    shortest: int
    has_bands: bool
    fills_last: bool

    @property
    def output_step(self) -> int:
        """Samples from one frame of log probabilities to the next."""
        return self.step * self.subsampling

    def num_frames(self, num_samples: int) -> int:
        """Count the frames of features in `num_samples` samples."""
        if num_samples < self.shortest:
            return 0
        return -(-num_samples // self.step) if self.fills_last else 1 + (num_samples - self.window) // self.step

    def num_outputs(self, num_frames: int) -> int:
        """Count the frames of log probabilities for T frames of features."""
        return -(-num_frames // self.subsampling)


def frame_layout(settings: FeatureSettings) -> FrameLayout:
    """Describe the frames that the settings ask for.

    Raises:
        ConfigError: If they do not say how large an encoder's frames are.
    """
    if settings.toolkit is not None:
        frames = toolkit_frames(settings, settings.toolkit)
        return FrameLayout(
            frames.size,
            frames.window,
            frames.step,
            num_convolutions=0,
            subsampling=settings.toolkit.subsampling,
            shortest=frames.shortest,
            has_bands=settings.toolkit.kind != "mfcc",
            fills_last=False,
        )
    if settings.kind == "whisper":
        size = JOINED * encoder_size(settings)
        return FrameLayout(size, WINDOW, STEP, 0, subsampling=1, shortest=WINDOW, has_bands=False, fills_last=True)
    window, step = (round(t * settings.sample_rate) for t in (settings.window_seconds, settings.step_seconds))
    size = settings.num_mels
    return FrameLayout(size, window, step, 2, subsampling=4, shortest=window, has_bands=True, fills_last=False)


def build_extractor(
    settings: FeatureSettings,
    mean: Statistic | None = None,
    deviation: Statistic | None = None,
    *,
    num_threads: int = 1,
) -> Extractor:
    """Build the extractor that the settings ask for.

    Args:
        settings: Which features.
        mean: (F,) the training set's mean; None for zero.
        deviation: (F,) the training set's standard deviation; None for one.
        num_threads: Calls that an encoder computes at the same time.

    Raises:
        ModuleNotFoundError: If an encoder is asked for and cannot run, because a package is not installed.
        AsrError: If an encoder's weights are not found.
    """
    if settings.toolkit is not None:
        return build_toolkit_extractor(settings, settings.toolkit)
    if settings.kind == "whisper":
        return WhisperExtractor(settings, mean, deviation, num_threads=num_threads)
    return FeatureExtractor(settings, mean, deviation)


def subsampled(count: int, times: int) -> int:
    """Halve a count as convolutions of stride 2 do, rounding up each time."""
    for _ in range(times):
        count = (count + 1) // 2
    return count
