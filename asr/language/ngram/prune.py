"""Removes the n-grams that matter least (Stolcke 1998, "Entropy-based pruning of backoff language models").

Instead of an n-gram that is removed, the next shorter one predicts its word. The cost of that is the relative entropy
between both models, weighted by the frequency of its context. Frequencies are not counted in a text: the model itself
says how often it would be in each context, so mixtures and models from files can also be pruned. (The lower
orders of Kneser-Ney do not say how frequent words are, and pruning by them does harm, Chelba et al. 2010. The
frequency of contexts in the whole model has no such bias.)
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
    """Make a smaller model whose predictions differ little.

    All single words stay, and at most `keep` longer n-grams. After each context, the model's probabilities must sum
    to 1; smoothing without interpolation is fine.

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
    # Of equal costs the shorter n-grams stay: they come first, contexts among them.
    kept = np.zeros(num_arcs, bool)
    kept[np.argsort(-costs, kind="stable")[:keep]] = True
    pruned = NgramModel.from_tables(_select(model, kept))
    set_backoffs(pruned.automaton)
    return pruned


class Shorter(NamedTuple):
    """The prediction of each arc's word from the next shorter context."""

    scores: Array  # (A,) natural-log probabilities
    states: Array  # (A,) the state after the word


def ngram_costs(model: NgramModel) -> Array:
    """Return (A,) the relative entropy, nats per word, between a model with and without the n-gram of each arc."""
    costs = np.empty(len(model.automaton.arc_words))
    shorter = find_shorter(model)
    _measure_costs(model.automaton, shorter.scores, context_frequencies(model, shorter), costs)
    return costs


def context_frequencies(model: NgramModel, shorter: Shorter) -> Array:
    """Return (S,) how often a history ends with each state's context while the model generates sentences."""
    automaton = model.automaton
    start, end = model.start(), model.end
    visits = np.zeros(len(automaton.backoff))
    visits[start] = 1.0
    for _ in range(_MOST_STEPS):
        after = np.zeros_like(visits)
        _step(automaton, shorter, end, start, visits.copy(), after)
        np.maximum(after, 0, out=after)  # differences of equals
        # The mean of two steps: a model whose sentences all have one length would never converge.
        before, visits = visits, (after / after.sum() + visits) / 2
        if np.abs(visits - before).sum() < _CHANGE:
            break
    _add_to_suffixes(automaton.suffix, visits)
    return visits


def find_shorter(model: NgramModel) -> Shorter:
    """Look up the words of all arcs as if the arcs did not exist."""
    _load_compiled()
    num_arcs = len(model.automaton.arc_words)
    shorter = Shorter(np.empty(num_arcs), np.empty(num_arcs, np.int32))
    _find_shorter(model.automaton, shorter)
    return shorter


def _protect_contexts(model: NgramModel, costs: Array) -> None:
    """Raise the cost of each n-gram to that of the costliest n-gram whose context it is."""
    first_arc = model.automaton.first_arc
    for layer, longer in reversed(list(pairwise(model.arc_layers()))):
        starts = first_arc[longer.states]
        # Files may hold contexts that nothing follows; reduceat would take the next context's arcs for theirs.
        has_arcs = first_arc[longer.states.start + 1 : longer.states.stop + 1] > starts
        best = np.maximum.reduceat(costs[: longer.arcs.stop], starts[has_arcs])
        owners = layer.followed[has_arcs]
        costs[owners] = np.maximum(costs[owners], best)


def _select(model: NgramModel, kept: Array) -> NgramTables:
    tables = model.to_tables().orders
    sizes = [len(table.scores) for table in tables]
    parts = np.split(np.concatenate([np.ones(sizes[0], bool), kept]), np.cumsum(sizes[:-1]))
    orders = [
        OrderTable(table.ngrams[rows], table.scores[rows], np.zeros(int(rows.sum()), np.float32))
        for table, rows in zip(tables, parts, strict=True)
    ]
    return NgramTables(model.words, orders)


@warm_up("pruning of language models")
def _load_compiled() -> None:
    """Run on toy data, so that the message about compilation comes before the work."""
    automaton = unigram_automaton(np.zeros(1), np.zeros(1))
    shorter, visits = Shorter(np.zeros(0), np.zeros(0, np.int32)), np.zeros(2)
    _find_shorter(automaton, shorter)
    _step(automaton, shorter, 0, 0, visits, visits.copy())
    _add_to_suffixes(automaton.suffix, visits)
    _measure_costs(automaton, shorter.scores, visits, np.zeros(0))
    set_backoffs(automaton)


@jit
def _find_shorter(automaton: Automaton, shorter: Shorter) -> None:
    for state in range(len(automaton.backoff)):
        for arc in range(automaton.first_arc[state], automaton.first_arc[state + 1]):
            shorter.scores[arc], shorter.states[arc] = score_word(
                automaton, automaton.suffix[state], automaton.arc_words[arc]
            )


@jit
def _step(automaton: Automaton, shorter: Shorter, end: int, start: int, visits: Array, after: Array) -> None:
    """Generate one more word: frequencies of states before it in `visits`, which is overwritten, to those `after`."""
    # 1. Add to each suffix: a context that backs off predicts its share of words like its suffix.
    for state in range(len(visits) - 1, 0, -1):
        visits[automaton.suffix[state]] += math.exp(automaton.backoff[state]) * visits[state]
    # 2. Words that the empty context predicts.
    for word in range(len(automaton.word_scores)):
        if word + 1 != start:  # never predicted, whatever its probability
            after[start if word == end else word + 1] += visits[0] * math.exp(automaton.word_scores[word])
    # 3. Words that an arc predicts.
    for state in range(1, len(visits)):
        backoff = math.exp(automaton.backoff[state])
        for arc in range(automaton.first_arc[state], automaton.first_arc[state + 1]):
            is_end = automaton.arc_words[arc] == end
            after[start if is_end else automaton.arc_states[arc]] += visits[state] * math.exp(automaton.arc_scores[arc])
            # The suffix also predicted this word's share.
            after[start if is_end else shorter.states[arc]] -= visits[state] * backoff * math.exp(shorter.scores[arc])


@jit
def _add_to_suffixes(suffix: Array, visits: Array) -> None:
    """Add the frequency of each context to its suffix: a history that ends with one ends with the other."""
    for state in range(len(visits) - 1, 0, -1):
        visits[suffix[state]] += visits[state]


@jit
def _measure_costs(automaton: Automaton, shorter_scores: Array, frequencies: Array, costs: Array) -> None:
    """Compute the relative entropy between the model with and without each n-gram (Stolcke 1998, section 3)."""
    for state in range(len(automaton.backoff)):
        # 1. The probability that its arcs leave for other words, by themselves and by the suffix.
        arcs = range(automaton.first_arc[state], automaton.first_arc[state + 1])
        left = shorter_left = 1.0
        for arc in arcs:
            left -= math.exp(automaton.arc_scores[arc])
            shorter_left -= math.exp(shorter_scores[arc])
        left, shorter_left = max(left, LEAST_LEFT), max(shorter_left, LEAST_LEFT)
        # 2. The relative entropy if one arc is removed, which changes the backoff weight.
        backoff = math.log(left / shorter_left)
        for arc in arcs:
            score, shorter_score = automaton.arc_scores[arc], shorter_scores[arc]
            backoff_without = math.log((left + math.exp(score)) / (shorter_left + math.exp(shorter_score)))
            change = math.exp(score) * (score - shorter_score - backoff_without) + left * (backoff - backoff_without)
            costs[arc] = frequencies[state] * change
