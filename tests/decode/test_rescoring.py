"""The second pass against sums and choices written out."""

import itertools

import numpy as np
import pytest

from asr.config import RescoringSettings
from asr.decode.parts import Hypothesis
from asr.decode.rescoring import Rescorer, search_rescoring
from asr.errors import ConfigError
from asr.text.tokenizer import CharTokenizer
from tests.language.rnn.rnn_models import log_prob_by_hand, make_model

SYMBOLS = ["", "a", "b", " "]


decode = CharTokenizer(SYMBOLS).decode


def hypotheses(seed, count=6):
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        acoustic, language, boost = rng.normal(0, 3, 3).tolist()
        tokens = tuple(rng.integers(1, 4, rng.integers(0, 7)).tolist())
        made.append(Hypothesis(tokens, tokens, acoustic + language + boost, acoustic, language, boost))
    return sorted(made, key=lambda one: -one.score)


@pytest.mark.parametrize("seed", range(5))
def test_hypotheses_are_ordered_by_the_sum_written_out(seed: int):
    model = make_model("ab ")
    settings = RescoringSettings(alpha=0.8, beta=0.6, keep=0.3, margin=100)
    first = hypotheses(seed)

    def total(one):
        text = " ".join(decode(one.tokens).split())
        second = log_prob_by_hand(model, text + "\n")
        return one.acoustic + one.boost + 0.3 * one.language + 0.8 * second + 0.6 * len(text.split())

    found = Rescorer(model, decode, settings).rescore(first)
    assert [one.tokens for one in found] == [one.tokens for one in sorted(first, key=lambda one: -total(one))]
    originals = {id(one): one for one in first}
    for one in found:
        original = next(o for o in originals.values() if (o.tokens, o.acoustic) == (one.tokens, one.acoustic))
        assert one.score == pytest.approx(total(original), rel=1e-5)
        assert one.score == pytest.approx(one.acoustic + one.language + one.boost, rel=1e-6)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("margin", "nbest"), [(2.0, 6), (5.0, 6), (100.0, 3), (5.0, 3)])
def test_only_what_may_win_is_rescored(seed: int, margin: float, nbest: int):
    model, first, asked = make_model("ab "), hypotheses(seed), []

    class Listening:
        alphabet = model.alphabet

        def score_sentences(self, sentences):
            asked.extend(sentences)
            return model.score_sentences(sentences)

    settings = RescoringSettings(margin=margin, nbest=nbest, alpha=1.5)
    found = Rescorer(Listening(), decode, settings).rescore(first)
    near = [one for one in first[:nbest] if first[0].score - one.score <= margin]
    alone = Rescorer(model, decode, RescoringSettings(margin=100, alpha=1.5)).rescore(near)
    if len(near) == 1:
        assert found == first
        assert not asked
        return
    assert set(asked) == {" ".join(decode(one.tokens).split()) for one in near}
    assert found[: len(near)] == alone
    rest = found[len(near) :]
    assert [one.tokens for one in rest] == [one.tokens for one in first[len(near) :]]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    # The distance from the first pass's best stays as it was, unless that would rank one above a rescored one.
    best = next(one for one in alone if (one.tokens, one.acoustic) == (first[0].tokens, first[0].acoustic))
    for before, after in zip(first[len(near) :], rest, strict=True):
        distance = best.score - (first[0].score - before.score)
        assert after.score == pytest.approx(min(distance, found[len(near) - 1].score))
        assert after.score == pytest.approx(after.acoustic + after.language + after.boost)


def test_a_model_of_other_letters_is_refused_and_a_missing_letter_named(caplog):
    with pytest.raises(ConfigError, match=r"2 of the recogniser's 2 letters: 'a', 'b'; train it on text"):
        Rescorer(make_model("xyz "), decode, RescoringSettings())
    Rescorer(make_model("ab "), decode, RescoringSettings())
    assert caplog.text == ""
    Rescorer(make_model("a "), decode, RescoringSettings())
    assert "lacks 'b'" in caplog.text


def test_weights_that_leave_the_first_pass_as_it_is_change_nothing():
    first = hypotheses(1)
    found = Rescorer(make_model("ab "), decode, RescoringSettings(alpha=0, beta=0, keep=1)).rescore(first)
    assert [one.tokens for one in found] == [one.tokens for one in first]


def test_the_weights_found_make_as_few_errors_as_any_of_the_grid():
    model, rng = make_model("ab "), np.random.default_rng(0)
    start = RescoringSettings(margin=100)
    first = [hypotheses(seed, count=2 + seed % 4) for seed in range(12)]
    rescorer = Rescorer(model, decode, start)
    scores = [rescorer.score(own) for own in first]
    errors = [rng.integers(0, 4, len(own)).astype(float) for own in first]

    def count(settings):
        """Count the errors of what a rescorer with these weights ranks first."""
        total = 0.0
        for own, cost in zip(first, errors, strict=True):
            best = Rescorer(model, decode, settings).rescore(own)[0]
            total += cost[[(o.tokens, o.acoustic) for o in own].index((best.tokens, best.acoustic))]
        return total

    found = search_rescoring(scores, errors, start)
    grid = itertools.product((0.0, 0.5, 1.0), (0.0, 0.5, 1.0, 2.0), (-2.0, 0.0, 3.0))
    others = [count(start.model_copy(update={"keep": k, "alpha": a, "beta": b})) for k, a, b in grid]
    assert count(found) <= min(others)
    assert count(found) <= count(start)
    assert found.nbest == start.nbest
