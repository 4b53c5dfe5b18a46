"""Magnitude spectrograms, log(1 + |X|), as deepspeech.pytorch feeds them to its networks.

Frame t is centred on sample `t * step`; both ends of a recording are mirrored, as librosa did by default until its
version 0.9, when these networks were trained.
"""

import numpy as np

from asr.signal.features import Features
from asr.signal.resample import Waveform
from asr.signal.toolkits.frames import FrameSizes, ToolkitExtractor, Windows, power_spectrum

_SHAPES = {"hamming": np.hamming, "hann": np.hanning, "blackman": np.blackman, "bartlett": np.bartlett}


class SpectrogramExtractor(ToolkitExtractor):
    """Turns waveforms into spectrograms; see `ToolkitExtractor`."""

    @property
    def sizes(self) -> FrameSizes:
        return FrameSizes(self.window // 2 + 1, 0, self.step, self.window // 2 + 1)

    def plain(self, waveform: Waveform) -> Features:
        half = self.window // 2
        return super().plain(np.pad(waveform, half, mode="reflect") if len(waveform) > half else waveform[:0])

    def pad_end(self, samples: Waveform, num_samples: int) -> Waveform:
        return samples[:0]  # `plain` has done it

    def compute(self, windows: Windows) -> Features:
        shape = _SHAPES[self.toolkit.window](self.window + 1)[:-1]  # periodic
        return np.log1p(np.sqrt(power_spectrum(windows * shape, self.window))).astype(np.float32)
