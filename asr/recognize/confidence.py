"""How probable it is that a word is right: what the network said of its tokens in, a number within 0..1 out.

A network's own probabilities are too sure of themselves (Guo et al. 2017), and a language model's
words may not be what the network heard. A logistic regression on a few features of each word,
fitted on development data and kept with the model, turns them into what they claim to be: of the
words with confidence 0.8, 80 % are right.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asr.config import ConfidenceSettings
from asr.text.words import WordTokens

Values = NDArray[np.float64]

FEATURES = ("worst_token", "mean_token", "length")
# The features are certain to differ in scale, so the penalty is on weights of standardised ones.
_PENALTY = 1.0
_ITERATIONS = 50
_SUREST = -1e-6  # log probability beyond which no token is more certain than another


def word_features(log_probs: Values, spans: Sequence[WordTokens]) -> Values:
    """What tells right words from wrong ones: (W, 3), in the order of `FEATURES`.

    Log odds of the word's worst token, log odds of the mean (of the log probabilities) over its
    tokens, and the logarithm of their number.

    Args:
        log_probs: (U,) of tokens, `Alignment.log_probs`.
        spans: The words.
    """
    features = np.empty((len(spans), len(FEATURES)))
    for word, span in enumerate(spans):
        own = log_probs[span.first : span.last]
        features[word] = own.min(), own.mean(), np.log(len(own))
    features[:, :2] = _log_odds(features[:, :2])
    return features


def estimate_confidence(features: Values, settings: ConfidenceSettings) -> Values:
    """The probability of each word to be right: (W, 3) to (W,)."""
    weights = np.array([getattr(settings, name) for name in FEATURES])
    return _sigmoid(features @ weights + settings.bias)


def fit_confidence(features: Values, correct: NDArray[np.bool_]) -> ConfidenceSettings:
    """Weights under which the words' confidences are most probable, by Newton's method.

    Targets are Platt's (1999, section 2.2): a little within 0 and 1, so that no amount of right
    words makes anything certain.

    Args:
        features: (W, 3) of `word_features`.
        correct: (W,) whether the word is right.

    Raises:
        ValueError: If there are no words.
    """
    if len(features) == 0:
        raise ValueError("there are no words to fit confidences to")
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    inputs = np.column_stack([np.ones(len(features)), (features - mean) / deviation])
    right = int(correct.sum())
    targets = np.where(correct, (right + 1) / (right + 2), 1 / (len(correct) - right + 2))
    penalty = np.diag([1e-6, *[_PENALTY] * len(FEATURES)])
    weights = np.zeros(inputs.shape[1])
    weights[0] = np.log((right + 1) / (len(correct) - right + 1))
    for _ in range(_ITERATIONS):
        found = _sigmoid(inputs @ weights)
        gradient = inputs.T @ (found - targets) + penalty @ weights
        curvature = inputs.T @ (inputs * (found * (1 - found))[:, None]) + penalty
        step = np.linalg.solve(curvature, gradient)
        weights -= step / max(1.0, float(np.abs(step).max()))  # the first steps may be far too long
        if np.abs(step).max() < 1e-9:
            break
    plain = weights[1:] / deviation
    bias = weights[0] - plain @ mean
    rounded = (round(float(weight), 4) for weight in plain)
    return ConfidenceSettings(bias=round(float(bias), 4), **dict(zip(FEATURES, rounded, strict=True)))


def _log_odds(log_probs: Values) -> Values:
    log_probs = np.minimum(log_probs, _SUREST)
    return log_probs - np.log(-np.expm1(log_probs))


def _sigmoid(values: Values) -> Values:
    return 0.5 * (1 + np.tanh(0.5 * values))  # never overflows
