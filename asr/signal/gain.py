"""Automatic gain: energies of frames in, the factors that bring a recording to a reference level out; causal.

A recording's level says how its microphone was set, not what was said. The level is that of the loudest speech so far.
Until there is speech, its level can only be guessed from the noise.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

REFERENCE = 5.0  # dB of the energies of loud speech in ordinary recordings; features are scaled to it
SMOOTHED = 10  # frames over which energies are averaged, so that a click is not taken for speech
ABOVE_NOISE = 30.0  # dB by which loud speech exceeds noise, at least
FORGOTTEN = 1.0  # dB a second by which what was loudest or quietest is forgotten
LOWEST = -100.0  # dB of the quietest speech that is brought to the reference: less than 16 bits resolve
SILENCE = 1e-20

Gains: TypeAlias = npt.NDArray[np.float64]


class AutomaticGain:
    """Finds the gain of each frame of a recording whose frames arrive in blocks.

    The level at a frame is the greatest energy so far, or 30 dB more than the least energy so far if that is greater.
    A factor on all energies changes all levels by that factor, and nothing else.

    Args:
        step_seconds: Time between frames.
    """

    def __init__(self, step_seconds: float) -> None:
        self._forgotten = FORGOTTEN * step_seconds  # dB a frame
        self._energies = np.zeros(SMOOTHED - 1)  # of the last frames
        self._count = 0
        self._greatest, self._least = -np.inf, np.inf

    def feed(self, energies: npt.NDArray[np.float64]) -> Gains:
        """Compute the gains (T,) by which to multiply the energies of the next frames, from these energies (T,)."""
        if len(energies) == 0:
            return np.empty(0)
        decibels = self._smooth(energies)
        # What is forgotten by a frame grows with its number; counted from the first frame, so that a stream and a
        # whole recording round in the same way.
        drift = self._forgotten * np.arange(self._count, self._count + len(energies))
        self._count += len(energies)
        greatest = np.maximum.accumulate(np.append(self._greatest, decibels + drift))
        least = np.minimum.accumulate(np.append(self._least, decibels - drift))
        self._greatest, self._least = float(greatest[-1]), float(least[-1])
        levels = np.maximum(greatest[1:] - drift, np.maximum(least[1:] + drift, LOWEST - ABOVE_NOISE) + ABOVE_NOISE)
        gains: Gains = 10 ** ((REFERENCE - levels) / 10)
        return gains

    def _smooth(self, energies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Average energies (T,) over the last frames: decibels (T,)."""
        joined = np.concatenate([self._energies, energies])
        self._energies = joined[len(joined) - (SMOOTHED - 1) :]
        # In this order for any number of frames, so that the sums agree to the bit.
        sums = sum(joined[shift : shift + len(energies)] for shift in range(SMOOTHED))
        counts = np.minimum(np.arange(self._count, self._count + len(energies)) + 1, SMOOTHED)
        return 10 * np.log10(np.maximum(sums / counts, SILENCE))
