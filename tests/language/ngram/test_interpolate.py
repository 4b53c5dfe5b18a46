"""Mixtures of n-gram models against the weighted mean of what their parts say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import ConfigError, ModelError
from asr.language.ngram.interpolate import find_weights, mix
from asr.language.ngram.model import NgramModel, NgramTables
from tests.language.ngram.ngram_models import distribution, histories, probability, random_model, random_sentences
from tests.language.ngram.test_model import hand_made, table

SEEDS = st.integers(0, 1000)


def said(model: NgramModel, history: tuple[str, ...], word: str) -> float:
    return 0.0 if word not in model.words else probability(model, history, word)


@given(one=SEEDS, two=SEEDS, share=st.floats(0, 1), orders=st.tuples(st.integers(1, 4), st.integers(1, 4)))
@settings(max_examples=30, deadline=None)
def test_an_ngram_that_a_part_holds_gets_the_weighted_mean(one, two, share, orders):
    parts = [random_model(one, orders[0], "abcde", known="abcd"), random_model(two, orders[1], "abcde", known="bcde")]
    mixture = mix(parts, [share, 1 - share])
    for order in mixture.to_tables().orders:
        for ngram in order.ngrams:
            *history, word = (mixture.words[number] for number in ngram)
            if word == "<s>":
                continue
            means = [said(part, tuple(history), word) for part in parts]
            expected = share * means[0] + (1 - share) * means[1]
            assert probability(mixture, tuple(history), word) == pytest.approx(expected, rel=1e-4, abs=1e-12)


@given(seeds=st.lists(SEEDS, min_size=2, max_size=3), order=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_probabilities_after_each_history_sum_to_1(seeds, order):
    parts = [random_model(seed, order, "abcde"[index:]) for index, seed in enumerate(seeds)]
    mixture = mix(parts, [1.0] * len(parts))
    for history in histories(mixture, 2):
        assert sum(distribution(mixture, history).values()) == pytest.approx(1, abs=1e-4)


def test_a_context_that_nothing_follows_keeps_its_weight_in_the_mixture():
    # ARPA files may have such: "<s> a" has a backoff, and no trigram goes on from it.
    idle = hand_made()
    idle.orders[2] = table([([3, 4, 2], -0.05, 0)])
    part = NgramModel.from_tables(idle)
    other = random_model(1, words="ab")
    mixture = mix([part, other], [0.5, 0.5])
    for context, word in ((("<s>",), "a"), (("a",), "b"), (("a", "b"), "</s>")):
        expected = (probability(part, context, word) + probability(other, context, word)) / 2
        assert probability(mixture, context, word) == pytest.approx(expected, rel=1e-4)


def test_a_part_without_an_end_does_not_win_by_it():
    endless = NgramTables(["<unk>", "a"], [table([([0], -0.01, 0), ([1], -2.0, 0)])])
    parts = [random_model(1), NgramModel.from_tables(endless)]
    assert find_weights(parts, random_sentences(1)) == pytest.approx([1, 0], abs=1e-3)


def test_a_model_mixed_with_itself_stays_as_it_is():
    model = random_model(1)
    mixture = mix([model, model], [0.3, 0.7])
    for history in histories(model, 2):
        assert distribution(mixture, history) == pytest.approx(distribution(model, history), rel=1e-4)


def test_weights_are_those_that_predict_best():
    parts = [random_model(1, 2), random_model(2, 2), random_model(3, 1)]
    text = random_sentences(1, count=30)[20:] + random_sentences(2, count=60)[40:]
    found = find_weights(parts, text)
    assert sum(found) == pytest.approx(1)

    probs = np.array([np.exp(np.concatenate([part.score_sentence(words) for words in text])) for part in parts])
    grid = [(a / 40, b / 40, (40 - a - b) / 40) for a in range(41) for b in range(41 - a)]
    best = max(grid, key=lambda weights: np.log(np.array(weights) @ probs + 1e-30).sum())
    assert found == pytest.approx(best, abs=0.03)
    assert np.log(np.array(found) @ probs).sum() >= np.log(np.array(best) @ probs + 1e-30).sum() - 1e-3


def test_words_that_no_part_has_do_not_count():
    parts, text = [random_model(1), random_model(2)], random_sentences(1)
    expected = find_weights(parts, [["x"], *text])
    assert find_weights(parts, [["x"] * 5, *text]) == pytest.approx(expected)


def test_no_text_to_find_weights_by_is_refused():
    with pytest.raises(ModelError, match="no language model has a word of the text"):
        find_weights([random_model(1), random_model(2)], [])


@pytest.mark.parametrize(
    "weights", [[], [1.0], [0.5, -0.5], [0.0, 0.0], [0.2, 0.3, 0.5], [math.inf, 1.0], [1e308, 1e308]]
)
def test_weights_that_make_no_sense_are_refused(weights):
    with pytest.raises(ConfigError, match="for 2 models; expected one for each"):
        mix([random_model(1), random_model(2)], weights)
