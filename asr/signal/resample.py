"""Sound at one rate in, at another out, block by block: what comes out does not depend on the blocks."""

import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.float32]


class Resampler:
    """Changes the rate of one recording that arrives in blocks.

    Args:
        rate: Hz of what comes in.
        sample_rate: Hz of what goes out.
    """

    def __init__(self, rate: float, sample_rate: float) -> None:
        same = rate == sample_rate
        self._stream = None if same else soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")

    def feed(self, block: Samples, *, last: bool = False) -> Samples:
        """The samples (S',) that a block (S,) completes; with `last` also those that were held back."""
        if self._stream is None:
            return block
        resampled: Samples = self._stream.resample_chunk(block, last=last)
        return resampled
