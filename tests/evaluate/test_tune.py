"""Tuning on tones: the weights are saved in the model's folder, and used from there."""

import io
import tempfile
from functools import partial
from pathlib import Path

import pytest
from lhotse.utils import fastcopy
from rich.console import Console

from asr.cli import training
from asr.cli.console import ConsoleReporter
from asr.config import SETTINGS_FILE, AcousticSettings, FeatureSettings, ModelSettings
from asr.corpus.cuts import load_cuts
from asr.decode.tuning import Weights
from asr.errors import AsrError, CorpusError, ModelError
from asr.evaluate.calibrate import calibrate
from asr.evaluate.tune import tune
from asr.language.load import save_ngram
from asr.language.ngram.kneser_ney import estimate
from asr.recognize.model_folder import save_model
from asr.recognize.recognizer import load_model
from tests.models import make_model


@pytest.fixture
def folder(tmp_path):
    """An untrained network, which suffices for tuning."""
    settings = ModelSettings(
        features=FeatureSettings(num_mels=20), acoustic=AcousticSettings(num_layers=1, hidden_size=8, conv_channels=4)
    )
    save_model(make_model(settings, symbols=["<blank>", *" abc"], head_scale=1), tmp_path / "model")
    return tmp_path / "model"


def test_what_is_found_is_saved_with_the_language_model(folder, tone_manifests, tmp_path):
    lm = write_lm(tmp_path / "lm.arpa")
    output = io.StringIO()
    reporter = ConsoleReporter(Console(file=output))
    manifests = [tone_manifests / "dev.jsonl.gz"]
    best = tune(manifests, model=str(folder), lm=lm, rescore=None, device="cpu", reporter=reporter)
    saved = ModelSettings.load(folder / SETTINGS_FILE).decoder
    assert Weights(saved.alpha, saved.beta, saved.beam_size, saved.unknown_score, saved.blank_penalty) == best.weights
    assert "% errors" in output.getvalue()
    beam = load_model(folder, device="cpu").decoder.beam
    assert (beam.parts.settings.alpha, beam.beam_size) == (best.weights.alpha, best.weights.beam_size)
    assert "cab" in beam.language_model.words


def test_there_must_be_a_language_model(folder, tone_manifests):
    with pytest.raises(ModelError, match=r"contains no language model .*; give one"):
        tune([tone_manifests / "dev.jsonl.gz"], model=str(folder), device="cpu")


def write_lm(path):
    with estimate(lambda: [["ab", "c"], ["cab"]], 2) as tables:
        save_ngram(tables, path)
    return path


def test_transcripts_without_a_word_are_refused(folder, tone_manifests, tmp_path):
    cuts = load_cuts([tone_manifests / "dev.jsonl.gz"])
    cuts = cuts.map_supervisions(lambda supervision: fastcopy(supervision, text=" ")).to_eager()
    cuts.to_file(tmp_path / "silent.jsonl.gz")
    options = {"model": str(folder), "lm": write_lm(tmp_path / "lm.arpa")}
    with pytest.raises(CorpusError, match="none of the transcripts contains a word"):
        tune([tmp_path / "silent.jsonl.gz"], **options, device="cpu")
    assert not (folder / "lm.bin").exists()


def change_in_all_ways(model):
    """Errors of everything that changes a model folder; the missing manifest would be named if work had begun."""
    to_card = partial(training.evaluate, add_to_card="dev")
    for run in (calibrate, tune, to_card):
        with pytest.raises(AsrError) as raised:
            run([Path("missing.jsonl.gz")], model=model, device="cpu")
        yield str(raised.value)


def test_models_of_the_package_are_not_changed(folder, monkeypatch):
    monkeypatch.setattr("asr.recognize.model_folder.BUILT_IN", folder.parent)
    for message in change_in_all_ways("model"):
        assert message.startswith(f"model: comes with the package and must not change; copy {folder} ")


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_work(folder, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    for message in change_in_all_ways(str(folder)):
        assert message == f"{folder / SETTINGS_FILE}: cannot be written: Permission denied"
