"""Checkpoints of deepspeech.pytorch give the log probabilities of the network that wrote them, built here in torch."""

import contextlib
import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from asr.convert.deepspeech_pytorch import import_deepspeech_pytorch, read_checkpoint
from asr.convert.folder import ImportOptions
from asr.errors import AsrError, ConfigError, ModelError
from asr.recognize.model_folder import find_writable_model, quantize, read_model
from asr.recognize.recognizer import load_model, load_network
from asr.recognize.streaming.recognizer import StreamingRecognizer

LABELS = ["_", "'", *"abc", " "]


class RecurrentLayer(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], size: int, hidden: int, is_first: bool, is_bidirectional: bool) -> None:
        super().__init__()
        self.batch_norm = None if is_first else nn.ModuleDict({"module": nn.BatchNorm1d(size)})
        self.rnn = kind(size, hidden, bidirectional=is_bidirectional)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:  # (T, D)
        if self.batch_norm is not None:
            hidden = self.batch_norm["module"](hidden)
        outputs = self.rnn(hidden[:, None])[0][:, 0]
        return (
            outputs[:, : self.rnn.hidden_size] + outputs[:, self.rnn.hidden_size :]
            if self.rnn.bidirectional
            else outputs
        )


class Network(nn.Module):
    """The network of the program, with its names, for one utterance."""

    def __init__(self, kind: type[nn.RNNBase] = nn.LSTM, *, num_layers: int = 2, look_ahead: int = 0) -> None:
        super().__init__()
        modules = [nn.Conv2d(1, 32, (41, 11), (2, 2), (20, 5)), nn.BatchNorm2d(32), nn.Hardtanh(0, 20)]
        modules += [nn.Conv2d(32, 32, (21, 11), (2, 1), (10, 5)), nn.BatchNorm2d(32), nn.Hardtanh(0, 20)]
        self.conv = nn.ModuleDict({"seq_module": nn.Sequential(*modules)})
        sizes = [32 * 41] + [12] * (num_layers - 1)
        layers = [RecurrentLayer(kind, size, 12, index == 0, not look_ahead) for index, size in enumerate(sizes)]
        self.rnns = nn.Sequential(*layers)
        if look_ahead:
            convolution = nn.Conv1d(12, 12, look_ahead, groups=12, bias=False)
            self.lookahead = nn.ModuleList([nn.ModuleDict({"conv": convolution})])
        head = nn.Sequential(nn.BatchNorm1d(12), nn.Linear(12, len(LABELS), bias=False))
        self.fc = nn.Sequential(nn.ModuleDict({"module": head}))
        for module in self.modules():  # as after a training
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, 0, 0.3)
                nn.init.uniform_(module.running_var, 0.3, 2)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.3)
        self.eval()

    def forward(self, features: torch.Tensor) -> torch.Tensor:  # (T, 161)
        image = self.conv["seq_module"](features.T[None, None])  # (1, 32, 41, T')
        hidden = self.rnns(image.reshape(-1, image.shape[3]).T)
        if hasattr(self, "lookahead"):
            convolution = self.lookahead[0]["conv"]
            padded = nn.functional.pad(hidden.T, (0, convolution.kernel_size[0] - 1))
            hidden = convolution(padded[None])[0].T.clamp(0, 20)
        return self.fc[0]["module"](hidden).log_softmax(-1)


def save_version_3(network: Network, path: Path, **spectrum: object) -> None:
    settings = {"labels": LABELS, "spect_cfg": spectrum}
    torch.save({"state_dict": network.state_dict(), "hyper_parameters": settings, "epoch": 3}, path)


def options(tmp_path: Path) -> ImportOptions:
    return ImportOptions(tmp_path / "model", licence="CC-0", source="a test")


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("look_ahead", [0, 5])
def test_log_probs_are_those_of_the_network(tmp_path: Path, kind: type[nn.RNNBase], look_ahead: int):
    torch.manual_seed(3)
    network = Network(kind, look_ahead=look_ahead)
    save_version_3(network, tmp_path / "a.ckpt")
    import_deepspeech_pytorch(tmp_path / "a.ckpt", options(tmp_path))
    features = np.random.default_rng(1).normal(size=(83, 161)).astype(np.float32)
    model = read_model(tmp_path / "model")
    (log_probs,) = load_network(model, device="auto", precision="auto").run([features])
    with torch.no_grad():
        expected = network(torch.from_numpy(features)).numpy()
    assert model.tokenizer.symbols == ["<blank>", *LABELS[1:]]
    np.testing.assert_allclose(log_probs, expected, atol=1e-5)


