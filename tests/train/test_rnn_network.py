"""The network in torch against recurrences written out."""

import numpy as np
import pytest
import torch

from asr.acoustic.weights import get_weights
from asr.config import LanguageNetworkSettings
from asr.runtime.language_network import OnnxLanguageNetwork
from asr.runtime.parameters import language_shapes
from asr.train.rnn_network import LanguageNetwork, TorchLanguageNetwork
from asr.weights import Weights


def lstm_by_hand(layer, inputs, hidden, cell):
    outputs = []
    for step in inputs:
        gates = step @ layer.weight_ih_l0.T + layer.bias_ih_l0 + hidden @ layer.weight_hh_l0.T + layer.bias_hh_l0
        enter, forget, change, leave = gates.chunk(4, dim=-1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(change)
        hidden = torch.sigmoid(leave) * torch.tanh(cell)
        outputs.append(hidden)
    return torch.stack(outputs), hidden, cell


@pytest.mark.parametrize("tied", [False, True])
def test_two_lstm_layers_are_the_recurrence_written_out(tied: bool):
    torch.manual_seed(1)
    settings = LanguageNetworkSettings(num_layers=2, hidden_size=6, embedding_size=4, dropout=0.0, tied=tied)
    network = LanguageNetwork(settings, vocab_size=7).double()
    tokens, state = torch.randint(7, (5, 3)), torch.randn(4, 3, 6, dtype=torch.float64)
    logits, after = network(tokens, state)
    first, h0, c0 = lstm_by_hand(network.layers[0], network.embedding.weight[tokens], state[0], state[1])
    second, h1, c1 = lstm_by_hand(network.layers[1], first, state[2], state[3])
    hidden = first + second
    if tied:
        hidden = hidden @ network.projection.weight.T + network.projection.bias
    weight = network.embedding.weight if tied else network.head_weight
    torch.testing.assert_close(logits, hidden @ weight.T + network.head_bias)
    torch.testing.assert_close(after, torch.stack([h0, c0, h1, c1]))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_scoring_in_pieces_changes_nothing(cell: str):
    torch.manual_seed(2)
    settings = LanguageNetworkSettings(cell=cell, hidden_size=6, embedding_size=4, dropout=0.0)
    network = LanguageNetwork(settings, vocab_size=5).double()
    tokens = torch.randint(5, (9, 2))
    whole, last = network(tokens, network.initial_state(2))
    state, pieces = network.initial_state(2), []
    for first, end in ((0, 4), (4, 5), (5, 9)):
        logits, state = network(tokens[first:end], state)
        pieces.append(logits)
    torch.testing.assert_close(torch.cat(pieces), whole)
    torch.testing.assert_close(state, last)


def test_tied_weights_are_held_once():
    sizes = {}
    for tied in (False, True):
        settings = LanguageNetworkSettings(hidden_size=6, embedding_size=6, tied=tied)
        sizes[tied] = sum(value.numel() for value in LanguageNetwork(settings, vocab_size=50).state_dict().values())
    assert sizes[False] - sizes[True] == 50 * 6


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_runtime_computes_what_was_trained(cell: str, tied: bool):
    torch.manual_seed(3)
    settings = LanguageNetworkSettings(cell=cell, hidden_size=12, embedding_size=7, dropout=0.5, tied=tied)
    network = LanguageNetwork(settings, vocab_size=9).eval()
    weights = Weights(get_weights(network))
    assert {name: value.shape for name, value in weights.items()} == language_shapes(settings, 9)
    tokens = torch.randint(9, (8, 4)).numpy()
    trained, runtime = TorchLanguageNetwork(network), OnnxLanguageNetwork(weights, settings, precision="fp32")
    (outputs, state), (runtime_outputs, runtime_state) = (
        either.run(tokens, either.initial_state(4)) for either in (trained, runtime)
    )
    np.testing.assert_allclose(runtime_state, state, atol=1e-6)
    flat, runtime_flat = outputs.reshape(-1, 12), runtime_outputs.reshape(-1, 12)
    np.testing.assert_allclose(runtime.predict(runtime_flat), trained.predict(flat), atol=1e-5)
