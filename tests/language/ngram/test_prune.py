"""Pruned models against enumeration: how often contexts come, what leaving an n-gram out costs, what stays."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import ConfigError
from asr.language.ngram.automaton import set_backoffs
from asr.language.ngram.model import END, NgramModel, NgramTables, OrderTable
from asr.language.ngram.prune import context_frequencies, ngram_costs, predict_by_backoff, prune
from tests.language.ngram.ngram_models import distribution, histories, random_model, random_sentences

SEEDS = st.integers(0, 1000)


def visits(model: NgramModel) -> dict[tuple[str, ...], float]:
    """How often each history of two words (or fewer after <s>) comes, from the chain that the model is."""
    all_histories = histories(model, 2)
    numbers = {history: number for number, history in enumerate(all_histories)}
    chain = np.zeros((len(all_histories), len(all_histories)))
    for history, number in numbers.items():
        for word, prob in distribution(model, history).items():
            after = ("<s>",) if word == END else (*history, word)[-2:]
            chain[number, numbers[after]] += prob
    values, vectors = np.linalg.eig(chain.T)
    stationary = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    return dict(zip(all_histories, stationary / stationary.sum(), strict=True))


def states_of(model: NgramModel) -> dict[tuple[str, ...], int]:
    """The contexts that are states."""
    found = {(word,): number + 1 for number, word in enumerate(model.words)}
    for layer in model.arc_layers():
        for context, state in list(found.items()):
            if layer.states.start <= state < layer.states.stop:
                first, last = model.automaton.first_arc[[state, state + 1]]
                for arc in set(range(first, last)) & set(layer.followed.tolist()):
                    word = model.words[model.automaton.arc_words[arc]]
                    found[(*context, word)] = int(model.automaton.arc_states[arc])
    return found


@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_contexts_come_as_often_as_the_chain_says(seed):
    model = random_model(seed, words="abc")
    found, expected = context_frequencies(model, predict_by_backoff(model)), visits(model)
    for context, state in states_of(model).items():
        if END in context:
            continue
        total = sum(share for history, share in expected.items() if history[-len(context) :] == context)
        assert found[state] == pytest.approx(total, abs=3e-3)


def without(model: NgramModel, lost: tuple[str, ...]) -> NgramModel:
    """The model without an n-gram, backing off anew."""
    orders = []
    for table in model.to_tables().orders:
        rows = [tuple(model.words[number] for number in ngram) != lost for ngram in table.ngrams]
        orders.append(OrderTable(*(array[rows] for array in table)))
    left = NgramModel.from_tables(NgramTables(model.words, orders))
    set_backoffs(left.automaton)
    return left


@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_costs_are_relative_entropies(seed):
    model = random_model(seed, words="abc")
    costs, expected = ngram_costs(model), visits(model)
    *_, layer = model.arc_layers()
    *_, trigrams = model.to_tables().orders
    for ngram, cost in zip(trigrams.ngrams, costs[layer.arcs], strict=True):
        spelled = tuple(model.words[number] for number in ngram)
        before, after = distribution(model, spelled[:2]), distribution(without(model, spelled), spelled[:2])
        entropy = sum(prob * math.log(prob / after[word]) for word, prob in before.items())
        assert cost == pytest.approx(expected[spelled[:2]] * entropy, rel=0.03, abs=2e-5)


def test_the_cheapest_go_first_and_contexts_stay():
    model = random_model(3, words="abc")
    costs, num_arcs = ngram_costs(model), len(model.automaton.arc_words)
    *_, layer = model.arc_layers()
    *_, trigrams = model.to_tables().orders
    by_cost = [tuple(trigrams.ngrams[index].tolist()) for index in np.argsort(costs[layer.arcs])]
    kept = {tuple(ngram) for ngram in prune(model, num_arcs - 4).to_tables().orders[-1].ngrams.tolist()}
    gone = set(by_cost) - kept
    assert gone == set(by_cost[: len(gone)])
    assert gone


@given(seed=SEEDS, order=st.integers(2, 4), share=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_what_stays_is_a_model_with_the_same_probabilities(seed, order, share):
    model = random_model(seed, order)
    keep = int(share * len(model.automaton.arc_words))
    pruned = prune(model, keep)
    before, after = model.to_tables(), pruned.to_tables()
    assert sum(len(table.scores) for table in after.orders[1:]) == keep
    for whole, part in zip(before.orders, after.orders, strict=False):
        scores = {tuple(ngram): score for ngram, score in zip(whole.ngrams.tolist(), whole.scores, strict=True)}
        assert all(
            scores[tuple(ngram)] == score for ngram, score in zip(part.ngrams.tolist(), part.scores, strict=True)
        )
    for history in histories(pruned, 2):
        assert sum(distribution(pruned, history).values()) == pytest.approx(1, abs=1e-4)


def test_little_is_lost_where_little_is_left_out():
    model, text = random_model(5, count=400), random_sentences(5, count=400)
    num_arcs = len(model.automaton.arc_words)
    perplexities = [
        prune(model, keep).perplexity(text).perplexity for keep in (num_arcs, num_arcs // 2, num_arcs // 5, 0)
    ]
    assert perplexities == sorted(perplexities)
    half, none = perplexities[1] / perplexities[0], perplexities[3] / perplexities[0]
    assert half - 1 < (none - 1) / 5


def test_a_model_that_is_small_enough_stays_as_it_is():
    model = random_model(1)
    assert prune(model, 10**6) is model


def test_a_negative_number_is_refused():
    with pytest.raises(ConfigError, match="-1 n-grams to keep; expected a number of 0 or more"):
        prune(random_model(1), -1)
