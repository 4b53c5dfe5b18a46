"""The second pass: a language model that scores whole sentences reorders the n best hypotheses of the first.

The new score is acoustic + boost + keep * language + alpha * second language model + beta * words, natural logs.
Hypotheses far below the best of the first pass would not win: they keep their places after the others, unscored.
"""

import logging
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from itertools import count, product, takewhile
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from asr.config import RescoringSettings
from asr.decode.parts import Hypothesis
from asr.errors import ConfigError
from asr.jit import Array

Decode: TypeAlias = Callable[[Sequence[int]], str]

logger = logging.getLogger(__name__)

_ALPHAS = np.arange(0.0, 2.01, 0.1)
_BETAS = np.arange(-2.0, 3.01, 0.5)
_KEEPS = (0.0, 0.25, 0.5, 0.75, 1.0)


class SentenceModel(Protocol):
    """A language model that scores sentences."""

    @property
    def alphabet(self) -> Set[str]:
        """The characters that it can score."""

    def score_sentences(self, sentences: Sequence[str]) -> Array:
        """Return the natural-log probability of each sentence, including its end: (N,)."""


class Scores(NamedTuple):
    """The parts of the scores of an utterance's hypotheses; (N,) each."""

    audio: Array  # acoustic and boost
    language: Array  # the first pass's language score, weighted
    second: Array  # log probability by the second model
    words: Array  # number of words

    def total(self, settings: RescoringSettings) -> Array:
        """Return the weighted sums (N,)."""
        return self.audio + self.text(settings)

    def text(self, settings: RescoringSettings) -> Array:
        """Return the weighted sums (N,) of the parts that depend on the text alone."""
        return settings.keep * self.language + settings.alpha * self.second + settings.beta * self.words


class Rescorer:
    """Reorders hypotheses.

    Args:
        model: Scores all hypotheses of an utterance at once.
        decode: Returns the text of tokens; raises ValueError past the last token.
        settings: Weights.

    Raises:
        ConfigError: If the model lacks more than half of the letters that tokens contain.
    """

    def __init__(self, model: SentenceModel, decode: Decode, settings: RescoringSettings) -> None:
        _check_alphabet(model, decode)
        self.model, self.decode, self.settings = model, decode, settings

    def score(self, hypotheses: Sequence[Hypothesis]) -> Scores:
        """Score the hypotheses of an utterance."""
        texts = [" ".join(self.decode(hypothesis.tokens).split()) for hypothesis in hypotheses]
        distinct = list(dict.fromkeys(texts))
        log_probs = dict(zip(distinct, self.model.score_sentences(distinct), strict=True))
        return Scores(
            audio=np.array([hypothesis.acoustic + hypothesis.boost for hypothesis in hypotheses]),
            language=np.array([hypothesis.language for hypothesis in hypotheses]),
            second=np.array([log_probs[text] for text in texts]),
            words=np.array([len(text.split()) for text in texts]),
        )

    def select(self, hypotheses: Sequence[Hypothesis]) -> Sequence[Hypothesis]:
        """Return those of an utterance's hypotheses, best first, that may win: the first of them."""
        least = hypotheses[0].score - self.settings.margin
        return list(takewhile(lambda one: one.score >= least, hypotheses[: self.settings.nbest]))

    def rescore(self, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        """Return the hypotheses of an utterance, given best first, in their new order with their new scores.

        Those that are not rescored are as far below the first of the given ones as before, and below all rescored ones.
        """
        rescored = self.select(hypotheses)
        if len(rescored) == 1:
            return list(hypotheses)
        scores = self.score(rescored)
        totals, language = scores.total(self.settings), scores.text(self.settings)
        reordered = [
            replace(rescored[index], score=float(totals[index]), language=float(language[index]))
            for index in np.argsort(-totals, kind="stable").tolist()
        ]
        change, lowest = float(totals[0]) - hypotheses[0].score, reordered[-1].score
        return reordered + [_shift(one, min(change, lowest - one.score)) for one in hypotheses[len(rescored) :]]


def _shift(hypothesis: Hypothesis, change: float) -> Hypothesis:
    return replace(hypothesis, score=hypothesis.score + change, language=hypothesis.language + change)


def _check_alphabet(model: SentenceModel, decode: Decode) -> None:
    """Check that the model knows the tokens' letters; else it gives all hypotheses about the same, lowest, score."""
    letters: set[str] = set()
    with suppress(ValueError):  # past the last token
        for token in count(1):  # 0 is the blank
            letters.update(decode([token]))
    letters -= {" "}
    missing = sorted(letters - model.alphabet)
    if not missing:
        return
    listed = ", ".join(map(repr, missing))
    if 2 * len(missing) > len(letters):
        raise ConfigError(
            f"the rescoring model lacks {len(missing)} of the recogniser's {len(letters)} letters: {listed}; "
            "train it on text that is normalised like the recogniser's transcripts"
        )
    logger.warning("the rescoring model lacks %s: words that contain them will rarely be chosen", listed)


def search_rescoring(
    utterances: Sequence[Scores], errors: Sequence[Array], start: RescoringSettings
) -> RescoringSettings:
    """Search a grid for the weights that make the fewest errors; ties go to those nearest the start.

    Args:
        utterances: The scores of each utterance's hypotheses.
        errors: (N,) errors of each of those hypotheses.
        start: Weights to stay near; its other settings are kept.
    """
    scores = Scores(*map(_pad, zip(*utterances, strict=True)))  # (U, N) each
    costs = _pad(errors)
    scores.audio[np.arange(scores.audio.shape[1]) >= np.array([[len(row)] for row in errors])] = -np.inf
    rows = np.arange(len(costs))
    best, fewest = start, (np.inf, np.inf)
    for keep, alpha, beta in product(_KEEPS, _ALPHAS.tolist(), _BETAS.tolist()):
        settings = start.model_copy(update={"keep": keep, "alpha": round(alpha, 2), "beta": beta})
        total = float(costs[rows, scores.total(settings).argmax(axis=1)].sum())
        distance = abs(keep - start.keep) + abs(alpha - start.alpha) + abs(beta - start.beta)
        if (round(total, 9), distance) < fewest:
            best, fewest = settings, (round(total, 9), distance)
    return best


def _pad(arrays: Sequence[Array]) -> Array:
    """Stack U arrays of up to N values as (U, N), padded with zeros."""
    padded = np.zeros((len(arrays), max(map(len, arrays))))
    for row, values in zip(padded, arrays, strict=True):
        row[: len(values)] = values
    return padded
