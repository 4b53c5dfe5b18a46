"""Language networks on ONNX Runtime, against recurrences written out in numpy."""

import multiprocessing
import pickle
import threading

import numpy as np
import pytest

from asr.config import LanguageNetworkSettings
from asr.runtime.language_network import OnnxLanguageNetwork
from tests.language.rnn.rnn_models import make_weights

VOCAB_SIZE = 7


def make_network(precision="fp32", **chosen):
    settings = LanguageNetworkSettings(**{"hidden_size": 6, "embedding_size": 4, "dropout": 0.0, **chosen})
    weights = make_weights(settings, VOCAB_SIZE, seed=1, spread=1.5)
    return OnnxLanguageNetwork(weights, settings, precision=precision)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def lstm_step(given, recurrent, states):
    _, cell = states
    enter, forget, change, leave = np.split(given + recurrent, 4, axis=-1)
    cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(change)
    return [sigmoid(leave) * np.tanh(cell), cell]


def gru_step(given, recurrent, states):
    (hidden,) = states
    (reset, update, new), (own_reset, own_update, own_new) = (np.split(part, 3, axis=-1) for part in (given, recurrent))
    update = sigmoid(update + own_update)
    return [(1 - update) * np.tanh(new + sigmoid(reset + own_reset) * own_new) + update * hidden]


def rnn_step(given, recurrent, states):
    return [np.tanh(given + recurrent)]


STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}


def compute(network, tokens, state):
    """Log probabilities (T, B, V) and the state, in float64."""
    settings = network.settings
    weights = {name: value.astype(np.float64) for name, value in network.weights.items()}
    hidden, after = weights["embedding.weight"][tokens], []
    for index, states in enumerate(np.split(state.astype(np.float64), settings.num_layers)):
        prefix = f"layers.{index}."
        layer = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        current, outputs = list(states), []
        for inputs in hidden:
            given = inputs @ layer["weight_ih_l0"].T + layer["bias_ih_l0"]
            recurrent = current[0] @ layer["weight_hh_l0"].T + layer["bias_hh_l0"]
            current = STEPS[settings.cell](given, recurrent, current)
            outputs.append(current[0])
        after += current
        hidden = np.stack(outputs) + (hidden if index else 0)
    if "projection.weight" in weights:
        hidden = hidden @ weights["projection.weight"].T + weights["projection.bias"]
    matrix = weights["embedding.weight" if settings.tied else "head_weight"]
    logits = hidden @ matrix.T + weights["head_bias"]
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)), np.stack(after)


def run(network, tokens, state):
    outputs, after = network.run(tokens, state)
    return network.predict(outputs.reshape(-1, outputs.shape[-1])).reshape(*tokens.shape, -1), after


def random_input(network, shape=(5, 3), seed=0):
    rng = np.random.default_rng(seed)
    state = network.initial_state(shape[1])
    return rng.integers(0, VOCAB_SIZE, shape), rng.uniform(-1, 1, state.shape).astype(np.float32)


SHAPES = [{}, {"num_layers": 1}, {"num_layers": 3, "tied": True}, {"embedding_size": 6, "tied": True}]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_network_is_the_recurrence_written_out(cell: str, shape: dict[str, object]):
    network = make_network(cell=cell, **shape)
    tokens, state = random_input(network)
    found, expected = run(network, tokens, state), compute(network, tokens, state)
    for values, expected_values in zip(found, expected, strict=True):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected_values, atol=1e-5)


def test_int8_is_close_and_for_lstms_alone(monkeypatch):
    monkeypatch.delenv("ASR_PRECISION", raising=False)
    exact, fast = (make_network(precision, hidden_size=64, embedding_size=32) for precision in ("fp32", "int8"))
    tokens, state = random_input(exact, (20, 4))
    difference = np.abs(run(fast, tokens, state)[0] - run(exact, tokens, state)[0])
    assert 0 < difference.max() < 0.1
    assert difference.mean() < 0.01
    assert [make_network(precision).precision for precision in ("auto", "fp32", "bf16")] == ["int8", "fp32", "fp32"]
    assert make_network("int8", cell="gru").precision == "fp32"


def test_tokens_one_by_one_give_what_they_give_at_once():
    network = make_network()
    tokens, state = random_input(network, (6, 2))
    whole, last = run(network, tokens, state)
    parts = []
    for row in tokens:
        part, state = run(network, row[None], state)
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    np.testing.assert_allclose(state, last, atol=1e-6)


def _run_in_child(network, tokens, state, queue):
    queue.put(run(network, tokens, state)[0])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_compute_the_same(method: str):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    network = make_network("int8")
    tokens, state = random_input(network)
    expected = run(network, tokens, state)[0]  # sessions exist, which a forked process inherits
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=_run_in_child, args=(network, tokens, state, queue))
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=60), expected)
    child.join(timeout=60)
    assert child.exitcode == 0


def test_threads_share_a_network_and_pickles_hold_no_session():
    network = pickle.loads(pickle.dumps(make_network()))
    inputs = [random_input(network, seed=seed) for seed in range(8)]
    found: list[object] = [None] * len(inputs)

    def work(index):
        found[index] = run(network, *inputs[index])[0]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for values, given in zip(found, inputs, strict=True):
        np.testing.assert_allclose(values, compute(network, *given)[0], atol=1e-5)
    assert len(pickle.dumps(network)) < 1.2 * len(pickle.dumps(make_network()))
