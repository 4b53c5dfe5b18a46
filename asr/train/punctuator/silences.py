"""Silences after words, drawn to fit the marks between them, so that a punctuator learns what pauses mean.

Readers pause at most marks and speakers also elsewhere, each in their own way. So the shares of words that a pause
follows, and the lengths of pauses, are drawn for each window anew around the values below. Those of most words and of
commas were measured: 140 recordings of a reader (LJSpeech, chapters 1 and 2), aligned with their texts (`asr align`),
have pauses of more than 0.1 s after 78 % of commas, with a median of 0.35 s, and after 7 % of words without a mark.
"""

from typing import NamedTuple

import numpy as np

from asr.language.written_words import MARKS
from asr.weights import Array


class Pauses(NamedTuple):
    """Pauses after one mark: a share of the words is followed by a log-normal one."""

    share: float
    median: float  # seconds
    spread: float  # standard deviation of the natural logarithm


# By mark: none , . ? ! ; : –
PAUSES = dict(
    zip(
        MARKS,
        (
            Pauses(0.06, 0.25, 0.5),
            Pauses(0.78, 0.34, 0.35),
            Pauses(0.95, 0.62, 0.5),
            Pauses(0.95, 0.62, 0.5),
            Pauses(0.95, 0.62, 0.5),
            Pauses(0.92, 0.50, 0.35),
            Pauses(0.92, 0.50, 0.35),
            Pauses(0.85, 0.40, 0.5),
        ),
        strict=True,
    )
)
_GAP = 0.01  # seconds: between words without a pause, in the mean of an exponential distribution
_TEMPO_SPREAD = 0.35  # of speakers: standard deviation of the logarithm of all their pauses
_HESITATIONS = 0.1  # the most words, as a share, after which a speaker also pauses without a reason
_HESITATION = Pauses(1.0, 0.35, 0.7)


def draw_silences(punctuation: Array, rng: np.random.Generator) -> Array:
    """Draw seconds of silence after words (T, B), given their marks (T, B); each of the B texts has another speaker."""
    pauses = np.array(list(PAUSES.values()))[punctuation]  # (T, B, 3)
    num_texts = punctuation.shape[1]
    careless = rng.uniform(0, 0.4, num_texts)  # share of the pauses at marks that a speaker leaves out
    share = np.where(punctuation > 0, pauses[..., 0] * (1 - careless), pauses[..., 0])
    pauses_here = rng.random(punctuation.shape) < share
    hesitates = rng.random(punctuation.shape) < rng.uniform(0, _HESITATIONS, num_texts) ** 1.5
    medians = np.where(hesitates & ~pauses_here, _HESITATION.median, pauses[..., 1])
    spreads = np.where(hesitates & ~pauses_here, _HESITATION.spread, pauses[..., 2])
    tempo = np.exp(_TEMPO_SPREAD * rng.standard_normal(num_texts))
    lengths = medians * tempo * np.exp(spreads * rng.standard_normal(punctuation.shape))
    gaps = rng.exponential(_GAP, punctuation.shape)
    return np.where(pauses_here | hesitates, lengths, gaps)
