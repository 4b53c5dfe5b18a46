"""The network against recurrences written out, and the batches that it reads."""

import pytest
import torch
from asr.language.rnn.network import LanguageNetwork
from hypothesis import given
from hypothesis import strategies as st

from asr.config import LanguageNetworkSettings
from asr.language.rnn.bptt import IGNORED, LINE_BREAK, continuous_segments, make_segments, sentence_segments


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


@given(st.integers(1, 60), st.integers(1, 7), st.integers(1, 9))
def test_continuous_text_is_read_once_in_order_by_batches_that_go_on(num_tokens: int, batch_size: int, length: int):
    tokens = torch.arange(1, num_tokens + 1)
    segments = list(continuous_segments(tokens, batch_size=batch_size, length=length))
    assert [segment.starts for segment in segments] == [True] + [False] * (len(segments) - 1)
    assert all(len(segment.inputs) <= length for segment in segments)
    inputs, targets = (
        torch.cat([getattr(segment, name) for segment in segments]).t() for name in ("inputs", "targets")
    )
    read = targets.flatten()
    assert read[read != IGNORED].tolist() == tokens.tolist()
    assert sum(segment.num_tokens for segment in segments) == num_tokens
    # What is read before a token is the token before it; before the first, a line break.
    assert (inputs.flatten()[read != IGNORED] == torch.cat([torch.tensor([LINE_BREAK]), tokens[:-1]])).all()


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(1, 7), st.integers(1, 9), st.integers(0, 3))
def test_sentences_are_each_read_once_from_a_fresh_start(sizes, batch_size, length, seed):
    lines = [torch.tensor([*range(100 * n + 1, 100 * n + size + 1), LINE_BREAK]) for n, size in enumerate(sizes)]
    found, inputs, targets = [], None, None
    for segment in [*sentence_segments(lines, batch_size=batch_size, length=length, seed=seed), None]:
        if segment is None or segment.starts:
            for column in range(0 if targets is None else targets.shape[1]):
                kept = targets[:, column] != IGNORED
                line = targets[kept, column]
                assert inputs[kept, column].tolist() == [LINE_BREAK, *line[:-1].tolist()]
                found.append(line.tolist())
            if segment is not None:
                inputs, targets = segment.inputs, segment.targets
        else:
            inputs, targets = torch.cat([inputs, segment.inputs]), torch.cat([targets, segment.targets])
    assert sorted(found) == sorted(line.tolist() for line in lines)


def test_the_order_of_lines_depends_on_the_seed_alone():
    lines = [torch.tensor([n, LINE_BREAK]) for n in range(1, 40)]

    def order(seed):
        return [
            segment.targets.tolist()
            for segment in make_segments(lines, independent=True, batch_size=4, length=5, seed=seed)
        ]

    assert order(1) == order(1) != order(2)
