"""Keep of an n-gram model what matters most (Stolcke 1998, "Entropy-based pruning of backoff language models").

An n-gram that is left out is predicted by its shorter one from then on. What that costs is the relative entropy between
both models, weighted by how often its context comes. That is not counted in a text: the model itself tells how often
it would come to each context, so that mixtures, and models that were read from a file, can be pruned, too. (The lower
orders of Kneser-Ney do not tell how frequent words are, and pruning by them does harm, Chelba et al. 2010. How often
the whole model comes to a context is free of that.)
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from asr.errors import ConfigError
from asr.jit import Array, jit, warm_up
from asr.language.ngram.automaton import LEAST_LEFT, Automaton, score_word, set_backoffs
from asr.language.ngram.model import NgramModel, NgramTables, OrderTable, unigram_automaton

_MOST_STEPS = 100
_CHANGE = 1e-4  # of all visits, between two steps, that no longer counts


def prune(model: NgramModel, keep: int) -> NgramModel:
    """A smaller model that predicts much as this one.

    Args:
        model: Its probabilities sum to 1 after each context; of one that was smoothed without interpolation, too.
        keep: N-grams at most, beside the single words, all of which stay.

    Raises:
        ConfigError: If keep is negative.
    """
    if keep < 0:
        raise ConfigError(f"{keep} n-grams to keep; expected a number of 0 or more")
    num_arcs = len(model.automaton.arc_words)
    if num_arcs <= keep:
        return model
    costs = ngram_costs(model)
    _protect_contexts(model, costs)
    # Of equals the shorter stay: they come first, and contexts among them.
    kept = np.zeros(num_arcs, bool)
    kept[np.argsort(-costs, kind="stable")[:keep]] = True
    pruned = NgramModel.from_tables(_select(model, kept))
    set_backoffs(pruned.automaton)
    return pruned


class Shorter(NamedTuple):
    """What the next shorter context says of each arc's word."""

    scores: Array  # (A,) natural-log probabilities
    states: Array  # (A,) the state after the word


def ngram_costs(model: NgramModel) -> Array:
    """(A,) relative entropy, nats a word, between a model with and without the n-gram of each of its arcs."""
    costs = np.empty(len(model.automaton.arc_words))
    shorter = find_shorter(model)
    _measure_costs(model.automaton, shorter.scores, context_frequencies(model, shorter), costs)
    return costs


def context_frequencies(model: NgramModel, shorter: Shorter) -> Array:
    """(S,) how often a history ends with each state's context, where the model writes one sentence after another."""
    automaton = model.automaton
    start, end = model.start(), model.end
    visits = np.zeros(len(automaton.backoff))
    visits[start] = 1.0
    for _ in range(_MOST_STEPS):
        after = np.zeros_like(visits)
        _step(automaton, *shorter, end, start, visits.copy(), after)
        np.maximum(after, 0, out=after)  # differences of equals
        # The mean of two steps, since a model whose sentences all have one length would never settle.
        after = (after / after.sum() + visits) / 2
        change = np.abs(after - visits).sum()
        visits = after
        if change < _CHANGE:
            break
    _add_to_suffixes(automaton.suffix, visits)
    return visits


def find_shorter(model: NgramModel) -> Shorter:
    """Ask the model, as if no arc were there, for the words of all arcs."""
    _load_compiled()
    num_arcs = len(model.automaton.arc_words)
    found = Shorter(np.empty(num_arcs), np.empty(num_arcs, np.int32))
    _find_shorter(model.automaton, *found)
    return found


def _protect_contexts(model: NgramModel, costs: Array) -> None:
    """An n-gram is worth as much as the best of those that it is the context of."""
    first_arc = model.automaton.first_arc
    for layer, longer in reversed(list(pairwise(model.layers()))):
        starts = first_arc[longer.states]
        # Files may hold contexts that nothing follows; reduceat takes what comes next for theirs.
        has_arcs = first_arc[longer.states.start + 1 : longer.states.stop + 1] > starts
        best = np.maximum.reduceat(costs[: longer.arcs.stop], starts[has_arcs])
        owners = layer.followed[has_arcs]
        costs[owners] = np.maximum(costs[owners], best)


