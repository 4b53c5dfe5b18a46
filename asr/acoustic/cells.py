"""Recurrent layers, from which the networks of speech and of language are built."""

from collections.abc import Callable

import torch
from torch import nn

from asr.config import Cell

_CELLS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def make_layer(cell: Cell, input_size: int, hidden_size: int, *, batch_first: bool) -> nn.RNNBase:
    """Build one layer in one direction."""
    layer = _CELLS[cell](input_size, hidden_size, batch_first=batch_first)
    if isinstance(layer, nn.LSTM):
        # The forget gate starts open (Jozefowicz et al. 2015), so that gradients reach back from the first step.
        with torch.no_grad():
            for name, value in (("bias_ih_l0", 1.0), ("bias_hh_l0", 0.0)):
                layer.get_parameter(name)[hidden_size : 2 * hidden_size] = value
    return layer
