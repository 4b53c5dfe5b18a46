"""Samples of all channels in, one channel and what a user should know of the levels out.

Channels are averaged, unless they cancel each other: a cable that is soldered wrongly makes the right channel the
negative of the left, and their mean silence.
"""

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from asr.errors import AudioError
from asr.signal.resample import Waveform

Channel: TypeAlias = int | Literal["mix"]  # counted from 0, or all of them averaged
ChannelChoice: TypeAlias = Channel | Literal["each"]  # or each by itself

# Of the power that the mean of channels without relation would have.
_CANCELLED_SHARE = 0.1
# -56 dBFS: 50 steps of 16 bits. At a peak of -50 dBFS rounding to them costs little accuracy, at -60 a lot. Without
# rounding, as in recordings of floats, the level does not matter.
_QUIET_PEAK = 1.5e-3
_STEPS = 32768
_SILENT_PEAK = 1e-4  # -80 dBFS: less than two steps of 16 bits

CLIPPED_SHARE = 0.01
# Equal neighbours this loud are a flat top, even if the recording was attenuated after it was clipped.
# At lower levels equal neighbours only show coarse quantisation.
_FLAT_TOP = 0.9
_FULL_SCALE = 32767 / 32768


class Mixer:
    """Makes one channel of a recording that arrives in chunks, and measures it.

    Args:
        channel: The channel to take, or "mix" for their mean.
        name: The recording's name in errors.

    Attributes:
        notes: What changed the sound: channels that cancel.
    """

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel = channel
        self._name = name
        self._loudest: int | None = None  # the channel that is taken because the others cancel it
        self._peak = 0.0
        self._num_samples = self._num_clipped = 0
        self._has_steps = True  # of 16 bits: all samples so far are multiples of one
        self.notes: tuple[str, ...] = ()

    def mix(self, samples: npt.NDArray[np.float32]) -> Waveform:
        """Return one channel (S,) of the next samples (S, channels).

        Raises:
            AudioError: If there is no such channel.
        """
        num_channels = samples.shape[1]
        if self._channel != "mix":
            if not 0 <= self._channel < num_channels:
                channels = "one channel, 0" if num_channels == 1 else f"channels 0 to {num_channels - 1}"
                raise AudioError(f"{self._name}: has no channel {self._channel}, only {channels}")
            waveform = samples[:, self._channel]
        elif num_channels == 1:
            waveform = samples[:, 0]
        else:
            waveform = self._mix_all(samples)
        self._measure(samples if self._channel == "mix" else waveform[:, None])
        return np.ascontiguousarray(waveform)

    def describe_levels(self) -> tuple[str, ...]:
        """Say what makes speech hard to recognise; call it after the last samples."""
        decibels = f"{20 * np.log10(self._peak):.0f} dBFS" if self._peak > 0 else "zero"
        if self._peak < _SILENT_PEAK:
            return (f"silent: its peak is {decibels}; was the right input recorded?",)
        if self._peak < _QUIET_PEAK and self._has_steps:
            reason = "which is too few steps of 16 bits, so words may be wrong"
            return (f"nearly silent: its peak is {decibels}, {reason}; record it louder",)
        share = self._num_clipped / max(1, self._num_samples)
        if share > CLIPPED_SHARE:
            return (f"clipped: {share:.0%} of its samples are cut off, so words may be wrong; record it less loud",)
        return ()

    def _mix_all(self, samples: npt.NDArray[np.float32]) -> Waveform:
        mean: Waveform = samples.mean(axis=1, dtype=np.float32)
        if self._loudest is None:
            # Without offsets, which do not cancel.
            offsets = samples.mean(axis=0, dtype=np.float64)
            powers = np.einsum("sc,sc->c", samples, samples, dtype=np.float64) - len(samples) * offsets**2
            unrelated = powers.sum() / samples.shape[1] ** 2
            power = float(mean @ mean) - len(mean) * float(offsets.mean()) ** 2
            if np.isfinite(unrelated) and power < _CANCELLED_SHARE * unrelated:
                self._loudest = int(powers.argmax())
                self.notes = (f"its channels cancel each other, so only channel {self._loudest} is used",)
        if self._loudest is None or self._loudest >= samples.shape[1]:
            return mean
        chosen: Waveform = samples[:, self._loudest]
        return chosen

    def _measure(self, samples: npt.NDArray[np.float32]) -> None:
        peak = float(np.max(np.abs(samples), initial=0.0))
        self._peak = max(self._peak, peak)
        self._num_samples += samples.size
        if peak < _QUIET_PEAK and self._has_steps:
            steps = samples * _STEPS
            self._has_steps = bool(np.array_equal(steps, np.round(steps)))
        if peak >= _FLAT_TOP:
            self._num_clipped += sum(count_clipped(channel) for channel in samples.T)


def count_clipped(waveform: Waveform) -> int:
    """Count the samples of a waveform that are clipped: at full scale, or on a flat top near it.

    A flat top is three or more equal samples in a row at 0.9 or more. Equality distinguishes clipping from loudness:
    a loud sine has few equal neighbours. Lossy formats bend flat tops, but overshoot full scale there.

    Args:
        waveform: (S,) within ±1, at the rate of the recording, because resampling bends flat tops.
    """
    if max(waveform.max(initial=0.0), -waveform.min(initial=0.0)) < _FLAT_TOP:  # most recordings
        return 0
    magnitude = np.abs(waveform)
    clipped = magnitude >= _FULL_SCALE
    equal = (waveform[1:] == waveform[:-1]) & (magnitude[1:] >= _FLAT_TOP)
    starts = equal[1:] & equal[:-1]
    for offset in range(3):
        clipped[offset : offset + len(starts)] |= starts
    return int(clipped.sum())
