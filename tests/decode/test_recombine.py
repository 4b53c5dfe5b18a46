"""Prefixes that continue in the same way: the n best hypotheses of narrow beams against enumeration."""

import heapq
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import NgramModel
from tests.decode.decoders import make_decoder
from tests.decode.enumeration import random_log_probs, score_all_labellings
from tests.decode.scorer.test_build import WEIGHTS, Opaque, character_model, language_score, word_model
from tests.decode.test_phones import PRONUNCIATIONS
from tests.decode.test_phones import SYMBOLS as PHONES
from tests.decode.test_phones import word_model as model_of_homophones

SYMBOLS = ["", "a", "b", " "]


def unigrams():
    """A model of the words a and b, which are equally probable after any other."""
    with estimate(lambda: [["a", "b"], ["b", "a"]], 1) as tables:
        return NgramModel.from_tables(tables)


def choices(odds, pause=3):
    """Log probabilities of a word for each of the odds, "a" with these odds against "b", and of a space after each."""
    rows = []
    for ratio in odds:
        share = ratio / (1 + ratio)
        rows += [[0.001, 0.998 * share, 0.998 * (1 - share), 0.001], *[[0.997, 0.001, 0.001, 0.001]] * pause]
        rows += [[0.001, 0.001, 0.001, 0.997], *[[0.997, 0.001, 0.001, 0.001]] * pause]
    return np.log(rows)


def best_choices(odds, count):
    """The best sequences of independent choices, and the log of how much less probable than the first each is."""
    costs = [abs(math.log(ratio)) for ratio in odds]
    subsets = itertools.chain.from_iterable(itertools.combinations(range(len(odds)), size) for size in range(5))
    ranked = heapq.nsmallest(count, ((sum(costs[index] for index in subset), subset) for subset in subsets))
    first = ["a" if ratio > 1 else "b" for ratio in odds]
    flip = {"a": "b", "b": "a"}
    return [
        (" ".join(flip[word] if index in subset else word for index, word in enumerate(first)), -cost)
        for cost, subset in ranked
    ]


def text(tokens):
    return "".join(SYMBOLS[token] for token in tokens).strip()


