"""What speaks for and against a hit in, the probability that it is right out.

A score of 0 means that the most probable path of the network spells the phrase. How much less a phrase that was said
may score depends on its length, and on how sure the network is of what it hears there at all. A logistic regression
on these weighs them; it is fitted to phrases in development speech (evaluate/spotting.py) and kept with the model.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asr.config import SpottingSettings
from asr.jit import Array
from asr.recognize.confidence import Values, balance, fit_logistic, sigmoid
from asr.spotting.search import Candidate

FEATURES = ("ratio", "length", "background", "rate")
FLOOR = -3.5  # per label, natural log: candidates below it are wrong


def candidate_features(candidates: Sequence[Candidate], lengths: Array, best: Array) -> Values:
    """Compute the features that distinguish phrases that were said from others: (C, 4), in the order of `FEATURES`.

    Args:
        candidates: Of one utterance.
        lengths: (M,) number of labels of each sequence.
        best: (T,) highest log probability of each frame of the utterance.
    """
    sequences = np.array([candidate.sequence for candidate in candidates], np.int64)
    starts, ends = (np.array([getattr(one, name) for one in candidates], np.int64) for name in ("start", "end"))
    scores = np.array([candidate.score for candidate in candidates], np.float64)
    sums = np.append(0.0, np.cumsum(best, dtype=np.float64))
    num_labels, num_frames = lengths[sequences], np.maximum(ends - starts, 1)
    background = (sums[ends] - sums[starts]) / num_frames
    return np.column_stack([scores / num_labels, np.log(num_labels), background, np.log(num_frames / num_labels)])


def estimate_confidence(features: Values, settings: SpottingSettings) -> Values:
    """Estimate the probability that each hit is right: (C, 4) to (C,)."""
    weights = np.array([getattr(settings, name) for name in FEATURES])
    return sigmoid(features @ weights + settings.bias)


def fit_spotting(features: Values, correct: NDArray[np.bool_], kinds: NDArray[np.int_]) -> SpottingSettings:
    """Fit the weights to candidates that are known to be right or wrong.

    Args:
        features: (C, 4) of `candidate_features`, C at least 1.
        correct: (C,) whether the phrase was said.
        kinds: (C,) which kind of speech each candidate is of, from 0; all kinds count equally.
    """
    bias, *weights = fit_logistic(features, correct, balance(kinds))
    return SpottingSettings(bias=bias, **dict(zip(FEATURES, weights, strict=True)))
