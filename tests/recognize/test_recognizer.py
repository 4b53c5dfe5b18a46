"""The recogniser around an untrained network: what it says is noise, but how it says it must be right."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file, save_file

from asr.config import AcousticSettings, FeatureSettings, ModelSettings
from asr.errors import AsrError, AudioError, ModelError
from asr.recognize.model_folder import Model, read_model, save_model
from asr.recognize.recognizer import Recognizer, load_network
from tests import models

RATE = 16000


def make_model(**features: float) -> Model:
    acoustic = AcousticSettings(num_layers=1, hidden_size=16, conv_channels=4)
    return models.make_model(ModelSettings(acoustic=acoustic, features=FeatureSettings(**features)))


def noise(seconds: float, seed: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(int(seconds * RATE))).astype(np.float32)


def test_many_recordings_give_what_each_gives_alone_in_order_and_errors_stay_in_place(tmp_path: Path):
    recognizer = Recognizer(make_model())
    sources = [(noise(seconds, seed), RATE) for seed, seconds in enumerate([0.5, 3.0, 1.2, 0.03])]
    mixed = [sources[0], tmp_path / "missing.wav", *sources[1:], (np.zeros(1, np.float32), RATE)]
    results = list(recognizer.transcribe_many(mixed))
    assert isinstance(results[1], AudioError)
    assert isinstance(results[-1], AudioError)
    good = [result for result in results if not isinstance(result, AudioError)]
    assert [one.text for one in good] == [recognizer.transcribe(source).text for source in sources]
    assert any(one.text for one in good)


def test_a_model_folder_gives_the_model_back(tmp_path: Path):
    model = make_model()
    save_model(model, tmp_path)
    again = read_model(tmp_path)
    assert again.settings == model.settings
    assert again.tokenizer.symbols == model.tokenizer.symbols
    assert again.weights.keys() == model.weights.keys()
    for name, value in again.weights.items():
        np.testing.assert_allclose(value, model.weights[name], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("window_seconds", [0.02, 0.025, 0.1])
def test_a_word_lies_where_its_sound_is_whatever_the_window(window_seconds: float):
    recognizer = Recognizer(make_model(window_seconds=window_seconds))
    # A click at the centre of a feature frame that is also the centre of a frame of log probabilities.
    seconds = 50 * 0.04 + window_seconds / 2
    waveform = noise(4.0, 0) * 1e-3
    waveform[round(seconds * RATE)] = 1.0
    energies = recognizer.runner.extractor.energies(waveform).mean(1)
    frame = round(float(energies.argmax()) / 4)
    log_probs = np.full((99, 4), -12.0, np.float32)
    log_probs[:, 0] = -0.01
    log_probs[frame, [0, 2]] = [-5.0, -0.1]
    (word,) = recognizer.decoder.decode(log_probs).words
    lead = 0.037  # by which words begin before their tokens, where loudness does not say
    assert word.start + lead + 0.02 == pytest.approx(seconds, abs=0.004)


def test_a_file_object_and_a_path_give_the_same(tmp_path: Path):
    recognizer = Recognizer(make_model())
    soundfile.write(tmp_path / "a.wav", noise(1.0, 0), RATE)
    with (tmp_path / "a.wav").open("rb") as file:
        assert recognizer.transcribe(file) == recognizer.transcribe(str(tmp_path / "a.wav"))


def cut_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop("head.bias")
    save_file(weights, folder / "model.safetensors")


def spoil_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["head.bias"][0] = np.nan
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.yaml").unlink(), "no such model"),
        (lambda folder: (folder / "config.yaml").write_text("cell: x"), "cell: no such setting"),
        (lambda folder: (folder / "tokens.txt").unlink(), "tokens.txt"),
        (lambda folder: (folder / "tokens.txt").write_text("<blank>\na\n"), "does not fit"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 100), "cannot be read"),
        (cut_weights, "head.bias"),
        (spoil_weights, "not finite"),
    ],
)
def test_a_broken_model_folder_is_refused(tmp_path: Path, damage, message: str):
    save_model(make_model(), tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelError, match=message):
        read_model(tmp_path)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleNotFoundError("No module named 'torch'"), "is not installed"),
        (OSError("undefined symbol"), "undefined symbol"),
    ],
)
def test_a_device_of_torch_without_a_torch_that_loads_is_refused_in_a_line(monkeypatch, error, reason):
    def find_spec(name: str, *_: object) -> None:
        if name in ("torch", "asr.runtime.torch_device"):
            raise error

    monkeypatch.delitem(sys.modules, "asr.runtime.torch_device", raising=False)
    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=find_spec), *sys.meta_path])
    with pytest.raises(AsrError, match=f"device cuda needs torch, which .*{reason}"):
        load_network(make_model(), device="cuda", precision="auto")
