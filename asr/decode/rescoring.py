"""The second pass: a language model that reads whole sentences chooses among the n best of the first.

    score = acoustic + boost + keep * language + alpha * second language model + beta * words

Scores are natural logs. Knows nothing of networks: the model is anything with `score_sentences`.
"""

import logging
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from itertools import count, product
from typing import NamedTuple, Protocol

import numpy as np

from asr.config import RescoringSettings
from asr.decode.parts import Hypothesis
from asr.errors import ConfigError
from asr.jit import Array

Spell = Callable[[Sequence[int]], str]

logger = logging.getLogger(__name__)

_ALPHAS = np.arange(0.0, 2.01, 0.1)
_BETAS = np.arange(-2.0, 3.01, 0.5)
_KEEPS = (0.0, 0.25, 0.5, 0.75, 1.0)


class SentenceModel(Protocol):
    """A language model that scores sentences."""

    @property
    def alphabet(self) -> Set[str]:
        """The characters that it can spell."""

    def score_sentences(self, sentences: Sequence[str]) -> Array:
        """(N,) natural-log probability of each, with its end."""


class Scores(NamedTuple):
    """What the hypotheses of an utterance are weighed by; (N,) each."""

    others: Array  # acoustic and boost
    language: Array  # the first pass's, weighted
    second: Array  # the second model's log probability
    words: Array

    def total(self, settings: RescoringSettings) -> Array:
        """(N,) weighted sums."""
        return self.others + self.added(settings)

    def added(self, settings: RescoringSettings) -> Array:
        """(N,) what language adds."""
        return settings.keep * self.language + settings.alpha * self.second + settings.beta * self.words


class Rescorer:
    """Puts hypotheses into a better order.

    Args:
        model: Scores sentences, all of an utterance at once.
        spell: Text of tokens; a ValueError past the last token.
        settings: Weights, and how many hypotheses are wanted from the first pass.

    Raises:
        ConfigError: If the model can spell less than half of the letters that tokens spell.
    """

    def __init__(self, model: SentenceModel, spell: Spell, settings: RescoringSettings) -> None:
        _check_alphabet(model, spell)
        self.model = model
        self.spell = spell
        self.settings = settings

    def measure(self, hypotheses: Sequence[Hypothesis]) -> Scores:
        """What the hypotheses of an utterance are weighed by."""
        texts = [" ".join(self.spell(one.tokens).split()) for one in hypotheses]
        different = list(dict.fromkeys(texts))
        scores = dict(zip(different, self.model.score_sentences(different), strict=True))
        return Scores(
            others=np.array([one.acoustic + one.boost for one in hypotheses]),
            language=np.array([one.language for one in hypotheses]),
            second=np.array([scores[text] for text in texts]),
            words=np.array([len(text.split()) for text in texts]),
        )

    def rescore(self, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        """The hypotheses of an utterance, best first, with their new scores."""
        scores = self.measure(hypotheses)
        totals, language = scores.total(self.settings), scores.added(self.settings)
        return [
            replace(hypotheses[index], score=float(totals[index]), language=float(language[index]))
            for index in np.argsort(-totals, kind="stable").tolist()
        ]


def _check_alphabet(model: SentenceModel, spell: Spell) -> None:
    """A model of other letters gives every hypothesis about the same score, for each letter the least one."""
    letters = _letters(spell)
    missing = sorted(letters - model.alphabet)
    if not missing:
        return
    named = ", ".join(map(repr, missing))
    if 2 * len(missing) > len(letters):
        raise ConfigError(
            f"the rescoring model cannot spell {len(missing)} of the recogniser's {len(letters)} letters: {named}; "
            "train it on text that is normalised as the recogniser's transcripts are"
        )
    logger.warning("the rescoring model cannot spell %s: words with them are hardly chosen", named)


def _letters(spell: Spell) -> set[str]:
    """All that tokens spell, but for the space; token 0, the blank, spells nothing."""
    letters: set[str] = set()
    with suppress(ValueError):
        for token in count(1):
            letters.update(spell([token]))
    return letters - {" "}


def search_rescoring(
    utterances: Sequence[Scores], errors: Sequence[Array], start: RescoringSettings
) -> RescoringSettings:
    """The weights that make the fewest errors, among all of a grid; of equal ones, those nearest the start.

    Args:
        utterances: The scores of each utterance's hypotheses.
        errors: (N,) errors that choosing each of them would make.
        start: Says what the first pass is asked for, too.
    """
    padded = [_pad([getattr(one, name) for one in utterances]) for name in Scores._fields]
    scores = Scores(*padded)
    costs = _pad(errors)
    scores.others[np.arange(scores.others.shape[1]) >= np.array([[len(one)] for one in errors])] = -np.inf
    rows = np.arange(len(costs))
    best, fewest = start, (np.inf, np.inf)
    for keep, alpha, beta in product(_KEEPS, _ALPHAS.tolist(), _BETAS.tolist()):
        tried = start.model_copy(update={"keep": keep, "alpha": round(alpha, 2), "beta": beta})
        total = float(costs[rows, scores.total(tried).argmax(axis=1)].sum())
        distance = abs(keep - start.keep) + abs(alpha - start.alpha) + abs(beta - start.beta)
        if (round(total, 9), distance) < fewest:
            best, fewest = tried, (round(total, 9), distance)
    return best


def _pad(arrays: Sequence[Array]) -> Array:
    """(U, N) from U arrays of up to N, with zeros."""
    padded = np.zeros((len(arrays), max(map(len, arrays))))
    for row, values in zip(padded, arrays, strict=True):
        row[: len(values)] = values
    return padded
