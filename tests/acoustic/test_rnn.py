import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.acoustic.rnn import RecurrentLayer, reverse_within_lengths

REFERENCE = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def packed_twin(layer: RecurrentLayer, cell: str, input_size: int, hidden_size: int) -> nn.RNNBase:
    """torch's own bidirectional layer with the same weights."""
    twin = REFERENCE[cell](input_size, hidden_size, batch_first=True, bidirectional=True)
    weights = {name: value.clone() for name, value in layer.forward_rnn.state_dict().items()}
    weights |= {f"{name}_reverse": value.clone() for name, value in layer.backward_rnn.state_dict().items()}
    twin.load_state_dict(weights)
    return twin


def run_packed(twin: nn.RNNBase, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(twin(packed)[0], batch_first=True, total_length=inputs.shape[1])[0]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 13), min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_outputs_and_gradients_equal_torch_on_packed_sequences(cell: str, lengths: list[int], seed: int):
    torch.manual_seed(seed)
    layer = RecurrentLayer(5, 7, cell=cell)
    twin = packed_twin(layer, cell, 5, 7)
    inputs = torch.randn(len(lengths), max(lengths) + 2, 5, requires_grad=True)
    other_inputs = inputs.detach().clone().requires_grad_()
    lengths = torch.tensor(lengths)
    valid = torch.arange(inputs.shape[1]) < lengths[:, None]

    ours, theirs = layer(inputs, lengths)[valid], run_packed(twin, other_inputs, lengths)[valid]
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)

    ours.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(inputs.grad, other_inputs.grad, atol=1e-5, rtol=1e-4)
    backward = layer.backward_rnn.weight_hh_l0.grad
    torch.testing.assert_close(backward, twin.weight_hh_l0_reverse.grad, atol=1e-4, rtol=1e-4)


def test_reversal_leaves_padding_in_place():
    sequences = torch.tensor([[1, 2, 3, 0], [4, 5, 0, 0]]).float()[..., None]
    reversed_ = reverse_within_lengths(sequences, torch.tensor([3, 2]))
    assert reversed_[..., 0].tolist() == [[3, 2, 1, 0], [5, 4, 0, 0]]


def test_the_gradient_of_reversal_is_right():
    sequences = torch.randn(3, 5, 2, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([5, 1, 3])
    assert torch.autograd.gradcheck(lambda x: reverse_within_lengths(x, lengths), sequences)


def test_a_forward_layer_does_not_see_the_future():
    layer = RecurrentLayer(3, 4, direction="forward")
    inputs = torch.randn(1, 6, 3)
    changed = inputs.clone()
    changed[:, 4:] = 9.0
    lengths = torch.tensor([6])
    torch.testing.assert_close(layer(inputs, lengths)[:, :4], layer(changed, lengths)[:, :4])
    assert layer.output_size == 4
