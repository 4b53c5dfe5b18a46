"""Scores, likelihoods and files of recurrent language models, against log probabilities that are added up by hand."""

import math
import random
from pathlib import Path

import numpy as np
import pytest

from asr.config import LanguageSettings
from asr.errors import ModelError
from asr.language.rnn.bptt import make_segments
from asr.language.rnn.complete import complete
from asr.language.rnn.generate import generate
from asr.language.rnn.model import UNKNOWN_SCORE, RnnModel, count_nats, load_rnn
from asr.language.text_files import read_text
from asr.model_files import WEIGHTS_FILE
from asr.runtime.language_network import OnnxLanguageNetwork
from asr.text.load import build_tokenizer
from asr.weights import Weights
from tests.language.rnn.rnn_models import log_prob_by_hand, make_model, make_weights, save_rnn, set_bias

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
    rows, after = model.step([3, 1, 2], np.concatenate(states, axis=1))
    for index, token in enumerate((3, 1, 2)):
        row, state = model.prefill([token], states[index])
        np.testing.assert_allclose(rows[index], row, atol=1e-5)
        np.testing.assert_allclose(after[:, index : index + 1], state, atol=1e-6)


def make_subword_model():
    sizes = {"hidden_size": 8, "embedding_size": 5, "dropout": 0.0}
    settings = LanguageSettings(normalizer=None, tokenizer={"kind": "subword", "vocab_size": 16}, network=sizes)
    tokenizer = build_tokenizer(["the cat that sat", "that hat, the cat"] * 20, settings.tokenizer)
    network = OnnxLanguageNetwork(make_weights(settings.network, tokenizer.vocab_size), settings.network)
    return RnnModel(network, tokenizer, settings)


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
    assert all(completion.word.startswith("th") for completion in complete(model, "the th"))
    assert all(
        completion.word[0].isalpha() and completion.probability > 0 for completion in complete(model, "the hat,")
    )
    # Letters that are given make their words likelier, each as much as the others, however they are spelled.
    before, after = (
        {completion.word: completion.probability for completion in complete(model, text, count=100)}
        for text in ("the t", "the th")
    )
    likeliest = list(after)[:5]
    gains = [after[word] / before[word] for word in likeliest]
    assert gains == pytest.approx([gains[0]] * 5, rel=0.02)
    assert gains[0] > 1


def test_white_space_that_subword_units_do_not_encode_is_not_counted(tmp_path: Path):
    model = make_subword_model()
    (tmp_path / "text").write_text("the  cat\n\t that hat \n")
    lines = read_text([tmp_path / "text"], model.settings)
    assert lines == ["the cat", "that hat"] == [model.tokenizer.decode(model.encode(line).tokens) for line in lines]
    assert model.measure(lines).num_characters == 8 + 9


@pytest.mark.parametrize("lines", ["sentences", "continuous"])
def test_bits_per_character_are_the_text_added_up(lines: str):
    model = make_model(lines=lines)
    text = ["ab", "b a", "aab"]
    measured = model.measure(text)
    if lines == "continuous":
        total = log_prob_by_hand(model, "".join(f"{line}\n" for line in text))
    else:
        total = sum(log_prob_by_hand(model, f"{line}\n") for line in text)
    assert measured.num_characters == 11
    assert measured.nats_per_character == pytest.approx(-total / 11, rel=1e-5)
    assert measured.bits_per_character == pytest.approx(-total / 11 / math.log(2), rel=1e-5)
    assert measured.perplexity == pytest.approx(math.exp(-total / (7 if lines == "sentences" else 4)), rel=1e-5)


def test_a_state_that_is_not_carried_is_forgotten_at_each_segment():
    model, text = make_model(lines="continuous"), "ab b aab ba"
    lines = [model.encode(text).to_array()]
    text += "\n"
    alone = [log_prob_by_hand(model, text[i : i + 4], before=("\n" + text)[i]) for i in range(0, 12, 4)]
    segments = list(make_segments(lines, independent=False, batch_size=1, length=4))
    assert count_nats(model.network, segments, carry_state=False) == pytest.approx(-sum(alone), rel=1e-5)
    whole = log_prob_by_hand(model, text)
    assert count_nats(model.network, segments) == pytest.approx(-whole, rel=1e-5)
    assert model.measure([text[:-1] + "X?"]).nats_per_character * (len(text) + 2) == pytest.approx(20 - whole, rel=1e-5)


def test_what_is_saved_says_the_same_when_loaded(tmp_path: Path):
    model = make_model(tied=True)
    halves = {name: value.astype(np.float16) for name, value in model.network.weights.items()}
    model.network = OnnxLanguageNetwork(Weights(halves), model.settings.network)
    save_rnn(model, tmp_path / "lm")
    loaded = load_rnn(tmp_path / "lm")
    np.testing.assert_allclose(loaded.score_sentences(SENTENCES), model.score_sentences(SENTENCES), rtol=1e-6)
    assert loaded.settings == model.settings
    (tmp_path / "text").write_text("ab\n\n b  a\n")
    assert loaded.measure(read_text([tmp_path / "text"], loaded.settings)).num_lines == 2


def test_a_file_is_no_model_folder(tmp_path: Path):
    (tmp_path / "lm.arpa").touch()
    with pytest.raises(ModelError, match=r"lm\.arpa: a file; .* is a folder"):
        load_rnn(tmp_path / "lm.arpa")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / WEIGHTS_FILE).write_bytes(b"no"), "cannot be read"),
        (lambda folder: (folder / WEIGHTS_FILE).unlink(), "cannot be read"),
        (lambda folder: (folder / "tokens.txt").write_text("<blank>\na\n"), "does not fit"),
        (lambda folder: (folder / "config.yaml").write_text("network: {depth: 3}"), "no such setting"),
        (lambda folder: (folder / "config.yaml").write_text("features: {}"), "no such setting"),
    ],
)
def test_a_broken_folder_is_named(tmp_path: Path, damage, message: str):
    save_rnn(make_model(), tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelError, match=message):
        load_rnn(tmp_path)


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path):
    model = make_model()
    set_bias(model, "\n", math.nan)
    with pytest.raises(ModelError, match="head_bias"):
        save_rnn(model, tmp_path / "lm")
    assert not (tmp_path / "lm").exists()
