"""Arrays of any kind in, float32 samples within ±1 out: one rule for recordings and for streams.

Integers are divided by the range of their type, floats are taken as they are. What cannot be scaled for certain is
refused: integers of 64 bits, such as lists give, may hold samples of any size.
"""

import math
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import AudioError

MOST_CHANNELS = 128  # more mean a transposed array, (channels, S)
_HIGHEST_PEAK = 100.0  # 40 dB above full scale: integers stored as floats
_AUDIBLE_16_BIT = 512  # -36 dBFS; 32-bit noise floors are lower


class ArrayError(AudioError, ValueError):
    """An array holds no sound, or nobody knows how to scale it."""


Samples = npt.NDArray[np.float32]


def to_samples(values: Any, *, name: str = "array", is_whole: bool = False) -> Samples:
    """Convert (S,) or (S, channels) of any number type to float32; divide integers by their range.

    Args:
        values: An array, a list, or a torch tensor on any device.
        name: What it is, for errors.
        is_whole: Whether it is a whole recording. A block of a stream may be as quiet as samples of another scale.

    Raises:
        ArrayError: If it is no array of numbers, or it is not known how to scale them. The shape is not checked.
    """
    array = _to_array(values, name)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if is_whole and kind == "i" and size == 4 and _holds_narrower(array):
        raise ArrayError(
            f"{name}: 32-bit integers of the size of 16-bit samples; convert them with array.astype(numpy.int16), or "
            "divide them by their full scale, such as 32768"
        )
    if kind in "iu" and size < 8:
        half_range = 2.0 ** (8 * size - 1)
        centre = half_range if kind == "u" else 0.0
        return ((array.astype(np.float64) - centre) / half_range).astype(np.float32)
    if kind in "iu" and array.size and array.any():
        raise ArrayError(
            f"{name}: integers of 64 bits, whose range says nothing of their scale; convert them to the type that "
            "they had, such as array.astype(numpy.int16), or divide them by their full scale, such as 32768"
        )
    if kind not in "fiu":
        raise ArrayError(f"{name}: its type is {array.dtype}; give integers, or floats within ±1")
    with np.errstate(over="ignore"):  # overflowing values become infinite, which is an error later
        return array.astype(np.float32)


def _holds_narrower(array: npt.NDArray[Any]) -> bool:
    """Return whether 32-bit integers are samples of 16 bits: audible as such, and below -96 dBFS as 32 bits.

    Samples of 24 bits in 32 end in eight zero bits, and so does their silence.
    """
    peak = int(np.max(np.abs(array.astype(np.int64)), initial=0))
    return _AUDIBLE_16_BIT <= peak <= 2**15 and bool((array & 0xFF).any())


def check_peak(samples: Samples, name: str) -> None:
    """Raise ArrayError if samples are not finite, or so large that they cannot lie within ±1."""
    peak = np.max(np.abs(samples), initial=0.0)  # NaN if any sample is
    if not np.isfinite(peak):
        raise ArrayError(f"{name}: holds samples that are NaN or infinite; export it again as 16-bit integers")
    # Integers that were not divided reach 100 soon; quiet ones are known by having no fractions.
    if peak > _HIGHEST_PEAK or (peak >= 2 and bool((samples == np.round(samples)).all())):
        raise ArrayError(
            f"{name}: its samples reach {peak:.0f}, but floats must lie within ±1; "
            "if they were 16-bit integers, divide them by 32768"
        )


def check_source(source: tuple[Any, Any]) -> tuple[Samples, float]:
    """Return the samples (S, channels) and the rate of an `(array, rate)` source.

    Raises:
        ArrayError: If they are not plausible.
    """
    if len(source) != 2:
        raise ArrayError(f"array: expected (array, rate), found a tuple of {len(source)}; give the rate in Hz")
    samples, rate = to_samples(source[0], is_whole=True), source[1]
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= MOST_CHANNELS):
        raise ArrayError(
            f"array: its shape is {samples.shape}; give (samples,) or (samples, channels), perhaps array.T"
        )
    try:
        hertz = float(rate) if np.ndim(rate) == 0 else math.nan
    except (TypeError, ValueError):
        hertz = math.nan
    if not 0 < hertz < math.inf:
        raise ArrayError(f"array: its rate is {rate}; give the samples per second, such as 16000")
    return samples if samples.ndim == 2 else samples[:, None], hertz


def _to_array(values: Any, name: str) -> npt.NDArray[Any]:
    torch = sys.modules.get("torch")  # a tensor can only come from a torch that is loaded
    try:
        if torch is not None and isinstance(values, torch.Tensor):
            values = values.detach().cpu()
            if values.dtype == torch.bfloat16:  # numpy has no such type
                values = values.float()
            return np.asarray(values.numpy())
        return np.ma.filled(np.asarray(values), 0) if np.ma.isMaskedArray(values) else np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # such as rows of different lengths
        raise ArrayError(f"{name}: not an array of numbers ({' '.join(str(error).split())[:100]})") from None
