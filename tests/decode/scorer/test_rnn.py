"""Recurrent language models in the beam: exhaustive search, and states that are asked for together."""

import math

import numpy as np
import pytest

from asr.decode.scorer.rnn import RnnLM
from asr.errors import ConfigError
from asr.language.rnn.model import UNKNOWN_SCORE
from tests.decode.decoders import make_decoder
from tests.decode.enumeration import random_log_probs, score_all_labellings
from tests.language.rnn.rnn_models import make_model

EXACT = {"beam_threshold": math.inf, "token_threshold": math.inf, "blank_skip": 2.0}


class OneByOne:
    """The same model without what makes it a `BatchLanguageModel`."""

    def __init__(self, model):
        self.start, self.score = model.start, model.score


def decoder(symbols, model, **settings):
    chosen = {"alpha": 0.7, "beta": 0.4, "unit": "token", **settings}
    return make_decoder(symbols, language_model=model, **chosen)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("seed", range(3))
def test_rnn_in_a_full_beam_is_exhaustive_search(seed: int, cell: str):
    model = make_model("ab ", seed=seed, cell=cell)
    symbols = ["", "b", " ", "a"]  # in another order than the model's
    log_probs = random_log_probs(num_frames=5, vocab_size=4, seed=seed)
    sums, _ = score_all_labellings(log_probs)
    labellings = list(sums)
    texts = ["".join(symbols[token] for token in tokens) for tokens in labellings]
    language = 0.7 * model.score_sentences(texts) + 0.4 * np.array([len(tokens) for tokens in labellings])
    expected = {tokens: sums[tokens] + gain for tokens, gain in zip(labellings, language.tolist(), strict=True)}
    best = decoder(symbols, RnnLM(model, symbols), beam_size=4**5, **EXACT).decode(log_probs, nbest=8)
    ranked = sorted(expected, key=lambda tokens: -expected[tokens])
    assert [one.tokens for one in best] == ranked[:8]
    for one in best:
        assert one.score == pytest.approx(expected[one.tokens], rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_states_asked_for_together_give_what_they_give_one_by_one(seed: int):
    model = make_model("abcd ", seed=seed, hidden_size=16)
    symbols = ["", *"abcde "]  # the model has no e
    rnn = RnnLM(model, symbols)
    log_probs = random_log_probs(num_frames=15, vocab_size=7, seed=seed)
    together = decoder(symbols, rnn, beam_size=12).decode(log_probs, nbest=12)
    alone = decoder(symbols, OneByOne(rnn), beam_size=12).decode(log_probs, nbest=12)
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    np.testing.assert_allclose([one.score for one in together], [one.score for one in alone], rtol=1e-5)


@pytest.mark.parametrize("wrap", [lambda model: model, OneByOne])
def test_a_fork_asks_for_itself(wrap):
    symbols = ["", *"ab "]
    searching = decoder(symbols, wrap(RnnLM(make_model("ab ", seed=1), symbols)), beam_size=6)
    log_probs, others = (random_log_probs(num_frames=12, vocab_size=4, seed=seed) for seed in (1, 2))
    state = searching.start()
    state.feed(log_probs[:5])
    fork = state.fork()
    fork.feed(others)
    state.feed(log_probs[5:])
    for found, whole in ((fork, np.concatenate([log_probs[:5], others])), (state, log_probs)):
        assert found.finish()[0].tokens == searching.decode(whole)[0].tokens


def test_streams_that_forget_states_find_the_same(monkeypatch):
    model = make_model("ab ", hidden_size=16)
    symbols = ["", *"ab "]
    log_probs = random_log_probs(num_frames=60, vocab_size=4, seed=1)
    whole = decoder(symbols, RnnLM(model, symbols), beam_size=10).decode(log_probs, nbest=5)
    state = decoder(symbols, RnnLM(model, symbols), beam_size=10).start()
    committed = []
    for first in range(0, 60, 7):
        state.feed(log_probs[first : first + 7])
        committed += state.commit()[0]
    rest = state.finish(5)
    assert [(*committed, *one.tokens) for one in rest] == [one.tokens for one in whole]
    np.testing.assert_allclose([one.score for one in rest], [one.score for one in whole], rtol=1e-5)


def test_each_context_is_read_once(monkeypatch):
    model = make_model("ab ")
    read = []
    step = model.step

    def count(tokens, state):
        read.append(len(tokens))
        return step(tokens, state)

    monkeypatch.setattr(model, "step", count)
    symbols = ["", *"ab "]
    decoder(symbols, RnnLM(model, symbols), beam_size=4**4, **EXACT).decode(
        random_log_probs(num_frames=4, vocab_size=4, seed=0)
    )
    # The start, all labellings of up to four tokens at most once, in a call or two a frame.
    assert sum(read) <= 1 + 3 + 9 + 27 + 81
    assert len(read) <= 8


def test_a_token_that_the_model_lacks_costs_a_fixed_score_and_is_not_read():
    model = make_model("ab")
    rnn = RnnLM(model, ["", "a", "b", "e"])
    start = rnn.begin()
    assert start.scores[3] == UNKNOWN_SCORE
    (after,) = rnn.extend([start], [3])
    np.testing.assert_array_equal(after.scores, start.scores)
    scores = [rnn.score(rnn.score(start, "e")[1], "a")[0], rnn.score(start, "a")[0]]
    assert scores[0] == scores[1]


def test_another_alphabet_is_refused():
    with pytest.raises(ConfigError, match="lacks 3 of the recogniser's 4 tokens"):
        RnnLM(make_model("a"), ["", "▁the", "▁of", "ing", "a"])
