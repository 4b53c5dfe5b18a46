"""Resampling block by block; the result does not depend on the blocks."""

from typing import cast

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]


class Resampler:
    """Changes one recording that arrives in blocks from `rate` to `sample_rate`, in Hz."""

    def __init__(self, rate: float, sample_rate: float) -> None:
        self._stream = None
        if rate != sample_rate:
            import soxr

            self._stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")

    def feed(self, block: Waveform) -> Waveform:
        """Return the samples (S',) that a block (S,) completes."""
        return self._resample(block, last=False)

    def finish(self) -> Waveform:
        """Return the samples that were held back."""
        return self._resample(np.empty(0, np.float32), last=True)

    def _resample(self, block: Waveform, *, last: bool) -> Waveform:
        return block if self._stream is None else cast(Waveform, self._stream.resample_chunk(block, last=last))
