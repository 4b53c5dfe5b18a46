"""Modified Kneser-Ney against the textbook's formulas, written out with dictionaries."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from asr.errors import ConfigError, TextError
from asr.language.ngram.kneser_ney import discounts, estimate
from asr.language.ngram.model import NgramModel


def sample_text(num_sentences=400, seed=0):
    """Sentences over some words of very different frequency, with some order to them."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, 601)
    sentences = []
    for _ in range(num_sentences):
        indices = rng.choice(600, size=rng.integers(1, 9), p=weights / weights.sum())
        sentences.append([f"w{i + position % 2}" for position, i in enumerate(indices)])
    return sentences


class Textbook:
    """Chen & Goodman (1998), equations 24 to 26, recursively; unigrams are smoothed with the uniform distribution."""

    def __init__(self, sentences, order):
        self.order = order
        raw = [Counter() for _ in range(order + 1)]
        for sentence in sentences:
            padded = ["<s>", *sentence, "</s>"]
            for size in range(1, order + 1):
                raw[size].update(tuple(padded[i : i + size]) for i in range(len(padded) - size + 1))
        self.raw = raw
        self.counts = [Counter() for _ in range(order + 1)]
        for size in range(1, order + 1):
            preceding = defaultdict(set)
            if size < order:
                for ngram in raw[size + 1]:
                    preceding[ngram[1:]].add(ngram[0])
            for ngram, count in raw[size].items():
                keeps = size == order or ngram[0] == "<s>"
                self.counts[size][ngram] = count if keeps else len(preceding[ngram])
        del self.counts[1][("<s>",)]
        self.vocabulary = {word for (word,) in self.counts[1]} | {"<unk>"}
        self.discounts = [None, *(self._discounts(size) for size in range(1, order + 1))]

    def _discounts(self, size):
        t = Counter(self.counts[size].values())
        y = t[1] / (t[1] + 2 * t[2])
        return [0, 1 - 2 * y * t[2] / t[1], 2 - 3 * y * t[3] / t[2], 3 - 4 * y * t[4] / t[3]]

    def probability(self, *ngram):
        size = len(ngram)
        if size == 0:
            return 1 / len(self.vocabulary)
        followers = {n: c for n, c in self.counts[size].items() if n[:-1] == ngram[:-1]}
        if not followers:
            return self.probability(*ngram[1:])
        total = sum(followers.values())
        count = self.counts[size][ngram]
        left = sum(self.discounts[size][min(c, 3)] for c in followers.values()) / total
        return max(count - self.discounts[size][min(count, 3)], 0) / total + left * self.probability(*ngram[1:])


@pytest.mark.parametrize("memory_bytes", [1 << 30, 1000])
def test_probabilities_follow_the_textbook(memory_bytes):
    sentences = sample_text()
    textbook = Textbook(sentences, 3)
    with estimate(lambda: sentences, 3, memory_bytes=memory_bytes) as tables:
        model = NgramModel.from_tables(tables)
    assert [len(t.scores) for t in tables.orders] == [
        len(textbook.vocabulary) + 1,
        *(len(c) for c in textbook.counts[2:]),
    ]
    for sentence in [*sample_text(6, seed=1), ["w1", "unheard-of", "w1"]]:
        padded = ["<s>", *(word if word in textbook.vocabulary else "<unk>" for word in sentence), "</s>"]
        expected = [textbook.probability(*padded[max(0, i - 2) : i + 1]) for i in range(1, len(padded))]
        np.testing.assert_allclose(np.exp(model.score_sentence(sentence)), expected, rtol=2e-5)


@pytest.mark.parametrize("order", [1, 2, 4, 6])
@pytest.mark.parametrize("prune", [(), (0, 1), (0, 0, 1)])
def test_probabilities_sum_to_one_after_any_history(order, prune):
    sentences = sample_text()
    with estimate(lambda: sentences, order, prune=prune[:order]) as tables:
        model = NgramModel.from_tables(tables)
    for history in ([], ["w0"], ["w3", "w1"], ["w0", "w1", "w2"], ["nonsense"]):
        for state in (0, model.start()):
            for word in history:
                state = model.score(state, word)[1]
            total = sum(np.exp(model.score(state, word)[0]) for word in model.words if word != "<s>")
            assert total == pytest.approx(1, abs=1e-4)


def test_a_text_that_can_be_read_only_once_is_refused():
    once = iter([["a", "b"], ["b"]])
    with pytest.raises(TextError, match="a pipe can be read only once"), estimate(lambda: once, 2):
        pass


def test_pruning_leaves_out_what_is_rare():
    sentences = sample_text()
    with estimate(lambda: sentences, 3, prune=(0, 1, 2)) as tables:
        kept = [{tuple(tables.words[i] for i in ngram) for ngram in t.ngrams} for t in tables.orders]
    raw = Textbook(sentences, 3).raw
    assert kept[1] == {ngram for ngram, count in raw[2].items() if count > 1}
    assert kept[2] == {ngram for ngram, count in raw[3].items() if count > 2}


def test_many_runs_are_merged_as_if_sorted_at_once():
    sentences = sample_text(3000, seed=5)
    made = []
    for memory_bytes in (1 << 30, 100_000):
        with estimate(lambda: sentences, 5, memory_bytes=memory_bytes) as tables:
            made.append([(t.ngrams.tolist(), t.scores.tolist(), t.backoffs.tolist()) for t in tables.orders])
    assert made[0] == made[1]


def test_discounts_are_those_of_the_paper():
    # y = 10 / (10 + 2 * 4) = 5 / 9
    assert discounts([10, 4, 2, 1]) == pytest.approx((1 - 2 * 5 / 9 * 0.4, 2 - 3 * 5 / 9 * 0.5, 3 - 4 * 5 / 9 * 0.5))
    assert discounts([10, 0, 2, 1]) is None
    assert discounts([1, 5, 50, 1]) is None


def test_tiny_texts_fall_back_to_fixed_discounts(caplog):
    with estimate(lambda: [["yes"], ["no"]], 2) as tables:
        model = NgramModel.from_tables(tables)
    assert "too little text to estimate discounts" in caplog.text
    assert np.exp(model.score(0, "yes")[0]) == pytest.approx(np.exp(model.score(0, "no")[0]))


def test_a_text_without_words_is_refused():
    with pytest.raises(TextError, match="no word"), estimate(lambda: [], 3):
        pass


@pytest.mark.parametrize(
    ("order", "prune", "message"),
    [
        (0, (), "order is 0"),
        (11, (), "order is 11"),
        (2, (0, 0, 1), "3 pruning thresholds for order 2"),
        (2, (1,), "begin with 0"),
        (3, (0, 2, 1), "longer n-grams"),
        (3, (0, -1), "prune is 0 -1; expected numbers of 0 or more"),
    ],
)
def test_senseless_settings_are_refused(order, prune, message):
    with pytest.raises(ConfigError, match=message), estimate(lambda: [["a"]], order, prune=prune):
        pass
