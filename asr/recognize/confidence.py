"""Log probabilities of a word's tokens in, the probability that the word is correct out.

A network's own probabilities are overconfident (Guo et al. 2017), and a language model may have chosen
other words than the network. A logistic regression on a few features of each word, fitted on development
data and kept with the model, calibrates them: of the words with confidence 0.8, 80 % are correct.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asr.config import ConfidenceSettings
from asr.text.tokenizer import WordTokens

Values = NDArray[np.float64]

FEATURES = ("worst_token", "mean_token", "length")
# The features differ in scale, so the penalty is on weights of standardised ones.
_PENALTY = 1.0
_ITERATIONS = 50
_SUREST = -1e-6  # log probability beyond which no token is more certain than another


def word_features(log_probs: Values, spans: Sequence[WordTokens]) -> Values:
    """Compute the features that distinguish correct words from wrong ones: (W, 3), in the order of `FEATURES`.

    Log odds of the word's worst token, log odds of the mean (of the log probabilities) over its tokens, and the
    logarithm of their number, from `Alignment.log_probs` (U,).
    """
    features = np.empty((len(spans), len(FEATURES)))
    for word, span in enumerate(spans):
        scores = log_probs[span.first : span.last]
        features[word] = scores.min(), scores.mean(), np.log(len(scores))
    capped = np.minimum(features[:, :2], _SUREST)
    features[:, :2] = capped - np.log(-np.expm1(capped))  # log odds
    return features


def estimate_confidence(features: Values, settings: ConfidenceSettings) -> Values:
    """Estimate the probability that each word is correct: (W, 3) to (W,)."""
    weights = np.array([getattr(settings, name) for name in FEATURES])
    return _sigmoid(features @ weights + settings.bias)


def fit_confidence(features: Values, correct: NDArray[np.bool_]) -> ConfidenceSettings:
    """Fit the weights to words that are known to be correct or wrong, by Newton's method.

    Targets are Platt's (1999, section 2.2), slightly inside 0 and 1, so that no number of correct
    words makes anything certain.

    Args:
        features: (W, 3) of `word_features`.
        correct: (W,) whether the word is correct.

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
        estimates = _sigmoid(inputs @ weights)
        gradient = inputs.T @ (estimates - targets) + penalty @ weights
        curvature = inputs.T @ (inputs * (estimates * (1 - estimates))[:, None]) + penalty
        step = np.linalg.solve(curvature, gradient)
        weights -= step / max(1.0, float(np.abs(step).max()))  # the first steps may be far too long
        if np.abs(step).max() < 1e-9:
            break
    plain = weights[1:] / deviation
    bias, *rounded = (round(float(weight), 4) for weight in (weights[0] - plain @ mean, *plain))
    return ConfidenceSettings(bias=bias, **dict(zip(FEATURES, rounded, strict=True)))


def _sigmoid(values: Values) -> Values:
    """Compute 1 / (1 + e^-x), which underflows to 0 and does not overflow."""
    return np.exp(-np.logaddexp(0.0, -values))
