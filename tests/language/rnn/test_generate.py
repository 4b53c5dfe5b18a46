"""Generation, against probabilities that are added up by hand."""

import math
from collections import Counter

import numpy as np
import pytest
from typer.testing import CliRunner

from asr.cli.app import app
from asr.errors import ConfigError
from asr.language.rnn.generate import draw, generate
from tests.language.rnn.rnn_models import log_prob_by_hand, make_model


@pytest.mark.parametrize("choices", [{}, {"temperature": 0.5}, {"top_p": 0.6}, {"temperature": 2.0, "top_p": 0.9}])
def test_a_seed_writes_the_same_and_another_something_else(choices: dict[str, float]):
    model = make_model(spread=1.0)
    texts = ["".join(generate(model, length=80, seed=seed, **choices)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (2.0, 0.7), (1.0, 0.3)])
def test_draws_follow_temperature_and_the_smallest_set_of_enough_probability(temperature: float, top_p: float):
    probs = [0.05, 0.4, 0.1, 0.25, 0.2]
    warm = [p ** (1 / temperature) for p in probs]
    warm = [p / sum(warm) for p in warm]
    kept, probability = [], 0.0
    for token in sorted(range(5), key=lambda token: -warm[token]):
        if probability < top_p:
            kept.append(token)
            probability += warm[token]
    generator = np.random.default_rng(0)
    log_probs = np.log(np.array(probs, np.float32))
    drawn = Counter(draw(log_probs, temperature=temperature, top_p=top_p, generator=generator) for _ in range(4000))
    assert set(drawn) == set(kept)
    for token in kept:
        assert drawn[token] / 4000 == pytest.approx(warm[token] / probability, abs=0.03)


def test_temperature_zero_takes_the_likeliest_token_each_time():
    model = make_model(lines="continuous")
    text, history = "".join(generate(model, length=12, temperature=0, prompt="ab")), "\nab"
    for letter in text:
        scores = {piece: log_prob_by_hand(model, piece, history) for piece in model.pieces}
        assert letter == max(scores, key=scores.get)
        history += letter


def test_each_sentence_begins_with_a_fresh_state():
    model = make_model(spread=1.5)
    lines = "".join(generate(model, length=200, temperature=0)).split("\n")
    if len(lines) > 2:  # each begins from the same state and takes the likeliest way
        assert len(set(lines[:-1])) == 1
    model = make_model("a", seed=4, spread=0.1)
    assert "\n" in "".join(generate(model, length=50))


def test_a_tiny_temperature_takes_the_likeliest():
    log_probs = np.log(np.array([0.2, 0.5, 0.3], np.float32))
    assert draw(log_probs, temperature=1e-310, top_p=1.0, generator=np.random.default_rng(0)) == 1


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
        generate(make_model(), **{"length": 5, **wrong})


def test_a_prompt_is_not_repeated_where_there_is_no_model():
    result = CliRunner().invoke(app, ["lm", "generate", "nowhere", "--prompt", "HELLO"])
    assert result.exit_code == 1
    assert result.stdout == ""
