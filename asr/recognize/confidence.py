"""What speaks for and against a word in, the probability that the word is correct out.

A network's own probabilities are overconfident (Guo et al. 2017), most of all on speakers that it does not know, and a
language model may have chosen other words than the network. A logistic regression on a few features of each word,
fitted on development data and kept with the model, calibrates them: of the words with confidence 0.8, 80 % are correct.

Three features are of the word's own tokens. They alone are as high for a stranger's wrong words as for a known
speaker's right ones. Three others distinguish the two without knowing the text: how undecided the network is over the
whole utterance, how much the hypotheses of the search agree on the word, and how likely the language model finds
the text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from asr.alignment import BLANK
from asr.config import ConfidenceSettings
from asr.decode.parts import Hypothesis
from asr.jit import Array
from asr.text.tokenizer import Tokenizer, WordTokens, group_tokens

Values = NDArray[np.float64]

FEATURES = ("worst_token", "mean_token", "length", "entropy", "posterior", "language")
NBEST = 32  # hypotheses that posteriors are computed from
# The features differ in scale, so the penalty is on weights of standardised ones.
_PENALTY = 1.0
_ITERATIONS = 50
_SUREST = -1e-6  # log probability beyond which no token is more certain than another
_LEAST_SHARE = 0.005  # hypotheses with less of all probability are not looked at
# Posteriors lie between this and 1 minus this: a few dozen hypotheses do not show how sure the search is beyond. In
# long utterances they differ in some words only. With 0.001, confidences rank words better but are further off.
_LEAST_POSTERIOR = 0.05
# Natural-log score per word of ordinary text, which stands for the score where no language model was used.
_USUAL_LANGUAGE = -7.0


@dataclass(frozen=True)
class Evidence:
    """What speaks for the words of an utterance besides their tokens.

    Attributes:
        entropy: Of the network's predictions, as of `measure_entropy`.
        posteriors: (W,) as of `compute_posteriors`; None without beam search.
        language: Natural-log score of the text by the language model of the search; None without beam search.
    """

    entropy: float = 0.0
    posteriors: Values | None = None
    language: float | None = None


def frame_entropies(log_probs: Array) -> Values:
    """Compute the entropies, in nats, of the frames of (T, V) log probabilities whose best token is not the blank."""
    spoken = np.asarray(log_probs[log_probs.argmax(axis=1) != BLANK], np.float64)
    entropies: Values = -(np.exp(spoken) * np.maximum(spoken, -1e9)).sum(axis=1)  # 0 log 0 is 0
    return entropies


def measure_entropy(log_probs: Array) -> float:
    """Average `frame_entropies`; 0 if there are none. It is high where speech is unlike that of the training."""
    entropies = frame_entropies(log_probs)
    return float(entropies.mean()) if len(entropies) else 0.0


def compute_posteriors(hypotheses: Sequence[Hypothesis], tokenizer: Tokenizer) -> Values:
    """Compute the probability of each word of the best hypothesis, given n best ones: (W,).

    It is the share of the hypotheses, weighted by their probabilities, that have the word at that time.
    """
    scores = np.array([hypothesis.score for hypothesis in hypotheses])
    shares = np.exp(scores - scores[0])
    shares /= shares.sum()
    decode = cache(tokenizer.decode)  # hypotheses share most words
    words = _time_words(hypotheses[0], tokenizer, decode)
    posteriors = np.full(len(words), shares[0])
    for hypothesis, share in zip(hypotheses[1:], shares[1:].tolist(), strict=True):
        if share < _LEAST_SHARE:
            continue
        others: dict[str, list[tuple[int, int]]] = {}
        for text, first, end in _time_words(hypothesis, tokenizer, decode):
            others.setdefault(text, []).append((first, end))
        for index, (text, first, end) in enumerate(words):
            if any(first < other_end and start < end for start, other_end in others.get(text, ())):
                posteriors[index] += share
    return posteriors


def _time_words(
    hypothesis: Hypothesis, tokenizer: Tokenizer, decode: Callable[[Sequence[int]], str]
) -> list[tuple[str, int, int]]:
    """Return the text, first frame and end of each word; it lasts until the next token after it."""
    frames = [*hypothesis.frames, hypothesis.frames[-1] + 1] if hypothesis.frames else []
    return [
        (word.text, frames[word.first], max(frames[word.last], frames[word.first] + 1))
        for word in group_tokens(hypothesis.tokens, tokenizer, decode)
    ]


def word_features(log_probs: Values, spans: Sequence[WordTokens], evidence: Evidence) -> Values:
    """Compute the features that distinguish correct words from wrong ones: (W, 6), in the order of `FEATURES`.

    Log odds of the word's worst token, log odds of the mean (of the log probabilities) over its tokens, and the
    logarithm of their number, from `Alignment.log_probs` (U,); the utterance's entropy, the log odds of the word's
    posterior, and the language model's score per word of the utterance.

    Without beam search, the posterior is the product of the tokens' probabilities.
    """
    features = np.empty((len(spans), len(FEATURES)))
    for word, span in enumerate(spans):
        scores = log_probs[span.first : span.last]
        features[word, :3] = scores.min(), scores.mean(), np.log(len(scores))
    products = np.exp(features[:, 1] * np.exp(features[:, 2]))
    features[:, :2] = _log_odds(np.minimum(features[:, :2], _SUREST))
    posteriors = products if evidence.posteriors is None else evidence.posteriors
    features[:, 3] = evidence.entropy
    features[:, 4] = _log_odds(np.log(np.clip(posteriors, _LEAST_POSTERIOR, 1 - _LEAST_POSTERIOR)))
    features[:, 5] = _USUAL_LANGUAGE if evidence.language is None else evidence.language / max(1, len(spans))
    return features


def _log_odds(log_probs: Values) -> Values:
    odds: Values = log_probs - np.log(-np.expm1(log_probs))
    return odds


def estimate_confidence(features: Values, settings: ConfidenceSettings) -> Values:
    """Estimate the probability that each word is correct: (W, 6) to (W,)."""
    weights = np.array([getattr(settings, name) for name in FEATURES])
    return sigmoid(features @ weights + settings.bias)


def fit_confidence(
    features: Values, correct: NDArray[np.bool_], kinds: NDArray[np.int_] | None = None
) -> ConfidenceSettings:
    """Fit the weights to words that are known to be correct or wrong, by Newton's method.

    Targets are Platt's (1999, section 2.2), slightly inside 0 and 1, so that no number of correct
    words makes anything certain.

    Args:
        features: (W, 6) of `word_features`.
        correct: (W,) whether the word is correct.
        kinds: (W,) which kind of speech each word is of, from 0; all kinds count equally. None: all words do.

    Raises:
        ValueError: If there are no words.
    """
    if len(features) == 0:
        raise ValueError("there are no words to fit confidences to")
    bias, *weights = fit_logistic(features, correct, np.ones(len(features)) if kinds is None else balance(kinds))
    return ConfidenceSettings(bias=bias, **dict(zip(FEATURES, weights, strict=True)))


def fit_logistic(features: Values, correct: NDArray[np.bool_], shares: Values) -> list[float]:
    """Fit a logistic regression by Newton's method, with Platt's targets.

    Args:
        features: (N, F), N at least 1.
        correct: (N,) what is to be predicted.
        shares: (N,) how much each example counts.

    Returns:
        The bias and F weights, rounded to four digits after the point.
    """
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    inputs = np.column_stack([np.ones(len(features)), (features - mean) / deviation])
    right = float(shares @ correct)
    targets = np.where(correct, (right + 1) / (right + 2), 1 / (len(correct) - right + 2))
    penalty = np.diag([1e-6, *[_PENALTY] * features.shape[1]])
    weights = np.zeros(inputs.shape[1])
    weights[0] = np.log((right + 1) / (len(correct) - right + 1))
    for _ in range(_ITERATIONS):
        estimates = sigmoid(inputs @ weights)
        gradient = inputs.T @ (shares * (estimates - targets)) + penalty @ weights
        curvature = inputs.T @ (inputs * (shares * estimates * (1 - estimates))[:, None]) + penalty
        step = np.linalg.solve(curvature, gradient)
        weights -= step / max(1.0, float(np.abs(step).max()))  # the first steps may be far too long
        if np.abs(step).max() < 1e-9:
            break
    plain = weights[1:] / deviation
    return [round(float(weight), 4) for weight in (weights[0] - plain @ mean, *plain)]


def balance(kinds: NDArray[np.int_]) -> Values:
    """Weight words so that each kind counts equally, and all together as much as their number: (W,)."""
    _, members, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    weights: Values = len(kinds) / (len(counts) * counts[members])
    return weights


def sigmoid(values: Values) -> Values:
    """Compute 1 / (1 + e^-x), which underflows to 0 and does not overflow."""
    return np.exp(-np.logaddexp(0.0, -values))
