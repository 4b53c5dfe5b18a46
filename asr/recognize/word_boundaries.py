"""The spans of words' tokens and the loudness of the sound in, starts and ends of words in seconds out.

CTC emits a token at one or two frames somewhere in its sound; for a long vowel, at its start. A word
therefore sounds from shortly before its first token until well after its last one, up to the next word
or a pause; and pauses are audible: they are quieter than the words around them.

Every constant was chosen on synthetic voices and AN4's development set; tools/benchmarks/word_times.py
measures the result. Knows nothing of text.
"""

import math

import numpy as np

from asr.jit import Array, jit, warm_up
from asr.select import nth_largest
from asr.signal.loudness import STEP_SECONDS

# Seconds by which a word extends beyond its tokens if loudness does not decide.
_LEAD, _TAIL = 0.037, 0.1
# How far the true boundary may lie on the wrong side of a token, and how far away on the right one.
_EARLY, _LATE, _FAR = 0.06, 0.04, 1.0
_CONTEXT = 2.0  # before and after a word, in which background noise is measured
_GAP = 0.3  # words that are further apart have a pause between them, unless there is sound in between

# Steps of 10 ms. A stop consonant closes the mouth for up to 80 ms before it ends a word.
_QUIET_BEFORE, _QUIET_AFTER = 4, 10
_SHORTEST = 2

_NOISE_SHARE = 0.95  # of the values around a word lie above the noise
_QUIET_SHARE = 0.3  # of the way from noise to the word's loudest, in decibels
_CONTRAST = 10.0  # dB between noise and speech, below which loudness says nothing
_DIGITAL = -89.9  # dB: digital silence is below (`loudness.SILENCE`); no microphone is, so it is not a word's noise
_FLOOR = 30.0  # dB; if all else is digital silence, sound no further below a word than this may be its soft ends


def find_boundaries(firsts: Array, lasts: Array, duration: float, loudness: Array | None = None) -> tuple[Array, Array]:
    """Find the starts and ends of words.

    Args:
        firsts: (W,) seconds at which each word's first token begins.
        lasts: (W,) seconds at which its last token ends.
        duration: Seconds of the recording.
        loudness: (N,) of `measure_loudness`; without it, words extend by fixed times.

    Returns:
        (W,) seconds and (W,) seconds, rising, each word's end after its start and at most at the next start.
    """
    starts, ends = np.empty(len(firsts)), np.empty(len(firsts))
    loudness = np.empty(0) if loudness is None else np.ascontiguousarray(loudness, dtype=np.float64)
    limits = np.empty(len(firsts))
    nearby = np.empty(2 * round(_CONTEXT / STEP_SECONDS))
    _load_compiled()
    _measure_limits(firsts, lasts, loudness, nearby, limits)
    _find_starts(firsts, lasts, loudness, limits, starts)
    _find_ends(lasts, duration, loudness, limits, starts, ends)
    return starts, ends


@warm_up("search for word boundaries")
def _load_compiled() -> None:
    empty = np.empty(0)
    _measure_limits(empty, empty, empty, empty, empty)
    _find_starts(empty, empty, empty, empty, empty)
    _find_ends(empty, 0.0, empty, empty, empty, empty)


@jit
def _to_index(seconds: float, count: int) -> int:
    return min(max(int(seconds / STEP_SECONDS + 0.5), 0), count)


@jit
def _measure_limits(firsts: Array, lasts: Array, loudness: Array, nearby: Array, limits: Array) -> None:
    """Set the loudness below which it is quiet, for each word; -inf if noise and speech are about equally loud."""
    for word in range(len(firsts)):
        # 1. The word's loudest step, and the steps around it.
        limits[word] = -math.inf
        first = _to_index(firsts[word] - _CONTEXT, len(loudness))
        last = _to_index(firsts[word] + _CONTEXT, len(loudness))
        loudest = -math.inf
        for index in range(_to_index(firsts[word], len(loudness)), _to_index(lasts[word] + _LATE, len(loudness))):
            loudest = max(loudest, loudness[index])
        if first == last or loudest == -math.inf:
            continue
        # 2. The noise around it.
        noise = _measure_noise(loudness[first:last], _DIGITAL, nearby)
        if loudest - noise < _FLOOR:  # apart from silence there is only soft speech, as with synthetic voices
            noise = _measure_noise(loudness[first:last], -math.inf, nearby)
        # 3. The limit between both.
        if loudest - noise > _CONTRAST:
            limits[word] = noise + _QUIET_SHARE * (loudest - noise)


@jit
def _measure_noise(loudness: Array, least: float, nearby: Array) -> float:
    """Return the loudness below most values that are above `least`; inf if none is."""
    count = 0
    for index in range(min(len(loudness), len(nearby))):
        if loudness[index] > least:
            nearby[count] = loudness[index]
            count += 1
    return nth_largest(nearby, count, max(1, int(_NOISE_SHARE * count))) if count > 0 else math.inf


@jit
def _find_starts(firsts: Array, lasts: Array, loudness: Array, limits: Array, starts: Array) -> None:
    """Set the starts: after the last pause before a word's first token, or else shortly before the token."""
    for word in range(len(firsts)):
        # 1. The steps in which the start may be, and where it is if no pause is among them.
        earliest = firsts[word] - _FAR if word == 0 else lasts[word - 1] - _LATE
        first, last = _to_index(earliest, len(loudness)), _to_index(firsts[word] + _EARLY, len(loudness))
        start = max(firsts[word] - _LEAD, 0.0 if word == 0 else lasts[word - 1])
        # 2. Search backwards for the last pause.
        quiet = 0
        for index in range(last - 1, first - 1, -1):
            quiet = quiet + 1 if loudness[index] < limits[word] else 0
            if quiet == _QUIET_BEFORE:
                start = (index + _QUIET_BEFORE) * STEP_SECONDS
                break
        # 3. Keep starts rising.
        starts[word] = start if word == 0 else max(start, starts[word - 1] + _SHORTEST * STEP_SECONDS)


@jit
def _find_ends(lasts: Array, duration: float, loudness: Array, limits: Array, starts: Array, ends: Array) -> None:
    """Set the ends: at the first pause after a word's last token, or else where the next word starts."""
    for word in range(len(lasts)):
        # 1. Where the end is if no pause is found.
        is_last = word + 1 == len(lasts)
        latest = min(lasts[word] + _FAR, duration) if is_last else starts[word + 1]
        end = min(lasts[word] + _TAIL, latest)
        is_audible = limits[word] > -math.inf
        if not is_last and (is_audible or latest - lasts[word] < _GAP):
            end = latest
        # 2. Search for the first pause, or one that lasts until the next word.
        first = max(_to_index(lasts[word] - _LATE, len(loudness)), _to_index(starts[word], len(loudness)) + _SHORTEST)
        last = _to_index(latest, len(loudness))
        quiet = 0
        for index in range(first, last):
            quiet = quiet + 1 if loudness[index] < limits[word] else 0
            if quiet == _QUIET_AFTER or (quiet > 0 and index == last - 1):
                end = (index + 1 - quiet) * STEP_SECONDS
                break
        # 3. Keep the end between both starts.
        ends[word] = max(min(end, latest), starts[word] + 0.5 * STEP_SECONDS)
