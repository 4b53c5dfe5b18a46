"""Calibration of a tiny model, end to end: the saved settings, and the reliability that evaluation measures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr.cli import training
from asr.config import SETTINGS_FILE, ModelSettings
from asr.corpus.cuts import load_cuts
from asr.errors import CorpusError
from asr.evaluate.calibrate import calibrate, calibrate_greedy
from asr.recognize.model_folder import Model, save_model
from asr.weights import Weights
from tests.models import make_model
from tests.train.recording import RecordingReporter


@pytest.fixture
def model() -> Model:
    """An untrained network: it outputs words, and nearly all of them are wrong."""
    return make_model(symbols=["<blank>", " ", "a", "b", "c"])


def test_calibration_is_saved_and_evaluation_measures_it(model: Model, tone_manifests: Path, tmp_path: Path):
    save_model(model, tmp_path / "model")
    dev = [tone_manifests / "dev.jsonl.gz"]
    reliability = calibrate(dev, model=str(tmp_path / "model"), device="cpu")
    assert reliability.words > 10
    # A logistic regression with a bias is right on average about what it was fitted to.
    assert reliability.confidence == pytest.approx(reliability.accuracy, abs=0.1)
    saved = ModelSettings.load(tmp_path / "model" / SETTINGS_FILE)
    assert saved.confidence is not None
    assert saved.acoustic == model.settings.acoustic
    files = {"json": tmp_path / "result.json", "reliability": tmp_path / "plot.png"}
    training.evaluate(dev, model=str(tmp_path / "model"), device="cpu", **files)
    result = json.loads((tmp_path / "result.json").read_text())
    # Nearly all words are wrong, and the model knows it.
    assert result["warned"]["unfamiliar"] == result["warned"]["judged"] > 0
    confidence = result["confidence"]
    assert confidence["ece"] == pytest.approx(reliability.error, abs=0.02)
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_manifests_are_kinds_of_speech_that_count_equally(model: Model, tone_manifests: Path, tmp_path: Path):
    few, many = tone_manifests / "dev.jsonl.gz", tone_manifests / "train.jsonl.gz"
    found = {}
    for name, manifests in {"both": [few, many], "twice": [few, few, many, many], "few": [few]}.items():
        save_model(model, tmp_path / name)
        calibrate(manifests, model=str(tmp_path / name), device="cpu", reporter=(reporter := RecordingReporter()))
        assert [line.split(": ")[0] for line in reporter.lines] == list(map(str, manifests))
        assert all("of them right, calibration error" in line for line in reporter.lines)
        found[name] = ModelSettings.load(tmp_path / name / SETTINGS_FILE).confidence
    # Shares depend on neither the order nor the number of words of a kind; the penalty weighs half as much in twice.
    assert found["both"].model_dump() == pytest.approx(found["twice"].model_dump(), abs=0.3)
    assert found["both"] != found["few"]


def test_after_training_confidences_are_those_of_calibration(model: Model, tone_manifests: Path, tmp_path: Path):
    cuts = load_cuts([tone_manifests / "dev.jsonl.gz"])
    confidence = calibrate_greedy(model, cuts, device="cpu").settings.confidence
    save_model(model, tmp_path)
    calibrate([tone_manifests / "dev.jsonl.gz"], model=str(tmp_path), device="cpu")
    again = ModelSettings.load(tmp_path / SETTINGS_FILE).confidence
    assert confidence is not None
    assert again is not None
    assert again.model_dump() == pytest.approx(confidence.model_dump(), abs=0.1)  # weights are in float16 now


def test_a_model_that_says_nothing_stays_uncalibrated(model: Model, tone_manifests: Path, tmp_path: Path):
    bias = model.weights["head.bias"]
    model = replace(model, weights=Weights({**model.weights, "head.bias": np.array([1000.0, *bias[1:]], np.float32)}))
    cuts = load_cuts([tone_manifests / "dev.jsonl.gz"])
    assert calibrate_greedy(model, cuts, device="cpu").settings.confidence is None
    save_model(model, tmp_path)
    with pytest.raises(CorpusError, match=r"recognises no word in .*dev.jsonl.gz, so"):
        calibrate([tone_manifests / "dev.jsonl.gz"], model=str(tmp_path), device="cpu")
