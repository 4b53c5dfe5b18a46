"""Where words start and end: the spans of their tokens and the loudness of the sound in, seconds out.

CTC says a token at one frame or two, somewhere in its sound: of a long vowel, at its start. A word
thus sounds from a little before its first token until well after its last one, up to the next word
or a pause; and pauses can be heard: they are quiet beside the words around them.

Every constant was chosen on synthetic voices and AN4's development set; tools/benchmarks/word_times.py
measures the outcome. Knows nothing of text.
"""

# mypy: disable-error-code="no-any-return"
# Elements of arrays have no type that mypy knows; numba checks them.

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asr.jit import Array, jit, warm_up
from asr.select import nth_largest

Levels: TypeAlias = npt.NDArray[np.float64]  # (N,) decibels, one each 10 ms

LEVEL_SECONDS = 0.01

# Seconds. What a word extends to where loudness does not tell.
_LEAD, _TAIL = 0.037, 0.1
# How far the true boundary may lie on the wrong side of a token, and how far away on the right one.
_EARLY, _LATE, _FAR = 0.06, 0.04, 1.0
_CONTEXT = 2.0  # before and after a word, in which background noise is measured
_GAP = 0.3  # words that are further apart have a pause between them, unless sound is heard there

# Levels of 10 ms. A stop consonant closes the mouth for up to 80 ms before it ends a word.
_QUIET_BEFORE, _QUIET_AFTER = 4, 10
_SHORTEST = 2

_NOISE_SHARE = 0.95  # this share of the levels around are above the noise
_QUIET_SHARE = 0.3  # of the way from noise to the word's loudest, in decibels
_CONTRAST = 10.0  # dB between noise and speech, below which loudness tells nothing
_SILENCE = 1e-9  # power that is added to all, -90 dB: digital silence has a level, too
_DIGITAL = -89.9  # dB, and below: no microphone is that quiet, so it tells nothing of the noise around a word
_FLOOR = 30.0  # dB; what is no further below a word than this, where all else is digital silence, may be its soft ends


def speech_levels(waveform: Array, sample_rate: int) -> Levels:
    """Loudness over time: (S,) to (N,) decibels, a level each 10 ms (`LEVEL_SECONDS`), slightly smoothed.

    Of a recording in blocks of whole 10 ms, the levels of the blocks can be joined.
    """
    step = round(LEVEL_SECONDS * sample_rate)
    windows = waveform[: len(waveform) // step * step].reshape(-1, step)
    power = np.einsum("ns,ns->n", windows, windows, dtype=np.float64) / step
    if len(power) == 0:
        return power
    padded = np.concatenate([power[:1], power, power[-1:]])
    smooth = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    return 10 * np.log10(smooth + _SILENCE)


def find_boundaries(firsts: Array, lasts: Array, duration: float, levels: Array | None = None) -> tuple[Array, Array]:
    """Starts and ends of words.

    Args:
        firsts: (W,) seconds at which each word's first token begins.
        lasts: (W,) seconds at which its last token is over.
        duration: Seconds of the recording.
        levels: (N,) `speech_levels`; without them, words extend by fixed times.

    Returns:
        (W,) seconds and (W,) seconds, rising, each word's end after its start and at most at the next start.
    """
    starts, ends = np.empty(len(firsts)), np.empty(len(firsts))
    levels = np.empty(0) if levels is None else np.ascontiguousarray(levels, dtype=np.float64)
    limits = np.empty(len(firsts))
    nearby = np.empty(2 * round(_CONTEXT / LEVEL_SECONDS))
    _load_compiled()
    _measure_limits(firsts, lasts, levels, nearby, limits)
    _find_starts(firsts, lasts, levels, limits, starts)
    _find_ends(lasts, duration, levels, limits, starts, ends)
    return starts, ends


@warm_up("search for word boundaries")
def _load_compiled() -> None:
    none = np.empty(0)
    _measure_limits(none, none, none, none, none)
    _find_starts(none, none, none, none, none)
    _find_ends(none, 0.0, none, none, none, none)


@jit
def _place(seconds: float, count: int) -> int:
    return min(max(int(seconds / LEVEL_SECONDS + 0.5), 0), count)


@jit
def _measure_limits(firsts: Array, lasts: Array, levels: Array, nearby: Array, limits: Array) -> None:
    """The level below which it is quiet, for each word; -inf where noise and speech are alike."""
    for word in range(len(firsts)):
        limits[word] = -math.inf
        first, last = _place(firsts[word] - _CONTEXT, len(levels)), _place(firsts[word] + _CONTEXT, len(levels))
        loudest = -math.inf
        for index in range(_place(firsts[word], len(levels)), _place(lasts[word] + _LATE, len(levels))):
            loudest = max(loudest, levels[index])
        if first == last or loudest == -math.inf:
            continue
        noise = _measure_noise(levels[first:last], _DIGITAL, nearby)
        if loudest - noise < _FLOOR:  # without the silence there is soft speech alone, as of synthetic voices
            noise = _measure_noise(levels[first:last], -math.inf, nearby)
        if loudest - noise > _CONTRAST:
            limits[word] = noise + _QUIET_SHARE * (loudest - noise)


@jit
def _measure_noise(levels: Array, least: float, nearby: Array) -> float:
    """The level below most of those that are above the least; inf without any."""
    count = 0
    for index in range(min(len(levels), len(nearby))):
        if levels[index] > least:
            nearby[count] = levels[index]
            count += 1
    return nth_largest(nearby, count, max(1, int(_NOISE_SHARE * count))) if count > 0 else math.inf


@jit
def _find_starts(firsts: Array, lasts: Array, levels: Array, limits: Array, starts: Array) -> None:
    """A word starts after the last pause before its first token; without one, a little before the token."""
    for word in range(len(firsts)):
        earliest = firsts[word] - _FAR if word == 0 else lasts[word - 1] - _LATE
        first, last = _place(earliest, len(levels)), _place(firsts[word] + _EARLY, len(levels))
        start = max(firsts[word] - _LEAD, 0.0 if word == 0 else lasts[word - 1])
        quiet = 0
        for index in range(last - 1, first - 1, -1):
            quiet = quiet + 1 if levels[index] < limits[word] else 0
            if quiet == _QUIET_BEFORE:
                start = (index + _QUIET_BEFORE) * LEVEL_SECONDS
                break
        starts[word] = start if word == 0 else max(start, starts[word - 1] + _SHORTEST * LEVEL_SECONDS)


@jit
def _find_ends(lasts: Array, duration: float, levels: Array, limits: Array, starts: Array, ends: Array) -> None:
    """A word ends with the first pause after its last token; without one, where the next word starts."""
    for word in range(len(lasts)):
        is_last = word + 1 == len(lasts)
        latest = min(lasts[word] + _FAR, duration) if is_last else starts[word + 1]
        end = min(lasts[word] + _TAIL, latest)
        is_heard = limits[word] > -math.inf
        if not is_last and (is_heard or latest - lasts[word] < _GAP):
            end = latest
        first = max(_place(lasts[word] - _LATE, len(levels)), _place(starts[word], len(levels)) + _SHORTEST)
        last = _place(latest, len(levels))
        quiet = 0
        for index in range(first, last):
            quiet = quiet + 1 if levels[index] < limits[word] else 0
            if quiet == _QUIET_AFTER or (quiet > 0 and index == last - 1):
                end = (index + 1 - quiet) * LEVEL_SECONDS
                break
        ends[word] = max(min(end, latest), starts[word] + 0.5 * LEVEL_SECONDS)