@pytest.mark.parametrize("beam_size", [8, 40])
@pytest.mark.parametrize("num_words", [6, 30, 120])  # up to 960 frames: the tree is compacted several times
def test_a_narrow_beam_has_the_n_best_of_many_independent_choices(beam_size, num_words):
    odds = np.exp(np.random.default_rng(num_words).uniform(0.3, 2, num_words) * ([1, -1] * (num_words // 2))).tolist()
    decoder = make_decoder(
        SYMBOLS, beam_size=beam_size, beam_threshold=5.0, blank_skip=2.0, language_model=unigrams(), unit="word"
    )
    found = decoder.decode_batch([choices(odds)], nbest=30, distinct=text)[0]
    expected = best_choices(odds, 30)
    assert [text(one.tokens) for one in found] == [words for words, _ in expected]
    assert [one.score - found[0].score for one in found] == pytest.approx([cost for _, cost in expected], abs=0.01)
    for one in found:
        assert one.score == pytest.approx(one.acoustic + one.language + one.boost)
        assert all(np.diff(one.frames) > 0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("beam_size", [4, 12, 40])
def test_hypotheses_of_narrow_beams_have_the_scores_of_their_words(seed, beam_size):
    log_probs, model = random_log_probs(7, 4, seed), word_model()
    known = {"a", "b", "ab", "ba"}
    acoustic, _ = score_all_labellings(log_probs)
    narrow = make_decoder(SYMBOLS, language_model=model, beam_size=beam_size, vocabulary=sorted(known), **WEIGHTS)
    found = narrow.decode(log_probs, nbest=10)
    assert len({one.tokens for one in found}) == len(found) > 1
    for one in found:
        language = language_score(text(one.tokens).split(), model, known, closed=True)
        assert one.language == pytest.approx(language, abs=1e-5)
        assert acoustic[one.tokens] - 3 < one.acoustic < acoustic[one.tokens] + 0.2


def blurred(num_tokens, seed):
    """Log probabilities of tokens that are not certain, each spread over five frames."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(num_tokens):
        token = rng.dirichlet([0.35, 0.35, 0.25])
        shares = (rng.uniform(0.02, 0.5), 0.999, rng.uniform(0.01, 0.6), rng.uniform(0, 0.1), rng.uniform(0, 0.05))
        rows += [np.array([1 - share, *(share * token)]) + 1e-4 for share in shares]
    probs = np.array(rows)
    return np.log(probs / probs.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("seed", range(3))
def test_the_n_best_have_the_probability_that_a_wide_beam_without_recombination_finds(seed):
    log_probs, model = blurred(10, seed), character_model()
    chosen = {"unit": "token", "token_threshold": 9.0, **WEIGHTS}
    wide = make_decoder(SYMBOLS, language_model=Opaque(model), beam_size=1000, beam_threshold=20.0, **chosen)
    narrow = make_decoder(SYMBOLS, language_model=model, beam_size=60, beam_threshold=12.0, **chosen)
    expected = {one.tokens: one.score for one in wide.decode(log_probs, nbest=15)}
    found = {one.tokens: one.score for one in narrow.decode(log_probs, nbest=30)}
    shares = {tokens: np.exp(score - max(expected.values())) for tokens, score in expected.items()}
    missing = sum(share for tokens, share in shares.items() if tokens not in found)
    assert missing < 0.05 * sum(shares.values())
    for tokens in expected.keys() & found.keys():
        assert found[tokens] == pytest.approx(expected[tokens], abs=0.3)


def test_of_the_ways_to_pronounce_a_word_the_best_one_counts():
    probs = np.full((12, len(PHONES)), 0.01)
    # "to" as T or as T A, which is a little less probable, and much later "a".
    for frame, chosen in enumerate([{3: 1}, {0: 0.6, 4: 0.4}, {1: 1}, {0: 1}, {0: 1}, {0: 1}, {0: 1}, {4: 1}, {1: 1}]):
        for token, share in chosen.items():
            probs[frame, token] += share
    probs[9:, 0] += 1
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True))
    decoder = make_decoder(
        PHONES, language_model=model_of_homophones(), pronunciations=PRONUNCIATIONS, beam_size=6, beam_threshold=4.0
    )
    found = [one.tokens for one in decoder.decode(log_probs, nbest=20)]
    assert (3, 1, 4, 1) in found
    assert (3, 4, 1, 4, 1) not in found


@given(
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    beam_size=st.integers(1, 12),
    word=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_blocks_and_forks_change_nothing(seed, cuts, beam_size, word):
    model = word_model() if word else character_model()
    decoder = make_decoder(SYMBOLS, beam_size=beam_size, language_model=model, hotwords={"ab": 2.0}, **WEIGHTS)
    log_probs = random_log_probs(60, 4, seed, spread=3)
    state = decoder.start()
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 60], strict=True):
        state.fork().feed(log_probs)
        state.feed(log_probs[first:last])
        state.best(3)
    assert state.finish(9) == decoder.decode(log_probs, 9)


@pytest.mark.parametrize("beam_size", [3, 12])
def test_commits_decide_for_the_best(beam_size):
    log_probs = random_log_probs(3000, 4, seed=1, spread=3)
    decoder = make_decoder(SYMBOLS, beam_size=beam_size, language_model=word_model(), **WEIGHTS)
    state, committed = decoder.start(), []
    for first in range(0, 3000, 10):
        state.feed(log_probs[first : first + 10])
        committed += state.commit()[0]
    rest = state.finish(5)
    whole = decoder.decode(log_probs)[0]
    assert (*committed, *rest[0].tokens) == whole.tokens
    assert len(committed) > 1000
    assert rest[0].score == pytest.approx(whole.score)
    assert [one.score for one in rest] == sorted((one.score for one in rest), reverse=True)


def test_pieces_of_a_fixed_vocabulary_are_committed_in_whole_words():
    pieces = ["", "▁a", "▁b", "b"]
    decoder = make_decoder(pieces, vocabulary=["a", "b", "ab", "ba", "abb"], beam_size=20)
    state, committed = decoder.start(), []
    for block in range(40):
        state.feed(random_log_probs(64, 4, seed=block, spread=3))
        committed += state.commit()[0]
    rest = state.finish()[0]
    assert len(committed) > 500
    assert pieces[rest.tokens[0]].startswith("▁")
    words = "".join(pieces[token] for token in (*committed, *rest.tokens)).split("▁")[1:]
    assert set(words) <= {"a", "b", "ab", "ba", "abb"}


def test_an_alternative_that_may_well_be_right_stays_open_in_streams():
    decoder = make_decoder(
        SYMBOLS, beam_size=20, beam_threshold=5.0, blank_skip=2.0, language_model=unigrams(), unit="word"
    )
    for odds, is_open in ((1.5, True), (40.0, False)):
        state = decoder.start()
        state.feed(choices([50.0, odds, 50.0, 50.0], pause=6))
        committed, _ = state.commit()
        assert (len(committed) <= 2) == is_open
        assert len({one.tokens[:2] for one in state.finish(9)}) >= 1 + is_open