def test_the_blank_becomes_the_first_token(tmp_path: Path):
    torch.manual_seed(3)
    network, labels = Network(), [*LABELS[1:], "_"]
    torch.save({"state_dict": network.state_dict(), "labels": labels, "audio_conf": {"window": "hann"}}, tmp_path / "a")
    import_deepspeech_pytorch(tmp_path / "a", options(tmp_path))
    model = read_model(tmp_path / "model")
    features = np.ones((20, 161), np.float32)
    (log_probs,) = load_network(model, device="auto", precision="auto").run([features])
    with torch.no_grad():
        expected = network(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(log_probs, np.roll(expected, 1, axis=1), atol=1e-5)
    assert model.settings.features.toolkit.window == "hann"  # of version 2's settings


def test_the_folder_transcribes_and_says_what_it_is(tmp_path: Path):
    torch.manual_seed(3)
    save_version_3(Network(), tmp_path / "a.ckpt")
    import_deepspeech_pytorch(tmp_path / "a.ckpt", options(tmp_path))
    recognizer = load_model(tmp_path / "model")
    noise = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)
    transcript = recognizer.transcribe((noise, 16000))
    assert set(transcript.text) <= {*LABELS}
    assert len(recognizer.runner.compute_log_probs([noise])[0]) == 51  # 101 frames of 10 ms, two by two
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert all(words in card for words in ("deepspeech.pytorch", "CC-0", "a test", "needs whole recordings"))
    with pytest.raises(ConfigError, match="cannot follow a live stream"):
        StreamingRecognizer(recognizer)


def test_what_needs_a_network_of_ours_refuses_others(tmp_path: Path):
    save_version_3(Network(), tmp_path / "a.ckpt")
    import_deepspeech_pytorch(tmp_path / "a.ckpt", options(tmp_path))
    with pytest.raises(ModelError, match="asr quantize needs a network of asr"):
        quantize(str(tmp_path / "model"))
    assert find_writable_model(str(tmp_path / "model")) == tmp_path / "model"
    with pytest.raises(AsrError, match="holds a model already"):
        import_deepspeech_pytorch(tmp_path / "a.ckpt", options(tmp_path))
    with pytest.raises(ConfigError, match="as they were stored"):
        load_model(tmp_path / "model", precision="int8")


def light(path: str) -> None:
    Path(path).touch()


class Bomb:
    """Pickled, it calls a function when it is read."""

    def __init__(self, function: object) -> None:
        self.function = function

    def __reduce__(self) -> tuple[object, ...]:
        return self.function, (Path("bomb") if self.function is Path.touch else "bomb",)


@pytest.mark.parametrize("function", [Path.touch, light])
def test_a_checkpoint_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: object):
    monkeypatch.chdir(tmp_path)
    content = {"state_dict": Network().state_dict(), "labels": LABELS, "other": Bomb(function)}
    torch.save(content, tmp_path / "a.ckpt")
    with contextlib.suppress(ModelError):
        read_checkpoint(tmp_path / "a.ckpt")
    assert not (tmp_path / "bomb").exists()
    torch.load(tmp_path / "a.ckpt", weights_only=False)
    assert (tmp_path / "bomb").exists()


def test_settings_are_read_from_classes_that_are_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Spectrum:  # a dataclass of the program, by its own name
        def __init__(self) -> None:
            self.sample_rate, self.window_size, self.labels = 8000, 0.04, None

    Spectrum.__module__, Spectrum.__qualname__ = "deepspeech_pytorch.configs.train_config", "SpectConfig"
    names = ("deepspeech_pytorch", "deepspeech_pytorch.configs", "deepspeech_pytorch.configs.train_config")
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules[names[-1]].SpectConfig = Spectrum  # type: ignore[attr-defined]
    torch.save({"state_dict": Network().state_dict(), "labels": LABELS, "audio_conf": Spectrum()}, tmp_path / "a.ckpt")
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    _, labels, spectrum = read_checkpoint(tmp_path / "a.ckpt")
    assert labels == LABELS
    assert spectrum == {"sample_rate": 8000, "window_size": 0.04, "window_stride": 0.01, "window": "hamming"}


@pytest.mark.parametrize("broken", ["text", "pickle", "other", "none"])
def test_other_files_are_refused_in_a_line(tmp_path: Path, broken: str):
    path = tmp_path / "a.ckpt"
    if broken == "text":
        path.write_text("hello")
    elif broken == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": 1}))
    elif broken == "other":
        torch.save({"state_dict": {"a": torch.zeros(3)}, "labels": LABELS}, path)
    with pytest.raises(ModelError, match=r"a\.ckpt: (cannot be read|not a)") as caught:
        import_deepspeech_pytorch(path, options(tmp_path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model").exists()
