"""What a person chooses, and what the model folder holds, against the decoder that comes of it."""

import re
from pathlib import Path
from warnings import catch_warnings, simplefilter

import pytest

from asr.config import DecoderSettings, NormalizerSettings, RescoringSettings
from asr.decode.scorer.rnn import RnnLM
from asr.errors import ConfigError, ModelError, TextError
from asr.language.load import load_ngram, save_ngram
from asr.language.ngram.binary import write_binary
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import NgramModel
from asr.recognize.language_models import save_language_model
from asr.recognize.options import DecodingOptions, build_rescorer, choose_decoder, prepare_phrases
from asr.recognize.recognizer import load_model
from asr.text.tokenizer import CharTokenizer
from tests.language.rnn.rnn_models import make_model, save_rnn

SYMBOLS = ["<blank>", " ", "a", "b"]


def write_lm(path: Path, words: str = "ab ba"):
    with estimate(lambda: [words.split()] * 3, 2) as tables:
        if path.suffix == ".bin":
            write_binary(NgramModel.from_tables(tables), path)
        else:
            save_ngram(tables, path)


def build(folder: Path, **choices):
    return choose_decoder(
        folder, CharTokenizer(SYMBOLS), DecoderSettings(alpha=0.8, beta=1.5, beam_size=20), DecodingOptions(**choices)
    )


def rescorer(folder: Path, **choices):
    return build_rescorer(folder, CharTokenizer(SYMBOLS), RescoringSettings(alpha=0.9), DecodingOptions(**choices))


def test_without_a_reason_the_best_path_is_taken(tmp_path):
    assert build(tmp_path) is None
    assert build(tmp_path, decoder="greedy") is None


@pytest.mark.parametrize("choices", [{"decoder": "beam"}, {"beam_size": 9}, {"hotwords": ["ab:3"]}, {"nbest": 3}])
def test_what_needs_beam_search_gets_it(tmp_path, choices):
    beam = build(tmp_path, **choices)
    assert beam.language_model is None
    assert beam.beam_size == choices.get("beam_size", 20)


@pytest.mark.parametrize("name", ["lm.bin", "lm.arpa", "lm.arpa.gz"])
def test_a_folders_language_model_is_used_with_its_settings(tmp_path, name):
    write_lm(tmp_path / name)
    beam = build(tmp_path)
    assert set(beam.language_model.words) >= {"ab", "ba"}
    assert (beam.parts.settings.alpha, beam.parts.settings.beta) == (0.8, 1.5)
    assert build(tmp_path, decoder="greedy") is None


def test_a_folders_recurrent_models_are_used_where_no_other_is_chosen(tmp_path):
    write_lm(tmp_path / "lm.bin")
    save_rnn(make_model("ab "), tmp_path / "rescore")
    assert rescorer(tmp_path).settings.alpha == 0.9
    assert rescorer(tmp_path, decoder="greedy") is None
    assert rescorer(tmp_path, lm=tmp_path / "lm.bin") is None  # its weights fit the folder's own
    assert rescorer(tmp_path, lm=tmp_path / "lm.bin", rescore=tmp_path / "rescore") is not None
    save_rnn(make_model("ab "), tmp_path / "lm")
    assert isinstance(build(tmp_path).language_model, RnnLM)
    save_language_model(load_ngram(tmp_path / "lm.bin"), tmp_path / "lm.bin", tmp_path)
    assert isinstance(build(tmp_path).language_model, NgramModel)


def test_a_chosen_language_model_comes_before_the_folders(tmp_path):
    write_lm(tmp_path / "lm.bin")
    write_lm(tmp_path / "other.arpa", "aaa bbb")
    assert "aaa" in build(tmp_path, lm=tmp_path / "other.arpa").language_model.words


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({"decoder": "viterbi"}, ConfigError, "there are: greedy, beam"),
        ({"decoder": "greedy", "nbest": 2}, ConfigError, "use beam search"),
        ({"lm": Path("missing.arpa")}, ModelError, "No such file"),
        ({"hotwords": ["ab:"]}, ConfigError, "weight"),
        ({"hotwords": ["xyz"]}, TextError, "'xyz': the alphabet has no x y z"),
    ],
)
def test_choices_that_make_no_sense_are_named(tmp_path, choices, error, message):
    with pytest.raises(error, match=message):
        build(tmp_path, **choices)


@pytest.mark.parametrize(
    ("hotwords", "kept", "warnings"),
    [
        (["AB!", "b a:3"], {"ab": 6.0, "b a": 3.0}, []),
        (["ab", "xyz:2"], {"ab": 6.0}, ["'xyz' is left out: the alphabet has no x y z"]),
        (["ab++"], {"ab": 6.0}, [r"'ab\+\+': expected as 'ab', without \+"]),
        (["a&b"], {"a b": 6.0}, ["expected as 'a b', without &"]),
        (["ab:2", "AB:3"], {"ab": 3.0}, ["'AB' is given twice; the last weight counts: 3"]),
        ({"ab": 2.0}, {"ab": 2.0}, []),
        (["a-b", "it's"], {"a b": 6.0}, ['"it\'s" is left out']),
    ],
)
def test_hot_words_that_will_not_do_what_was_asked_are_reported(hotwords, kept, warnings):
    tokenizer = CharTokenizer(["<blank>", " ", "a", "b"])
    with catch_warnings(record=True) as caught:
        simplefilter("always")
        options, _ = prepare_phrases(DecodingOptions(hotwords=hotwords), NormalizerSettings(), tokenizer)
    assert dict(options.hotwords) == kept
    assert len(caught) == len(warnings)
    assert all(re.search(pattern, str(one.message)) for pattern, one in zip(warnings, caught, strict=True))


def test_a_time_is_a_phrase_of_words():
    tokenizer = CharTokenizer(["<blank>", " ", *"abcdefghijklmnopqrstuvwxyz'"])
    normalizer = NormalizerSettings(spell_out_numbers="en")
    options, _ = prepare_phrases(DecodingOptions(hotwords=["10:30", "20%:4"]), normalizer, tokenizer)
    assert options.hotwords == {"ten thirty": 6.0, "twenty percent": 4.0}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_all_networks_of_a_model_compute_with_its_precision(precision):
    recognizer = load_model("english", device="cpu", precision=precision)
    assert recognizer.runner.network.precision == precision
    assert recognizer.decoder.rescorer.model.network.precision == precision
