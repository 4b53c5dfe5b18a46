"""Models as ONNX files: what is written can be run by others, and read back."""

import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile

from asr.config import AcousticSettings, FeatureSettings, ModelSettings
from asr.errors import AsrError, ModelError
from asr.recognize.model_folder import read_model, save_model
from asr.recognize.onnx_file import read_onnx, write_onnx
from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import load_model
from asr.signal.audio import load_audio
from tests.models import make_model

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "recipes" / "an4" / "samples").glob("*.flac"))
GREEDY = DecodingOptions(decoder="greedy")


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "an4.onnx"
    write_onnx(read_model("an4"), path)
    return path


def test_the_program_of_the_page_writes_what_greedy_decoding_writes(file, tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "onnx.md").read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    assert set(re.findall(r"^(?:import|from) (.*)$", program, re.MULTILINE)) == {
        "json, os, sys, wave",
        "numpy as np",
        "onnxruntime",
    }
    assert len([line for line in program.splitlines() if line]) <= 45
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    recognizer = load_model("an4", device="cpu", precision="fp32", decoding=GREEDY)
    for sample in SAMPLES:
        samples = np.round(load_audio(sample, sample_rate=16000) * 32767).astype(np.int16)
        soundfile.write(tmp_path / "a.wav", samples, 16000)
        monkeypatch.setattr(sys, "argv", ["program.py", str(file), str(tmp_path / "a.wav")])
        runpy.run_path(str(tmp_path / "program.py"))
        assert capsys.readouterr().out.strip() == recognizer.transcribe(tmp_path / "a.wav").text


def test_a_batch_gives_what_each_utterance_gives_alone(file):
    session = onnxruntime.InferenceSession(file)
    model = load_model("an4", device="cpu", precision="fp32")
    utterances = [model.runner.extract(load_audio(sample, sample_rate=16000)) for sample in SAMPLES[:3]]
    lengths = np.array([len(features) for features in utterances])
    padded = np.full((3, lengths.max() + 5, 80), 7.0, np.float32)  # what lies in the padding must not matter
    for row, features in zip(padded, utterances, strict=True):
        row[: len(features)] = features
    log_probs, num_frames = session.run(None, {"features": padded, "lengths": lengths})
    expected = model.runner.network.run(utterances)
    assert num_frames.tolist() == [len(frames) for frames in expected]
    for row, count, frames in zip(log_probs, num_frames, expected, strict=True):
        np.testing.assert_allclose(row[:count], frames, atol=1e-4)


def test_the_file_is_valid_and_says_what_its_features_are(file):
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    features = json.loads(metadata["features"])
    assert (features["sample_rate"], features["num_mels"]) == (16000, 80)
    assert (features["window"], features["step"], features["fft_size"]) == (400, 160, 512)
    assert len(features["feature_mean"]) == len(features["feature_deviation"]) == 80
    assert metadata["tokens.txt"].split("\n")[0] == read_model("an4").tokenizer.symbols[0]


@pytest.mark.parametrize("name", ["an4", "english"])  # the second has weights in 8 bits, phones and a lexicon
def test_a_file_that_is_read_back_is_the_same_model(name, tmp_path):
    original = read_model(name)
    write_onnx(original, tmp_path / "m.onnx")
    again = read_onnx(tmp_path / "m.onnx")
    assert again.settings == original.settings
    assert again.tokenizer.symbols == original.tokenizer.symbols
    assert dict(again.tokenizer.pronunciations or {}) == dict(original.tokenizer.pronunciations or {})
    assert again.weights.keys() == original.weights.keys()
    for weight, value in original.weights.items():
        assert np.array_equal(again.weights[weight], value)


def test_a_model_on_an_encoder_names_it_and_is_read_back(tmp_path, stand_in):
    features = FeatureSettings(kind="whisper", encoder_size=6)
    original = make_model(ModelSettings(features=features, acoustic=AcousticSettings(num_layers=1, hidden_size=16)))
    save_model(original, tmp_path / "folder")
    write_onnx(read_model(tmp_path / "folder"), tmp_path / "m.onnx")
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "m.onnx").metadata_props}
    described = json.loads(metadata["features"])
    assert (described["kind"], described["encoder"], described["step"], described["size"]) == (
        "whisper",
        "tiny.en",
        640,
        12,
    )
    folder, loaded = (load_model(tmp_path / name, device="cpu", precision="fp32") for name in ("folder", "m.onnx"))
    assert loaded.settings == folder.settings
    assert loaded.transcribe(SAMPLES[0]) == folder.transcribe(SAMPLES[0])
    assert folder.transcribe(SAMPLES[0]).text


def test_a_file_of_any_name_is_taken_but_not_for_a_folder(file, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(file.read_bytes())
    assert load_model(path, device="cpu").tokenizer.symbols == read_model("an4").tokenizer.symbols
    with pytest.raises(ModelError, match=r"model\.bin: is a file; give the folder"):
        read_model(path)


def test_a_recogniser_takes_the_file(file):
    folder, loaded = load_model("an4", device="cpu", precision="fp32"), load_model(file, device="cpu", precision="fp32")
    assert loaded.transcribe(SAMPLES[0]) == folder.transcribe(SAMPLES[0])


def test_int8_halves_the_file_and_keeps_the_weights_within_a_step_of_seven_bits(file, tmp_path):
    original = read_model("an4")
    write_onnx(original, tmp_path / "m.onnx", precision="int8")
    assert (tmp_path / "m.onnx").stat().st_size < 0.5 * file.stat().st_size
    again = read_onnx(tmp_path / "m.onnx")
    name = "blocks.0.recurrent.forward_rnn.weight_hh_l0"
    steps = np.abs(original.weights[name]).max(axis=1, keepdims=True) / 63
    assert (np.abs(again.weights[name] - original.weights[name]) <= steps).all()
    recognizer = load_model(tmp_path / "m.onnx", device="cpu", decoding=GREEDY)
    texts = [recognizer.transcribe(sample).text for sample in SAMPLES]
    assert texts == [load_model("an4", device="cpu", decoding=GREEDY).transcribe(sample).text for sample in SAMPLES]


@pytest.mark.parametrize("content", [b"", b"no graph", None])
def test_other_files_are_refused_in_one_line(content, file, tmp_path):
    path = tmp_path / "other.onnx"
    if content is None:
        model = onnx.load(file)
        del model.metadata_props[:]
        content = model.SerializeToString()
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.onnx: (cannot be read|not a model that `asr export` wrote)"):
        load_model(path)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("tokens.txt", None, r"tokens\.txt"),
        ("features", "{", "Expecting property name"),
        ("features", "{}", "feature_mean"),
        ("features", "[]", "list indices"),
        ("config.yaml", "acoustic: 3", r"m\.onnx.config\.yaml: acoustic"),
        ("tokens.txt", "base64:~", "base64|padding|padded|[Nn]on-base64"),
    ],
)
def test_a_file_whose_metadata_are_broken_is_refused_with_the_reason(file, tmp_path, key, value, reason):
    model = onnx.load(file)
    metadata = {entry.key: entry.value for entry in model.metadata_props} | {key: value}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {name: text for name, text in metadata.items() if text is not None})
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=rf"m\.onnx: not a usable model: .*({reason})"):
        load_model(tmp_path / "m.onnx")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AsrError, match="cannot be written"):
        write_onnx(read_model("an4"), tmp_path / "file" / "m.onnx")
