"""Scores and files of recurrent language models."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from asr.config import LanguageSettings
from asr.language.rnn.complete import complete
from asr.language.rnn.folder import build_network
from asr.language.rnn.generate import generate
from asr.language.rnn.likelihood import measure_lines
from asr.language.rnn.model import UNKNOWN_SCORE, RnnModel
from asr.language.text_files import read_text
from asr.text.load import build_tokenizer
from tests.language.rnn.rnn_models import log_prob_by_hand, make_model

SENTENCES = ["ab", "", "b a b", "aaaabbbb ab", "a"]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_sentence_scores_the_sum_of_its_log_probabilities(cell: str):
    model = make_model(cell=cell)
    expected = [log_prob_by_hand(model, sentence + "\n") for sentence in SENTENCES]
    np.testing.assert_allclose(model.score_sentences(SENTENCES), expected, rtol=1e-5)


def test_all_sentences_together_are_certain():
    model = make_model("a", spread=1.0)
    total = np.exp(model.score_sentences(["a" * length for length in range(200)])).sum()
    assert total == pytest.approx(1, abs=1e-4)


def test_many_at_once_score_as_one_by_one():
    model = make_model(num_layers=3)
    rng = random.Random(0)
    sentences = ["".join(rng.choices("ab ", k=n % 9)) for n in range(150)]
    alone = [model.score_sentences([sentence])[0] for sentence in sentences]
    np.testing.assert_allclose(model.score_sentences(sentences), alone, rtol=1e-5, atol=1e-5)


def test_unknown_characters_cost_a_fixed_score_and_are_skipped():
    model = make_model()
    known, unknown = model.score_sentences(["ab", "aéb?"])
    assert unknown == pytest.approx(known + 2 * UNKNOWN_SCORE)


def test_states_that_step_together_are_as_if_alone():
    model = make_model()
    states = [model.prefill([0, token])[1] for token in (1, 2, 3)]
    rows, after = model.step([3, 1, 2], torch.cat(states, dim=1))
    for index, token in enumerate((3, 1, 2)):
        row, state = model.prefill([token], states[index])
        torch.testing.assert_close(rows[index], row)
        torch.testing.assert_close(after[:, index : index + 1], state)


def make_subword_model():
    network = {"hidden_size": 8, "embedding_size": 5, "dropout": 0.0}
    settings = LanguageSettings(normalizer=None, tokenizer={"kind": "subword", "vocab_size": 16}, network=network)
    tokenizer = build_tokenizer(["the cat that sat", "that hat, the cat"] * 20, settings.tokenizer)
    torch.manual_seed(0)
    made = build_network(settings, tokenizer.vocab_size)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)
    return RnnModel(made.eval(), tokenizer, settings)


def test_subword_units_are_scored_written_and_completed():
    model = make_subword_model()
    tokens = model.encode("the hat").tokens
    assert "".join(model.pieces[token] for token in tokens) == " the hat"
    assert len(tokens) < 7
    assert model.encode("the ?cat").unknown == "?"
    expected, state = 0.0, None
    for before, after in zip([0, *tokens], [*tokens, 0], strict=True):
        log_probs, state = model.prefill([before], state)
        expected += float(log_probs[after])
    assert model.score_sentences(["the hat"])[0] == pytest.approx(expected, rel=1e-5)
    written = "".join(generate(model, length=600))
    assert " " in written
    assert not any(line.startswith(" ") for line in written.split("\n"))
    assert all(one.word.startswith("th") for one in complete(model, "the th"))
    assert all(one.word[0].isalpha() and one.probability > 0 for one in complete(model, "the hat,"))
    # Letters that are given make their words likelier, each as much as the others, however they are spelled.
    before, after = (
        {one.word: one.probability for one in complete(model, text, count=100)} for text in ("the t", "the th")
    )
    likeliest = list(after)[:5]
    gains = [after[word] / before[word] for word in likeliest]
    assert gains == pytest.approx([gains[0]] * 5, rel=0.02)
    assert gains[0] > 1


def test_white_space_that_subword_units_cannot_tell_is_not_counted(tmp_path: Path):
    model = make_subword_model()
    (tmp_path / "text").write_text("the  cat\n\t that hat \n")
    lines = read_text([tmp_path / "text"], model.settings)
    assert lines == ["the cat", "that hat"] == [model.tokenizer.decode(model.encode(line).tokens) for line in lines]
    assert measure_lines(model, lines).num_characters == 8 + 9
