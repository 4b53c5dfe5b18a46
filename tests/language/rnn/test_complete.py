"""Completion, against probabilities that are summed by enumeration."""

import math

import pytest

from asr.config import NormalizerSettings
from asr.errors import TextError
from asr.language.rnn import complete as completion
from asr.language.rnn.complete import complete
from asr.language.rnn.generate import generate
from tests.language.rnn.rnn_models import log_prob_by_hand, make_model, set_bias


def words_by_hand(model, context, begun, letters, ends, longest):
    """Probability of every word up to a length, given that the text goes on as it has begun."""
    found = {}

    def extend(word, probability):
        after = {symbol: math.exp(log_prob_by_hand(model, symbol, f"\n{context}{word}")) for symbol in letters + ends}
        if word:
            found[word] = probability * sum(after[symbol] for symbol in ends)
        if len(word) < longest:
            for letter in letters:
                extend(word + letter, probability * after[letter])

    extend(begun, 1.0)
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("context", "begun"), [("", ""), ("ab ", ""), ("b ", "a"), ("", "ba"), ("b,", "a")])
def test_next_words_have_the_probability_of_all_that_is_so_spelled(seed: int, context: str, begun: str):
    model = make_model("ab ,", seed=seed, spread=2.0, lines="continuous")
    expected = words_by_hand(model, context, begun, "ab", " ,\n", longest=6)
    found = complete(model, context + begun, count=5)
    likeliest = sorted(expected.items(), key=lambda item: -item[1])[:5]
    assert [word for word, _ in found] == [word for word, _ in likeliest]
    for (_, probability), (_, expected_probability) in zip(found, likeliest, strict=True):
        assert probability == pytest.approx(expected_probability, rel=1e-4)


@pytest.mark.parametrize(("bias", "space"), [(9.0, " "), (-9.0, "")])
def test_after_a_mark_the_next_word_comes_behind_a_space_where_that_is_likely(bias: float, space: str):
    model = make_model("ab ,", spread=1.0, lines="continuous")
    set_bias(model, " ", bias)
    assert complete(model, "a,", count=3) == complete(model, f"a,{space}", count=3) != complete(model, "a", count=3)


@pytest.mark.parametrize("begun", ["ccc", "ab" * 40])
def test_an_improbable_beginning_is_completed_as_any_other(begun: str):
    model = make_model("abc ", spread=2.0)
    set_bias(model, "c", -150.0)
    expected = words_by_hand(model, "", begun, "ab", " \n", longest=len(begun) + 3)
    likeliest = sorted(expected.items(), key=lambda item: -item[1])[:3]
    found = complete(model, begun, count=3)
    assert [word for word, _ in found] == [word for word, _ in likeliest]
    assert [probability for _, probability in found] == pytest.approx(
        [expected_probability for _, expected_probability in likeliest], rel=1e-4
    )


def test_where_no_word_is_found_that_is_said(monkeypatch, caplog):
    model = make_model("ab", spread=0.1)
    set_bias(model, "\n", -1000.0)  # no word ever ends
    monkeypatch.setattr(completion, "_MAX_PREFIXES", 100)
    with pytest.raises(TextError, match="no word was found that continues 'ab'"):
        complete(model, "ab")
    assert "the list may lack some" in caplog.text


def test_characters_that_the_alphabet_lacks_are_named(caplog):
    model = make_model("ab ")
    assert complete(model, "é? b") == complete(model, " b")
    assert "no 'é', '?': left out" in caplog.text
    caplog.clear()
    assert "".join(generate(model, prompt="aXb", length=9)) == "".join(generate(model, prompt="ab", length=9))
    assert "no 'X': left out" in caplog.text
    with pytest.raises(TextError, match="alphabet has no 'é'"):
        complete(model, "b aé")


def test_a_mark_that_is_normalised_away_ends_its_word():
    model = make_model("abc ")
    model.settings = model.settings.model_copy(update={"normalizer": NormalizerSettings()})
    assert complete(model, "B, Ab,") == complete(model, "b ab ") != complete(model, "b ab")


def test_a_space_at_the_end_asks_for_a_new_word_even_where_text_is_normalised():
    model = make_model("abc ", lines="sentences")
    assert all(found.word.startswith("ab") for found in complete(model, "b ab"))
    assert not all(found.word.startswith("ab") for found in complete(model, "b ab "))


def test_probabilities_of_all_words_and_of_no_word_sum_to_one():
    model = make_model("a ", spread=1.0)
    found = complete(model, " ", count=60)
    none = sum(math.exp(log_prob_by_hand(model, symbol, "\n ")) for symbol in " \n")
    assert sum(completed.probability for completed in found) + none == pytest.approx(1, abs=1e-4)
