"""What speaks for and against a hit in, the probability that it is right out.

A score of 0 means that the most probable path of the network spells the phrase. How much less a phrase that was said
may score depends on its length, and on how sure the network is of what is said there at all. A logistic regression on
these weighs them; it is fitted to phrases in development speech (evaluate/spotting.py) and kept with the model.

In noise, a network may find all sounds about equally probable for a long time, so that any phrase scores almost as
much as the background. Speech never looks like that: a background below that of nearly all phrases that were said
excludes a hit. That removes nearly all false alarms in noise, and needs no noise to be fitted to.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asr.config import SpottingSettings
from asr.jit import Array
from asr.recognize.confidence import Values, balance, fit_logistic, sigmoid
from asr.spotting.search import Candidate

FEATURES = ("ratio", "length", "background", "rate")
# The least background is so many times that of the right hits with the lowest, so many per cent of them.
_LEAST_MARGIN, _LOWEST_SHARE = 2.0, 2.0
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
    background = (sums[ends] - sums[starts]) / num_labels
    return np.column_stack([scores / num_labels, np.log(num_labels), background, np.log(num_frames / num_labels)])


def estimate_confidence(features: Values, settings: SpottingSettings) -> Values:
    """Estimate the probability that each hit is right: (C, 4) to (C,)."""
    weights = np.array([getattr(settings, name) for name in FEATURES])
    is_speech = features[:, FEATURES.index("background")] >= settings.least_background
    return np.where(is_speech, sigmoid(features @ weights + settings.bias), 0.0)


def fit_spotting(features: Values, correct: NDArray[np.bool_], kinds: NDArray[np.int_]) -> SpottingSettings:
    """Fit the weights to candidates that are known to be right or wrong.

    Args:
        features: (C, 4) of `candidate_features`.
        correct: (C,) whether the phrase was said, at least once.
        kinds: (C,) which kind of speech each candidate is of, from 0; all kinds count equally.
    """
    bias, *weights = fit_logistic(features, correct, balance(kinds))
    backgrounds = features[correct, FEATURES.index("background")]
    least = round(float(_LEAST_MARGIN * np.percentile(backgrounds, _LOWEST_SHARE)), 4)
    return SpottingSettings(bias=bias, least_background=least, **dict(zip(FEATURES, weights, strict=True)))
