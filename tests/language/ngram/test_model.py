"""N-gram models against hand-made probabilities and KenLM."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import ModelError
from asr.language.load import load_ngram, save_ngram
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import NgramModel, NgramTables, OrderTable

KENLM = Path(__file__).parent / "kenlm"

# Word numbers: 0 <unk>, 1 <s>, 2 </s>, 3 a, 4 b.
WORDS = ["<unk>", "<s>", "</s>", "a", "b"]


def table(rows):
    ngrams = np.array([words for words, _, _ in rows], np.int32)
    scores, backoffs = (np.array([row[i] for row in rows], np.float32) for i in (1, 2))
    return OrderTable(ngrams, scores, backoffs)


def hand_made():
    unigrams = [([0], -2.0, 0), ([1], -99.0, -0.5), ([2], -1.0, 0), ([3], -0.4, -0.3), ([4], -0.6, -0.2)]
    bigrams = [([1, 3], -0.2, -0.1), ([3, 4], -0.3, -0.25), ([4, 2], -0.5, 0)]
    trigrams = [([1, 3, 4], -0.15, 0), ([3, 4, 2], -0.05, 0)]
    return NgramTables(WORDS, [table(unigrams), table(bigrams), table(trigrams)])


def log10_scores(model, words):
    return (model.score_sentence(words) / math.log(10)).tolist()


def test_longest_ngram_counts_and_backoffs_add_up():
    model = NgramModel.from_tables(hand_made())
    assert log10_scores(model, ["a", "b"]) == pytest.approx([-0.2, -0.15, -0.05])
    # b after <s>: -0.5 - 0.6; a after b: -0.2 - 0.4; b after a, its context "b a" unknown: -0.3; end after a b: -0.05.
    assert log10_scores(model, ["b", "a", "b"]) == pytest.approx([-1.1, -0.6, -0.3, -0.05])
    # a after <s> a: -0.1 (of "<s> a") - 0.3 (of "a") - 0.4
    assert log10_scores(model, ["a", "a"])[1] == pytest.approx(-0.8)
    # The unknown word ends all context; the end after it costs no backoff.
    assert log10_scores(model, ["x"]) == pytest.approx([-2.5, -1.0])


def test_states_are_shared_by_histories_that_predict_alike():
    model = NgramModel.from_tables(hand_made())
    _, one = model.score(model.score(0, "x")[1], "b")
    _, two = model.score(0, "b")
    assert one == two


def test_a_model_without_unk_gives_unknown_words_next_to_nothing():
    tables = NgramTables(["<s>", "</s>", "a"], [table([([0], -99, 0), ([1], -0.5, 0), ([2], -0.5, 0)])])
    model = NgramModel.from_tables(tables)
    assert log10_scores(model, ["x"]) == pytest.approx([-100, -0.5])


def test_tables_survive_the_model(tmp_path):
    tables = NgramModel.from_tables(hand_made()).to_tables()
    assert tables.words == WORDS
    for ours, theirs in zip(tables.orders, hand_made().orders, strict=True):
        assert ours.ngrams.tolist() == theirs.ngrams.tolist()
        np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-6)
        np.testing.assert_allclose(ours.backoffs, theirs.backoffs, rtol=1e-6)


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz", "lm.bin"])
def test_every_form_reads_back_the_same(tmp_path, name):
    save_ngram(hand_made(), tmp_path / name)
    model = load_ngram(tmp_path / name)
    assert (model.words, model.order) == (WORDS, 3)
    for words in (["a", "b"], ["b", "b", "a"], ["x"]):
        expected = NgramModel.from_tables(hand_made()).score_sentence(words)
        np.testing.assert_allclose(model.score_sentence(words), expected, rtol=1e-6)


def test_an_ngram_without_its_context_is_refused():
    tables = hand_made()
    tables.orders[2] = table([([4, 4, 3], -0.5, 0)])
    with pytest.raises(ModelError, match="'b b a' has no entry for its context 'b b'"):
        NgramModel.from_tables(tables)


def test_an_ngram_that_is_there_twice_is_refused():
    tables = hand_made()
    tables.orders[1] = table([([3, 4], -0.5, 0), ([1, 3], -0.5, 0), ([3, 4], -0.6, 0)])
    with pytest.raises(ModelError, match="'a b' appears twice"):
        NgramModel.from_tables(tables)


def test_perplexity_counts_ends_and_unknown_words():
    measured = NgramModel.from_tables(hand_made()).perplexity([["a", "b"], ["x"]])
    assert measured[2:] == (5, 1, 2)
    assert measured.perplexity == pytest.approx(10 ** ((0.2 + 0.15 + 0.05 + 2.5 + 1.0) / 5), rel=1e-5)
    assert measured.perplexity_known == pytest.approx(10 ** ((0.2 + 0.15 + 0.05 + 1.0) / 4), rel=1e-5)
    with pytest.raises(ModelError, match="no sentence"):
        NgramModel.from_tables(hand_made()).perplexity([])


def test_a_perplexity_beyond_all_numbers_is_a_very_large_one():
    tables = NgramTables(["</s>", "a"], [table([([0], -900.0, 0), ([1], -900.0, 0)])])
    measured = NgramModel.from_tables(tables).perplexity([["a"]])
    assert 1e300 < measured.perplexity < math.inf
    assert 1e300 < measured.perplexity_known < math.inf


@pytest.mark.parametrize(
    ("words", "expected"),
    [("a b ▁", True), ("a b <space> é", True), ("a b", True), ("a ab ▁", False), ("a <sp>", False)],
)
def test_models_of_characters_are_told_from_those_of_words(words, expected):
    words = [*WORDS[:3], *words.split()]
    tables = NgramTables(words, [table([([number], -1.0, 0) for number in range(len(words))])])
    assert NgramModel.from_tables(tables).is_of_characters is expected


@pytest.mark.parametrize("name", ["whole", "pruned"])
def test_scores_equal_those_that_kenlm_gave(name):
    """Package kenlm 0.3.0 on the same files; scores.json holds a sentence and its words' log10 probabilities a line."""
    model = load_ngram(KENLM / f"{name}.arpa")
    recorded = json.loads((KENLM / "scores.json").read_text(encoding="utf-8"))[name]
    assert len(recorded) == 20
    for sentence, expected in recorded:
        assert log10_scores(model, sentence.split()) == pytest.approx(expected, abs=1e-5)
    sentences = [sentence.split() for sentence, _ in recorded]
    log10_sum = math.fsum(score for _, scores in recorded for score in scores)
    perplexity = 10 ** (-log10_sum / sum(len(scores) for _, scores in recorded))
    assert model.perplexity(sentences).perplexity == pytest.approx(perplexity, abs=1e-4)


@given(
    text=st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=8), min_size=3, max_size=30),
    held_out=st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=8), min_size=1, max_size=5),
    order=st.integers(1, 4),
    prune=st.sampled_from([(), (0, 1), (0, 0, 2)]),
)
@settings(max_examples=25, deadline=None)
def test_scores_equal_kenlms(tmp_path_factory, text, held_out, order, prune):
    kenlm = pytest.importorskip("kenlm", reason="the kenlm package is not installed")
    path = tmp_path_factory.mktemp("lm") / "lm.arpa"
    with estimate(lambda: text, order, prune=prune[:order]) as tables:
        if order > 1:  # KenLM reads no unigram models
            save_ngram(tables, path)
    if order == 1:
        return
    ours, theirs = load_ngram(path), kenlm.Model(str(path))
    log10_sum = sum(theirs.score(" ".join(words)) for words in held_out)
    perplexity = 10 ** (-log10_sum / sum(len(words) + 1 for words in held_out))
    assert ours.perplexity(held_out).perplexity == pytest.approx(perplexity, rel=1e-5, abs=1e-4)
    for words in held_out:
        expected = [score for score, _, _ in theirs.full_scores(" ".join(words))]
        assert log10_scores(ours, words) == pytest.approx(expected, abs=1e-5)
