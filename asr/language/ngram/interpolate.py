"""Interpolates n-gram models: a weighted mean of their probabilities (Jelinek & Mercer 1980).

A small in-domain corpus and a large general one work better as two interpolated models than as one pooled corpus.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from asr.errors import ConfigError, ModelError
from asr.jit import Array, jit, warm_up
from asr.language.ngram.automaton import Automaton, score_word, set_backoffs
from asr.language.ngram.model import END, NEVER, UNKNOWN, NgramModel, NgramTables, OrderTable, unigram_automaton

_MOST_STEPS = 1000
_CHANGE = 1e-5  # of a weight, between two steps, that no longer counts


def mix(models: Sequence[NgramModel], weights: Sequence[float]) -> NgramModel:
    """Make one model with the weighted mean of the probabilities of several.

    It is exact for each n-gram that one of them holds, and backs off for others. In a context, a model takes words
    that it lacks for its unknown word; it gives them no probability.

    After each context, a model's probabilities must sum to 1; weights are scaled to do so.

    Raises:
        ConfigError: If there are too many or too few weights, or they are negative or all 0.
    """
    total = sum(weights)
    if len(weights) != len(models) or min(weights, default=-1.0) < 0 or not 0 < total < math.inf:
        given = ", ".join(f"{weight:g}" for weight in weights) or "none"
        raise ConfigError(
            f"weights {given} for {len(models)} models; expected one for each, of 0 or more and not all 0"
        )
    _load_compiled()
    mixture = _unite(models)
    automaton = mixture.automaton
    probs = automaton._replace(
        word_scores=np.zeros(len(automaton.word_scores)), arc_scores=np.zeros(len(automaton.arc_scores))
    )
    for model, weight in zip(models, weights, strict=True):
        numbers = np.array([model.numbers.get(word, -1) for word in mixture.words], np.int64)
        states = np.full(len(automaton.backoff), -1, np.int64)
        _add_probs(probs, model.automaton, numbers, model.unknown, weight / total, states)
    with np.errstate(divide="ignore"):
        # Rounding may leave sums a little above 1.
        automaton.word_scores[:] = np.log(probs.word_scores).clip(NEVER, 0)
        automaton.arc_scores[:] = np.log(probs.arc_scores).clip(NEVER, 0)
    set_backoffs(automaton)
    return mixture


def find_weights(models: Sequence[NgramModel], sentences: Iterable[Sequence[str]]) -> list[float]:
    """Find the weights with which the mixture predicts sentences best, by expectation maximisation.

    A model gives words that it lacks no probability; words that all models lack do not count.

    Raises:
        ModelError: If no model has a word of the text.
    """
    rows = [[_probs(model, words) for model in models] for words in sentences]
    probs = np.concatenate([np.zeros((len(models), 0)), *rows], axis=1)
    probs = probs[:, probs.max(axis=0) > 0]
    if probs.shape[1] == 0:
        raise ModelError("no language model has a word of the text from which their weights are to be found")
    weights = np.full(len(models), 1 / len(models))
    for _ in range(_MOST_STEPS):
        shares = weights[:, None] * probs
        before, weights = weights, (shares / shares.sum(axis=0)).mean(axis=1)
        if np.abs(weights - before).max() < _CHANGE:
            break
    return [float(weight) for weight in weights]


def _probs(model: NgramModel, words: Sequence[str]) -> Array:
    """Return (len(words) + 1,) probabilities of a sentence's words and its end; 0 for words that the model lacks."""
    is_known = np.array([model.number(word) != model.unknown for word in (*words, END)])
    return np.where(is_known, np.exp(model.score_sentence(words)), 0.0)


def _unite(models: Sequence[NgramModel]) -> NgramModel:
    """Return a model of all n-grams that one of the models holds, without probabilities."""
    words = list(dict.fromkeys(word for model in models for word in model.words))
    numbers = {word: number for number, word in enumerate(words)}
    parts: dict[int, list[Array]] = {1: [np.arange(len(words), dtype=np.int32)[:, None]]}
    for model in models:
        renumber = np.array([numbers[word] for word in model.words], np.int32)
        for order, table in enumerate(model.to_tables().orders[1:], start=2):
            parts.setdefault(order, []).append(renumber[table.ngrams])
    orders = []
    for part in parts.values():
        ngrams = np.unique(np.concatenate(part), axis=0)
        orders.append(OrderTable(ngrams, *np.zeros((2, len(ngrams)), np.float32)))
    return NgramModel.from_tables(NgramTables(words, orders))


@warm_up("interpolation of language models")
def _load_compiled() -> None:
    """Run on toy data, so that the message about compilation comes before the work."""
    model = NgramModel([UNKNOWN], 1, unigram_automaton(np.zeros(1), np.zeros(1)))
    probs = model.automaton._replace(word_scores=np.zeros(1), arc_scores=np.zeros(0))
    _add_probs(probs, model.automaton, np.zeros(1, np.int64), 0, 0.5, np.full(2, -1, np.int64))
    set_backoffs(model.automaton)


@jit
def _add_probs(probs: Automaton, part: Automaton, numbers: Array, unknown: int, weight: float, states: Array) -> None:
    """Add a part's weighted probabilities to `probs`, which has them as scores.

    `states` (S,) receives the part's state for each of the mixture's.
    """
    # 1. The empty context and its words.
    states[0] = 0
    for word in range(len(probs.word_scores)):
        number = numbers[word] if numbers[word] >= 0 else unknown
        if numbers[word] >= 0:
            probs.word_scores[word] += weight * math.exp(part.word_scores[number])
        states[1 + word] = 1 + number
    # 2. Longer contexts: each one's state is known by then, since shorter n-grams have lower numbers.
    for state in range(1, len(states)):
        for arc in range(probs.first_arc[state], probs.first_arc[state + 1]):
            number = numbers[probs.arc_words[arc]]
            score, after = score_word(part, states[state], number if number >= 0 else unknown)
            if number >= 0:
                probs.arc_scores[arc] += weight * math.exp(score)
            if states[probs.arc_states[arc]] < 0:  # the context that the arc completes
                states[probs.arc_states[arc]] = after
