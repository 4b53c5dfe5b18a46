"""Waveform in, loudness out: decibels below full scale of short windows or of whole blocks.

Knows nothing of words or endpoints.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asr.signal.resample import Waveform

Loudness: TypeAlias = npt.NDArray[np.float64]  # (N,) decibels

STEP_SECONDS = 0.01  # between the values of `measure_loudness`
# Power that is added to all, so that digital silence has a loudness: -90 dB.
SILENCE = 1e-9


def to_decibels(power: Loudness, *, floor: float = SILENCE) -> Loudness:
    """Convert powers (N,), 1 for full scale, to decibels; `floor` is added to each."""
    return 10 * np.log10(power + floor)


def frame_energy(waveform: Waveform, frame_samples: int) -> npt.NDArray[np.float64]:
    """Sum the squared samples of each whole frame: (S,) to (N,)."""
    frames = waveform[: len(waveform) // frame_samples * frame_samples].reshape(-1, frame_samples)
    return np.einsum("ns,ns->n", frames, frames, dtype=np.float64)


def measure_loudness(waveform: Waveform, sample_rate: int) -> Loudness:
    """Measure loudness over time: (S,) to (N,) decibels, one value each 10 ms (`STEP_SECONDS`), slightly smoothed.

    If a recording is measured in blocks of whole 10 ms, the results can be concatenated.
    """
    step = round(STEP_SECONDS * sample_rate)
    power = frame_energy(waveform, step) / step
    if len(power) == 0:
        return power
    padded = np.concatenate([power[:1], power, power[-1:]])
    return to_decibels(0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:])


def measure_block(block: Waveform) -> float:
    """Measure the loudness of a block (S,) as one value in decibels; that of silence if S is 0."""
    size = max(1, len(block))
    return float(to_decibels(frame_energy(block, size).sum() / size))
