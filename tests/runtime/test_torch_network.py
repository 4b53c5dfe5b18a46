"""The network in torch: what ONNX Runtime computes from its weights, and the names and shapes of those."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.acoustic.weights import build_acoustic, get_weights, load_weights
from asr.config import FeatureSettings, LanguageNetworkSettings, ModelSettings
from asr.recognize.model_folder import read_model
from asr.recognize.recognizer import load_model, load_network
from asr.runtime import precision
from asr.runtime.network import ChunkSize
from asr.runtime.onnx_network import OnnxNetwork
from asr.runtime.parameters import acoustic_shapes, language_shapes
from asr.runtime.torch_device import has_bf16
from asr.runtime.torch_network import TorchNetwork
from asr.signal.audio import load_audio
from asr.train.rnn_network import LanguageNetwork
from asr.weights import Weights
from tests.live.serving import SAMPLES
from tests.models import draw_weights, make_model
from tests.runtime.test_onnx_network import VOCAB_SIZE, make_features, make_settings

LENGTHS = (0, 1, 2, 3, 5, 100)


def make_networks(settings_: ModelSettings) -> tuple[OnnxNetwork, TorchNetwork]:
    """A network that torch has drawn, in both runtimes."""
    torch.manual_seed(0)
    model = build_acoustic(settings_, VOCAB_SIZE)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter += 0.3 * torch.randn(parameter.shape)  # layer norms that do something
        model.head.weight *= 3  # so that differences show
    weights = Weights(get_weights(model))
    return OnnxNetwork(weights, settings_, precision="fp32"), TorchNetwork(model, device="cpu", precision="fp32")


@pytest.mark.parametrize("direction", ["bi", "forward"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("num_layers", "num_mels"), [(1, 11), (2, 8), (3, 5)])
def test_onnx_runtime_computes_what_torch_does(cell: str, direction: str, num_layers: int, num_mels: int):
    ours, theirs = make_networks(make_settings(cell, direction, num_layers, num_mels))
    utterances = [make_features(length, num_mels, seed=length) for length in LENGTHS]
    for one, other in zip(ours.run(utterances), theirs.run(utterances), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=0)


ON_AN_ENCODER = make_settings().model_copy(update={"features": FeatureSettings(kind="whisper", encoder_size=4)})
NETWORKS = {
    (cell, direction): make_networks(make_settings(cell, direction))
    for cell in ("lstm", "gru", "rnn")
    for direction in ("bi", "forward")
}
NETWORKS["lstm", "encoder"] = make_networks(ON_AN_ENCODER)


@pytest.mark.parametrize(("cell", "direction"), NETWORKS)
@settings(deadline=None, max_examples=12)
@given(
    blocks=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    chunk=st.integers(1, 9),
    right_context=st.integers(0, 9),
)
def test_streams_give_what_those_of_torch_give_when_they_give_it(
    cell: str, direction: str, blocks: list[int], chunk: int, right_context: int
):
    features = make_features(sum(blocks), 8 if direction == "encoder" else 11)
    networks = [network.streaming(ChunkSize(chunk, right_context)) for network in NETWORKS[cell, direction]]
    streams = [network.start() for network in networks]
    parts = np.split(features, np.cumsum(blocks)[:-1])
    for index, block in enumerate(parts):
        outputs, previews = [], []
        for network, stream in zip(networks, streams, strict=True):
            stream.feed(block, last=index == len(parts) - 1)
            outputs += network.run([stream])
            previews += network.preview([stream])
        for one, other in (outputs, previews):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=0)
        assert streams[0].is_ready == streams[1].is_ready is False


def test_onnx_runtime_computes_what_torch_does_on_an_encoders_frames():
    ours, theirs = NETWORKS["lstm", "encoder"]
    utterances = [make_features(length, 8, seed=length) for length in LENGTHS]
    for one, other, length in zip(ours.run(utterances), theirs.run(utterances), LENGTHS, strict=True):
        assert one.shape == other.shape == (length, VOCAB_SIZE)
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=0)


def test_a_shipped_model_gives_the_same_on_its_samples():
    recognizer = load_model("an4", device="cpu", precision="fp32")
    model = read_model("an4")
    torchs = TorchNetwork.from_weights(model.weights, model.settings, device="cpu", precision="fp32")
    paths = sorted(SAMPLES.glob("*.flac"))
    assert paths
    features = [recognizer.runner.extract(load_audio(path, sample_rate=recognizer.sample_rate)) for path in paths]
    for one, other in zip(recognizer.runner.network.run(features), torchs.run(features), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=0)


@pytest.mark.parametrize("direction", ["bi", "forward"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("num_mels", [8, 11])
def test_the_shapes_of_weights_are_those_of_torchs_parameters(cell: str, direction: str, num_mels: int):
    settings_ = make_settings(cell, direction, 3, num_mels)
    for described in (settings_, ON_AN_ENCODER):
        state = build_acoustic(described, VOCAB_SIZE).state_dict()
        assert acoustic_shapes(described, VOCAB_SIZE) == {name: tuple(value.shape) for name, value in state.items()}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("tied", "embedding_size"), [(True, 6), (True, 4), (False, 4)])
def test_the_shapes_of_language_models_weights_are_those_of_torchs_parameters(
    cell: str, tied: bool, embedding_size: int
):
    sizes = {"cell": cell, "num_layers": 2, "hidden_size": 6, "embedding_size": embedding_size, "tied": tied}
    settings_ = LanguageNetworkSettings(**sizes)
    state = LanguageNetwork(settings_, VOCAB_SIZE).state_dict()
    assert language_shapes(settings_, VOCAB_SIZE) == {name: tuple(value.shape) for name, value in state.items()}


def test_weights_go_into_torchs_network_and_come_back():
    settings_ = make_settings()
    drawn = draw_weights(acoustic_shapes(settings_, VOCAB_SIZE), seed=5)
    network = build_acoustic(settings_, VOCAB_SIZE)
    load_weights(network, Weights(drawn))
    back = get_weights(network)
    assert back.keys() == drawn.keys()
    assert all(np.array_equal(back[name], drawn[name]) for name in drawn)
    back["head.bias"][:] = 7  # a copy
    assert not (network.head.bias == 7).any()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_tests_own_weights_are_drawn_as_torchs_are(cell: str):
    """The largest of many weights lies close to the bound that they are drawn from."""
    settings_ = make_settings(cell)
    settings_ = replace_size(settings_, hidden_size=64, conv_channels=32)
    drawn = draw_weights(acoustic_shapes(settings_, 50))
    torch.manual_seed(0)
    for name, value in build_acoustic(settings_, 50).state_dict().items():
        assert np.abs(drawn[name]).max() == pytest.approx(value.abs().max().item(), rel=0.2), name
        assert drawn[name].std() == pytest.approx(value.numpy().std(), rel=0.3, abs=1e-6), name


def replace_size(settings_: ModelSettings, **sizes: int) -> ModelSettings:
    return settings_.model_copy(update={"acoustic": settings_.acoustic.model_copy(update=sizes)})


def test_a_gpu_or_the_cpu_by_another_name_is_torchs(monkeypatch: pytest.MonkeyPatch):
    """The CPU is ONNX Runtime's; every other device goes to torch, which says whether it can be used."""
    model = make_model()
    assert isinstance(load_network(model, device="cpu", precision="fp32"), OnnxNetwork)
    asked = []

    def load(weights: Weights, settings_: ModelSettings, *, device: str, precision: str) -> str:
        asked.append((weights, settings_, device, precision))
        return "network"

    monkeypatch.setattr(TorchNetwork, "from_weights", load)
    assert load_network(model, device="cuda:1", precision="auto") == "network"
    assert asked == [(model.weights, model.settings, "cuda:1", "auto")]


def test_a_gpu_that_torch_cannot_use_is_not_taken_by_itself(monkeypatch: pytest.MonkeyPatch):
    """As with a build of torch for the CPU, or an old driver."""
    monkeypatch.setattr(precision, "_has_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert isinstance(load_network(make_model(), device="auto", precision="auto"), OnnxNetwork)


@pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="this processor does not multiply bfloat16 numbers")
def test_half_precision_says_nearly_the_same():
    model = make_model()
    features = [make_features(100, 80)]
    half, full = (
        TorchNetwork.from_weights(model.weights, model.settings, device="cpu", precision=precision)
        for precision in ("bf16", "fp32")
    )
    (ours,), (theirs,) = half.run(features), full.run(features)
    assert ours.dtype == np.float32
    assert np.abs(np.exp(ours) - np.exp(theirs)).mean() < 0.03
    assert not np.array_equal(ours, theirs)
    network = half.streaming(ChunkSize(1000, 1000))
    stream = network.start()
    stream.feed(features[0], last=True)
    np.testing.assert_allclose(np.exp(network.run([stream])[0]), np.exp(ours), atol=0.05)
