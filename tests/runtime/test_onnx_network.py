"""The network on ONNX Runtime against the equations written out, and in 8 bits against exact ones."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import AcousticSettings, FeatureSettings, ModelSettings
from asr.runtime import onnx_network
from asr.runtime.acoustic_graph import AcousticGraphs
from asr.runtime.graph import GraphBuilder, open_session
from asr.runtime.network import ChunkSize
from asr.runtime.onnx_network import OnnxNetwork
from asr.runtime.parameters import acoustic_shapes
from asr.signal.front_end import subsampled
from asr.weights import QuantizedMatrix, Weights
from tests.models import draw_weights, make_weights
from tests.processes import is_true_in_fork, needs_fork
from tests.runtime.references import compute_log_probs, normalise, run_cell, sigmoid

VOCAB_SIZE = 5


def make_settings(cell: str = "lstm", direction: str = "bi", num_layers: int = 2, num_mels: int = 11) -> ModelSettings:
    acoustic = AcousticSettings(cell=cell, direction=direction, num_layers=num_layers, hidden_size=8, conv_channels=3)
    return ModelSettings(features=FeatureSettings(num_mels=num_mels), acoustic=acoustic)


def make_network(settings_: ModelSettings, precision: str = "fp32", seed: int = 0) -> OnnxNetwork:
    return OnnxNetwork(make_weights(settings_, VOCAB_SIZE, seed, head_scale=10), settings_, precision=precision)


def make_features(num_frames: int, num_mels: int = 11, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((num_frames, num_mels)).astype(np.float32)


@pytest.mark.parametrize("direction", ["bi", "forward"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("num_layers", "num_mels"), [(1, 11), (2, 8), (3, 5)])
def test_the_graph_computes_the_equations(cell: str, direction: str, num_layers: int, num_mels: int):
    settings_ = make_settings(cell, direction, num_layers, num_mels)
    weights = make_weights(settings_, VOCAB_SIZE, seed=num_layers, head_scale=10)
    # Layer norms that do something.
    rng = np.random.default_rng(0)
    norms = {name: value + rng.normal(0, 0.3, value.shape) for name, value in weights.items() if "norm" in name}
    weights = Weights({**weights, **norms})
    network = OnnxNetwork(weights, settings_, precision="fp32")
    for num_frames in (1, 2, 3, 5, 37):
        features = make_features(num_frames, num_mels)
        (ours,) = network.run([features])
        assert ours.dtype == np.float32
        assert ours.shape == (subsampled(num_frames, 2), VOCAB_SIZE)
        np.testing.assert_allclose(ours, compute_log_probs(weights, settings_, features), atol=1e-5, rtol=0)


def test_an_utterance_without_frames_has_none_of_log_probs():
    network = make_network(make_settings())
    nothing, something = network.run([make_features(0), make_features(9)])
    assert nothing.shape == (0, VOCAB_SIZE)
    assert nothing.dtype == np.float32
    assert something.shape == (3, VOCAB_SIZE)
    assert network.run([]) == []


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_an_utterance_gives_the_same_whatever_its_neighbours_and_threads(
    precision: str, num_threads: int, monkeypatch: pytest.MonkeyPatch
):
    network = make_network(make_settings(num_layers=3), precision)
    utterances = [make_features(length, seed=length) * (1 + length % 7) for length in (90, 1, 33, 120, 0, 5, 64, 2)]
    alone = [network.run([one])[0] for one in utterances]
    monkeypatch.setattr("asr.runtime.threads.count_threads", lambda: num_threads)
    for order in (list(range(8)), [7, 3, 3, 0]):
        together = network.run([utterances[index] for index in order])
        assert all(np.array_equal(one, alone[index]) for index, one in zip(order, together, strict=True))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_padded_batch_in_one_graph_gives_what_each_gives_alone(cell: str):
    settings_ = make_settings(cell)
    weights = make_weights(settings_, VOCAB_SIZE, 0, head_scale=10)
    session = open_session(AcousticGraphs(weights, settings_, int8=False).batch({"key": "value"}))
    assert session.get_modelmeta().custom_metadata_map == {"key": "value"}
    lengths = np.array([40, 7, 1, 39])
    # Padding is garbage on purpose: nothing of it may leak.
    padded = 100 * np.random.default_rng(0).standard_normal((4, 43, 11)).astype(np.float32)
    utterances = [make_features(length, seed=length) for length in lengths]
    for row, one in zip(padded, utterances, strict=True):
        row[: len(one)] = one
    log_probs, num_frames = session.run(None, {"features": padded, "lengths": lengths})
    assert num_frames.tolist() == [10, 2, 1, 10]
    for row, count, features in zip(log_probs, num_frames, utterances, strict=True):
        np.testing.assert_allclose(row[:count], compute_log_probs(weights, settings_, features), atol=1e-5, rtol=0)


# 8 bits


def quantise(weights: Weights, *, narrow: bool) -> Weights:
    """Weights whose LSTM matrices are whole multiples, in 8 bits or 7, of a scale for each row; by loops."""
    made = dict(weights)
    for name, value in weights.items():
        if "weight_ih_l0" in name or "weight_hh_l0" in name:
            rounded = []
            for row in value.tolist():
                scale = max(abs(x) for x in row) / 127
                integers = [round(x / scale) for x in row]
                rounded.append([2 * scale * round(x / 2) if narrow else scale * x for x in integers])
            made[name] = np.array(rounded, np.float32)
    return Weights(made)


def store_in_8_bits(weights: Weights) -> Weights:
    """The weights as asr.weights.quantize_weights leaves them."""
    stored: dict[str, np.ndarray] = {}
    for name in weights:
        if len(weights.shape(name)) > 1:
            stored[name], stored[f"{name}.scale"] = weights.quantized(name)
        else:
            stored[name] = weights[name]
    return Weights(stored)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("direction", ["bi", "forward"])
def test_8_bits_are_near_the_equations_with_weights_of_8_bits_or_7(
    monkeypatch: pytest.MonkeyPatch, narrow: bool, direction: str
):
    monkeypatch.setattr(onnx_network, "adds_int8_exactly", lambda: not narrow)
    settings_ = make_settings(direction=direction)
    weights = make_weights(settings_, VOCAB_SIZE, head_scale=1)
    features = make_features(80)
    (ours,) = OnnxNetwork(weights, settings_, precision="int8").run([features])
    exact = compute_log_probs(weights, settings_, features)
    rounded = compute_log_probs(quantise(weights, narrow=narrow), settings_, features)
    # What remains is the rounding of activations, to 1/255 of their range.
    assert 0 < np.abs(ours - rounded).max() < 0.05
    assert np.abs(ours - exact).max() < (0.08 if narrow else 0.05)


def emulate_step(inputs: np.ndarray, matrices: list[QuantizedMatrix], bias: np.ndarray) -> np.ndarray:
    """The hidden state (H,) after one input (D,) from zeros: integers times integers, as DynamicQuantizeLSTM has it."""
    # Activations become 0 to 255 by a scale and a zero point that cover their range and zero.
    low, high = min(0.0, float(inputs.min())), max(0.0, float(inputs.max()))
    scale = np.float32((high - low) / 255)
    zero = round(-low / float(scale))
    integers = np.clip(np.rint(inputs / scale) + zero, 0, 255).astype(np.int64) - zero
    from_input = (matrices[0].values.astype(np.int64) @ integers) * (scale * matrices[0].scales.astype(np.float64))
    enter, _, new, out = np.split(from_input + bias, 4)
    return sigmoid(out) * np.tanh(sigmoid(enter) * np.tanh(new))


@pytest.mark.parametrize("stored", [False, True])
def test_a_step_of_an_lstm_in_8_bits_multiplies_the_integers_that_are_stored(stored: bool):
    settings_ = make_settings(direction="forward", num_layers=1)
    weights = make_weights(settings_, VOCAB_SIZE)
    weights = store_in_8_bits(weights) if stored else weights
    name = "blocks.0.recurrent.forward_rnn."
    builder = GraphBuilder(weights, int8=True)
    outputs, _ = builder.recurrent("lstm", builder.input("inputs", ["T", 1, 8]), [name])
    builder.output("outputs", outputs, ["T", 1, 8])
    inputs = np.random.default_rng(0).standard_normal(8).astype(np.float32)
    (ours,) = open_session(builder.build()).run(None, {"inputs": inputs[None, None]})
    bias = weights[f"{name}bias_ih_l0"] + weights[f"{name}bias_hh_l0"]
    matrices = [weights.quantized(f"{name}weight_{kind}_l0") for kind in ("ih", "hh")]
    expected = emulate_step(inputs, matrices, bias)
    np.testing.assert_allclose(ours[0, 0], expected, atol=2e-6)
    exact = {key: value.astype(np.float64) for key, value in weights.items()}
    full, _ = next(run_cell(exact, name[:-1], "lstm", [inputs]))
    assert np.abs(full - expected).max() > 1e-4  # the rounding shows, so that the test above sees it


def test_weights_of_8_bits_are_in_the_graph_as_they_are_stored():
    settings_ = make_settings()
    weights = store_in_8_bits(make_weights(settings_, VOCAB_SIZE))
    for graph in (
        AcousticGraphs(weights, settings_, int8=True).utterance(),
        AcousticGraphs(weights, settings_, int8=True).chunk(right_context=True),
    ):
        found = initializers(graph)
        integers = [name for name, value in found.items() if value.dtype == np.int8 and value.size > 1]
        assert sorted(integers) == sorted(name for name in weights if "weight_ih" in name or "weight_hh" in name)
        for name in integers:
            assert np.array_equal(found[name], weights.quantized(name).values)
            assert np.array_equal(found[f"{name}.scale"], weights.quantized(name).scales)


def test_8_bits_that_are_stored_or_made_when_a_model_is_loaded_give_the_same():
    settings_ = make_settings()
    weights = make_weights(settings_, VOCAB_SIZE)
    # Only the LSTMs compute in 8 bits, so only their matrices are stored in them here.
    names = [name for name in weights if "weight_ih" in name or "weight_hh" in name]
    stored = {name: weights[name] for name in weights}
    for name in names:
        stored[name], stored[f"{name}.scale"] = weights.quantized(name)
    features = [make_features(50)]
    first, second = (OnnxNetwork(one, settings_, precision="int8").run(features) for one in (weights, Weights(stored)))
    assert np.array_equal(first, second)


def test_weights_of_7_bits_lose_no_more():
    """A file that holds 7 bits, such as `write_onnx` makes, is loaded where 7 bits are needed."""
    settings_ = make_settings(num_layers=1)
    weights = store_in_8_bits(make_weights(settings_, VOCAB_SIZE))
    once = initializers(AcousticGraphs(weights, settings_, int8=True, narrow=True).utterance())
    again = {name: value for name, value in once.items() if not name.startswith("constant.")}
    statistics = {name: weights[name] for name in ("feature_mean", "feature_deviation")}
    twice = initializers(AcousticGraphs(Weights(again | statistics), settings_, int8=True, narrow=True).utterance())
    matrices = [name for name, value in once.items() if value.dtype == np.int8 and value.size > 1]
    assert len(matrices) == 4
    assert all(np.abs(once[name]).max() == 64 for name in matrices)
    for name in matrices:
        assert np.array_equal(twice[name], once[name])
        assert np.array_equal(twice[f"{name}.scale"], once[f"{name}.scale"])


# The graph, and networks in processes and threads


def initializers(graph) -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    return {one.name: numpy_helper.to_array(one) for one in graph.graph.initializer}


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_each_weight_is_in_the_graph_once(cell: str, int8: bool):
    settings_ = make_settings(cell)
    weights = make_weights(settings_, VOCAB_SIZE)
    graph = AcousticGraphs(weights, settings_, int8=int8).utterance()
    names = [one.name for one in graph.graph.initializer]
    assert len(set(names)) == len(names)
    held = {name for name in names if not name.startswith("constant.") and not name.endswith(".scale")}
    assert held == acoustic_shapes(settings_, VOCAB_SIZE).keys() - {"feature_mean", "feature_deviation"}
    assert max(initializers(graph)[name].size for name in names if name.startswith("constant.")) < 10


def test_a_value_that_is_added_twice_is_one():
    builder = GraphBuilder(Weights({"a": np.ones(3, np.float32)}))
    assert builder.weight("a") == builder.weight("a") == "a"
    assert builder.constant([1, 2]) == builder.constant(np.array([1, 2]))
    # Of other types or shapes, it is another.
    others = {
        builder.constant([1, 2], np.int32),
        builder.constant([[1, 2]]),
        builder.constant([1, 2]),
        builder.constant(1),
    }
    assert len(others) == 4


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_network_that_was_pickled_gives_the_same(precision: str):
    network = make_network(make_settings(), precision)
    features = make_features(60)
    again = pickle.loads(pickle.dumps(network))
    assert again.precision == precision
    assert np.array_equal(again.run([features])[0], network.run([features])[0])
    streams = [one.streaming(ChunkSize(4, 4)) for one in (network, again)]
    outputs = []
    for streaming in streams:
        stream = streaming.start()
        stream.feed(features, last=True)
        outputs.append(streaming.run([stream])[0])
    assert np.array_equal(*outputs)


def test_many_threads_at_once_give_what_one_gives():
    network = make_network(make_settings(num_layers=3))
    utterances = [make_features(50 + index, seed=index) for index in range(24)]
    alone = [network.run([one])[0] for one in utterances]
    start = threading.Barrier(8)

    def run(first: int) -> list[np.ndarray]:
        start.wait(10)
        return [network.run([one])[0] for one in utterances[first::8] * 5]

    with ThreadPoolExecutor(8) as pool:
        for first, found in enumerate(pool.map(run, range(8))):
            assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, alone[first::8] * 5, strict=True))


def test_no_thread_is_left_after_a_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("asr.runtime.threads.count_threads", lambda: 4)
    network = make_network(make_settings())
    before = threading.active_count()
    network.run([make_features(30)] * 8)
    assert threading.active_count() == before


@needs_fork
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_forked_child_runs_a_network_that_its_parent_has_run(precision: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("asr.runtime.threads.count_threads", lambda: 2)
    network = make_network(make_settings(), precision)
    utterances = [make_features(length) for length in (60, 40, 20)]
    expected = network.run(utterances)

    def runs() -> bool:
        return all(map(np.array_equal, network.run(utterances), expected))

    assert is_true_in_fork(runs)
    assert runs()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-50, 50, width=32), min_size=8, max_size=8), st.integers(0, 99))
def test_layer_norm_and_linear_are_their_definitions(values: list[float], seed: int):
    drawn = draw_weights({"norm.weight": (8,), "norm.bias": (8,), "head.weight": (5, 8), "head.bias": (5,)}, seed)
    rng = np.random.default_rng(seed)
    drawn |= {name: rng.standard_normal(8).astype(np.float32) for name in ("norm.weight", "norm.bias")}
    builder = GraphBuilder(Weights(drawn))
    normalised = builder.layer_norm(builder.input("inputs", ["T", 8]), "norm")
    builder.output("outputs", builder.linear(normalised, "head"), ["T", 5])
    inputs = np.array([values], np.float32)
    (ours,) = open_session(builder.build()).run(None, {"inputs": inputs})
    exact = {name: value.astype(np.float64) for name, value in drawn.items()}
    expected = normalise(exact, "norm", inputs.astype(np.float64)) @ exact["head.weight"].T + exact["head.bias"]
    np.testing.assert_allclose(ours, expected, atol=2e-3 if np.ptp(values) < 0.1 else 1e-4)