def _select(model: NgramModel, kept: Array) -> NgramTables:
    orders = []
    first = 0
    for order, table in enumerate(model.to_tables().orders):
        rows = np.ones(len(table.scores), bool)
        if order > 0:
            rows = kept[first : first + len(rows)]
            first += len(rows)
        orders.append(OrderTable(table.ngrams[rows], table.scores[rows], np.zeros(int(rows.sum()), np.float32)))
    return NgramTables(model.words, orders)


@warm_up("pruning of language models")
def _load_compiled() -> None:
    """A toy run, so that the message about compilation comes before the work."""
    automaton = unigram_automaton(np.zeros(1), np.zeros(1))
    scores, states, visits = np.zeros(0), np.zeros(0, np.int32), np.zeros(2)
    _find_shorter(automaton, scores, states)
    _step(automaton, scores, states, 0, 0, visits, visits.copy())
    _add_to_suffixes(automaton.suffix, visits)
    _measure_costs(automaton, scores, visits, scores)
    set_backoffs(automaton)


@jit
def _find_shorter(automaton: Automaton, scores: Array, states: Array) -> None:
    for state in range(len(automaton.backoff)):
        for arc in range(automaton.first_arc[state], automaton.first_arc[state + 1]):
            scores[arc], states[arc] = score_word(automaton, automaton.suffix[state], automaton.arc_words[arc])


@jit
def _step(
    automaton: Automaton,
    shorter_scores: Array,
    shorter_states: Array,
    end: int,
    start: int,
    visits: Array,
    after: Array,
) -> None:
    """Read one word more: how often the model is in each state, before and after it; `visits` is used up."""
    # A context that backs off predicts its share of words as its suffix does.
    for state in range(len(visits) - 1, 0, -1):
        visits[automaton.suffix[state]] += math.exp(automaton.backoff[state]) * visits[state]
    for word in range(len(automaton.word_scores)):
        if word + 1 != start:  # never predicted, whatever its probability
            after[start if word == end else word + 1] += visits[0] * math.exp(automaton.word_scores[word])
    for state in range(1, len(visits)):
        backoff = math.exp(automaton.backoff[state])
        for arc in range(automaton.first_arc[state], automaton.first_arc[state + 1]):
            is_end = automaton.arc_words[arc] == end
            after[start if is_end else automaton.arc_states[arc]] += visits[state] * math.exp(automaton.arc_scores[arc])
            # The suffix said this word's share, too.
            after[start if is_end else shorter_states[arc]] -= visits[state] * backoff * math.exp(shorter_scores[arc])


@jit
def _add_to_suffixes(suffix: Array, visits: Array) -> None:
    """A history that ends with a context ends with its suffix."""
    for state in range(len(visits) - 1, 0, -1):
        visits[suffix[state]] += visits[state]


@jit
def _measure_costs(automaton: Automaton, shorter_scores: Array, frequencies: Array, costs: Array) -> None:
    """Relative entropy between the model with and without each n-gram (Stolcke 1998, section 3)."""
    for state in range(len(automaton.backoff)):
        arcs = range(automaton.first_arc[state], automaton.first_arc[state + 1])
        left = shorter_left = 1.0
        for arc in arcs:
            left -= math.exp(automaton.arc_scores[arc])
            shorter_left -= math.exp(shorter_scores[arc])
        left, shorter_left = max(left, LEAST_LEFT), max(shorter_left, LEAST_LEFT)
        backoff = math.log(left / shorter_left)
        for arc in arcs:
            score, shorter_score = automaton.arc_scores[arc], shorter_scores[arc]
            backoff_without = math.log((left + math.exp(score)) / (shorter_left + math.exp(shorter_score)))
            change = math.exp(score) * (score - shorter_score - backoff_without) + left * (backoff - backoff_without)
            costs[arc] = frequencies[state] * change
