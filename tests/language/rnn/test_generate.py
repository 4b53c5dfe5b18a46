"""Generation and completion, against probabilities that are summed by enumeration."""

import math
from collections import Counter

import pytest
import torch
from typer.testing import CliRunner

from asr.cli.app import app
from asr.config import NormalizerSettings
from asr.errors import ConfigError, TextError
from asr.language.rnn import generate as writing
from asr.language.rnn.generate import complete, draw, generate
from tests.language.rnn.rnn_models import log_prob_by_hand, make_model


def words_by_hand(model, context, begun, letters, marks, longest):
    """Probability of every word up to a length, given that the text goes on as it has begun."""
    found = {}

    def spell(word, probability):
        after = {mark: math.exp(log_prob_by_hand(model, mark, f"\n{context}{word}")) for mark in letters + marks}
        if word:
            found[word] = probability * sum(after[mark] for mark in marks)
        if len(word) < longest:
            for letter in letters:
                spell(word + letter, probability * after[letter])

    spell(begun, 1.0)
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("context", "begun"), [("", ""), ("ab ", ""), ("b ", "a"), ("", "ba"), ("b,", "a")])
def test_next_words_have_the_probability_of_all_that_is_so_spelled(seed: int, context: str, begun: str):
    model = make_model("ab ,", seed=seed, spread=2.0, lines="running")
    expected = words_by_hand(model, context, begun, "ab", " ,\n", longest=6)
    found = complete(model, context + begun, count=5)
    likeliest = sorted(expected.items(), key=lambda item: -item[1])[:5]
    assert [word for word, _ in found] == [word for word, _ in likeliest]
    for (_, probability), (_, wanted) in zip(found, likeliest, strict=True):
        assert probability == pytest.approx(wanted, rel=1e-4)


def set_bias(model, letter, value):
    with torch.no_grad():
        model.network.head_bias[model.pieces.index(letter)] = value


@pytest.mark.parametrize(("bias", "space"), [(9.0, " "), (-9.0, "")])
def test_after_a_mark_the_next_word_comes_behind_a_space_where_that_is_likely(bias: float, space: str):
    model = make_model("ab ,", spread=1.0, lines="running")
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
    assert [probability for _, probability in found] == pytest.approx([wanted for _, wanted in likeliest], rel=1e-4)


def test_where_no_word_is_found_that_is_said(monkeypatch, caplog):
    model = make_model("ab", spread=0.1)
    set_bias(model, "\n", -1000.0)  # no word ever ends
    monkeypatch.setattr(writing, "_MAX_READ", 100)
    with pytest.raises(TextError, match="no word was found that goes on from 'ab'"):
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
    model = make_model("abc ", lines="apart")
    assert all(one.word.startswith("ab") for one in complete(model, "b ab"))
    assert not all(one.word.startswith("ab") for one in complete(model, "b ab "))


def test_probabilities_of_all_words_and_of_no_word_sum_to_one():
    model = make_model("a ", spread=1.0)
    found = complete(model, " ", count=60)
    none = sum(math.exp(log_prob_by_hand(model, mark, "\n ")) for mark in " \n")
    assert sum(one.probability for one in found) + none == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("choices", [{}, {"temperature": 0.5}, {"top_p": 0.6}, {"temperature": 2.0, "top_p": 0.9}])
def test_a_seed_writes_the_same_and_another_something_else(choices: dict[str, float]):
    model = make_model(spread=1.0)
    texts = ["".join(generate(model, length=80, seed=seed, **choices)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (2.0, 0.7), (1.0, 0.3)])
def test_draws_follow_temperature_and_the_smallest_set_of_enough_mass(temperature: float, top_p: float):
    probs = [0.05, 0.4, 0.1, 0.25, 0.2]
    warm = [p ** (1 / temperature) for p in probs]
    warm = [p / sum(warm) for p in warm]
    kept, mass = [], 0.0
    for token in sorted(range(5), key=lambda token: -warm[token]):
        if mass < top_p:
            kept.append(token)
            mass += warm[token]
    generator = torch.Generator().manual_seed(0)
    log_probs = torch.tensor(probs).log()
    drawn = Counter(draw(log_probs, temperature=temperature, top_p=top_p, generator=generator) for _ in range(4000))
    assert set(drawn) == set(kept)
    for token in kept:
        assert drawn[token] / 4000 == pytest.approx(warm[token] / mass, abs=0.03)


def test_temperature_zero_takes_the_likeliest_token_each_time():
    model = make_model(lines="running")
    text, history = "".join(generate(model, length=12, temperature=0, prompt="ab")), "\nab"
    for letter in text:
        scores = {piece: log_prob_by_hand(model, piece, history) for piece in model.pieces}
        assert letter == max(scores, key=scores.get)
        history += letter


def test_lines_that_stand_apart_begin_anew():
    model = make_model(spread=1.5)
    lines = "".join(generate(model, length=200, temperature=0)).split("\n")
    if len(lines) > 2:  # each begins from the same state and takes the likeliest way
        assert len(set(lines[:-1])) == 1
    apart = make_model("a", seed=4, spread=0.1)
    assert "\n" in "".join(generate(apart, length=50))


def test_a_tiny_temperature_takes_the_likeliest():
    log_probs = torch.tensor([0.2, 0.5, 0.3]).log()
    assert draw(log_probs, temperature=1e-310, top_p=1.0, generator=torch.Generator()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"top_p": 0},
        {"top_p": 1.5},
        {"temperature": -1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"length": -1},
        {"seed": 2**64},
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(wrong: dict[str, float]):
    with pytest.raises(ConfigError, match="expected"):
        generate(make_model(), **wrong)


def test_a_prompt_is_not_repeated_where_there_is_no_model():
    told = CliRunner().invoke(app, ["lm", "generate", "nowhere", "--prompt", "HELLO"])
    assert told.exit_code == 1
    assert told.stdout == ""
