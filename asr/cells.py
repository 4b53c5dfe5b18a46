"""The recurrent cells that networks of speech and of language are built from."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

Cell = Literal["lstm", "gru", "rnn"]
_CELLS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def make_layer(cell: Cell, input_size: int, hidden_size: int, *, batch_first: bool) -> nn.RNNBase:
    """One layer in one direction; an LSTM's forget gate starts open."""
    layer = _CELLS[cell](input_size, hidden_size, batch_first=batch_first)
    if isinstance(layer, nn.LSTM):
        _open_forget_gate(layer)
    return layer


def _open_forget_gate(lstm: nn.LSTM) -> None:
    """Start with the forget gate open (Jozefowicz et al. 2015): gradients reach back from the first step."""
    hidden = lstm.hidden_size
    with torch.no_grad():
        for name, value in (("bias_ih_l0", 1.0), ("bias_hh_l0", 0.0)):
            lstm.get_parameter(name)[hidden : 2 * hidden] = value
