"""Tuning on tones: what is found ends up in the model's folder, and is used from there."""

import io

import pytest
from rich.console import Console

from asr.config import AcousticSettings, FeatureSettings, ModelSettings, load_model_settings
from asr.errors import ModelError
from asr.language.kneser_ney import estimate
from asr.language.ngram import save_ngram
from asr.recognize.model_folder import SETTINGS, Model, build_acoustic, save_model
from asr.recognize.recognizer import load_model
from asr.text.tokenizer import CharTokenizer
from asr.train.tune import tune


@pytest.fixture
def folder(tmp_path):
    """A network that has learnt nothing; tuning does not mind."""
    settings = ModelSettings(
        features=FeatureSettings(num_mels=20), acoustic=AcousticSettings(num_layers=1, hidden_size=8, conv_channels=4)
    )
    tokenizer = CharTokenizer(["<blank>", *" abc"])
    save_model(Model(build_acoustic(settings, tokenizer.vocab_size), tokenizer, settings), tmp_path / "model")
    return tmp_path / "model"


def test_what_is_found_is_saved_with_the_language_model(folder, tone_manifests, tmp_path):
    with estimate(lambda: [["ab", "c"], ["cab"]], 2) as tables:
        save_ngram(tables, tmp_path / "lm.arpa")
    console = Console(file=io.StringIO())
    manifests = [tone_manifests / "dev.jsonl.gz"]
    best = tune(manifests, model=str(folder), lm=tmp_path / "lm.arpa", rescore=None, device="cpu", console=console)
    saved = load_model_settings(folder / SETTINGS).decoder
    assert (saved.alpha, saved.beta, saved.beam_size) == best.weights
    assert "% errors" in console.file.getvalue()
    beam = load_model(folder, device="cpu").reader.beam
    assert (beam.fusion.alpha, beam.beam_size) == (best.weights.alpha, best.weights.beam_size)
    assert "cab" in beam.language_model.words


def test_there_must_be_a_language_model(folder, tone_manifests):
    with pytest.raises(ModelError, match="give one with --lm"):
        tune(
            [tone_manifests / "dev.jsonl.gz"], model=str(folder), lm=None, rescore=None, device="cpu", console=Console()
        )
