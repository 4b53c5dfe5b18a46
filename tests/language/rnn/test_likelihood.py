"""How well a model predicts a text, against log probabilities that are added up by hand."""

import math

import pytest

from asr.language.rnn.likelihood import count_nats, measure_lines
from tests.language.rnn.rnn_models import log_prob_by_hand, make_model


@pytest.mark.parametrize("lines", ["apart", "running"])
def test_bits_per_character_are_the_text_added_up(lines: str):
    model = make_model(lines=lines)
    text = ["ab", "b a", "aab"]
    measured = measure_lines(model, text)
    if lines == "running":
        total = log_prob_by_hand(model, "".join(f"{line}\n" for line in text))
    else:
        total = sum(log_prob_by_hand(model, f"{line}\n") for line in text)
    assert measured.num_characters == 11
    assert measured.nats_per_character == pytest.approx(-total / 11, rel=1e-5)
    assert measured.bits_per_character == pytest.approx(-total / 11 / math.log(2), rel=1e-5)
    assert measured.perplexity == pytest.approx(math.exp(-total / (7 if lines == "apart" else 4)), rel=1e-5)


def test_a_state_that_is_not_carried_is_forgotten_at_each_segment():
    model, text = make_model(lines="running"), "ab b aab ba"
    lines = [model.encode(text).to_tensor()]
    text += "\n"
    alone = [log_prob_by_hand(model, text[i : i + 4], before=("\n" + text)[i]) for i in range(0, 12, 4)]
    options = {"independent": False, "batch_size": 1, "segment": 4}
    assert count_nats(model.network, lines, **options, carry_state=False) == pytest.approx(-sum(alone), rel=1e-5)
    whole = log_prob_by_hand(model, text)
    assert count_nats(model.network, lines, **options, num_unknown=2) == pytest.approx(20 - whole, rel=1e-5)
