"""Recurrent layers over padded batches, in one direction or two.

The output for an utterance does not depend on its neighbours in the batch. Knows nothing of speech.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from asr.acoustic.cells import make_layer
from asr.acoustic.chunks import Windows
from asr.config import Cell

Direction = Literal["bi", "forward"]


class RecurrentLayer(nn.Module):
    """A recurrent layer in the forward direction, or in both (Schuster & Paliwal 1997).

    Packed sequences fall off oneDNN's fused path (5 times slower on 2 cores), so the backward
    direction runs forward over each utterance reversed within its own length: padding stays
    at the end, where neither direction meets it before the utterance.

    Args:
        input_size: D, width of the inputs.
        hidden_size: H, units per direction.
        cell: Kind of recurrence.
        direction: "bi" or "forward".
    """

    def __init__(self, input_size: int, hidden_size: int, *, cell: Cell = "lstm", direction: Direction = "bi") -> None:
        super().__init__()
        both = direction == "bi"
        self.output_size = hidden_size * (2 if both else 1)
        self.forward_rnn = make_layer(cell, input_size, hidden_size, batch_first=True)
        self.backward_rnn = make_layer(cell, input_size, hidden_size, batch_first=True) if both else None

    def forward(self, inputs: Tensor, lengths: Tensor, state: Any = None) -> Tensor:
        """Compute (B, T, H or 2H) from (B, T, D) and (B,) valid frames; frames past a length are undefined.

        The forward direction continues from a state, in the form that its nn.RNNBase takes; None: from the beginning.
        """
        return self._add_backward(self.forward_rnn(inputs, state)[0], inputs, lengths)

    def forward_windows(self, inputs: Tensor, windows: Windows, state: Any = None) -> tuple[Tensor, Any]:
        """Compute (B * K, W, H or 2H) from windows (B * K, W, D), as `forward` does without seeing past a window's end.

        The forward direction continues from chunk to chunk, and from each chunk into its right context.
        Its state after the last chunk is also returned: streams continue from there.
        """
        chunks = inputs[:, : windows.chunk].reshape(-1, windows.count, windows.chunk, inputs.shape[-1])  # (B, K, C, D)
        of_chunks, states = [], []
        for chunk in chunks.unbind(1):
            output, state = self.forward_rnn(chunk, state)
            of_chunks.append(output)
            states.append(state)
        outputs = torch.stack(of_chunks, dim=1).flatten(0, 1)  # (B * K, C, H)
        right_context = inputs[:, windows.chunk :]
        if right_context.shape[1] > 0:
            outputs = torch.cat([outputs, self.forward_rnn(right_context, _join_chunk_states(states))[0]], dim=1)
        return self._add_backward(outputs, inputs, windows.lengths), state

    def _add_backward(self, outputs: Tensor, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Append the backward direction's outputs, if there is one."""
        if self.backward_rnn is None:
            return outputs
        backward = self.backward_rnn(reverse_within_lengths(inputs, lengths))[0]
        return torch.cat([outputs, reverse_within_lengths(backward, lengths)], dim=-1)


def _join_chunk_states(states: list[Any]) -> Any:
    """Join states (1, B, H) after each of K chunks into one (1, B * K, H); an LSTM's is a pair of tensors."""
    if isinstance(states[0], tuple):
        return tuple(torch.stack(parts, dim=2).flatten(1, 2) for parts in zip(*states, strict=True))
    return torch.stack(states, dim=2).flatten(1, 2)


def reverse_within_lengths(sequences: Tensor, lengths: Tensor) -> Tensor:
    """Reverse each sequence of (B, T, D) within its own of (B,) lengths; padding stays in place."""
    positions = torch.arange(sequences.shape[1], device=sequences.device)
    lengths = lengths.to(sequences.device)[:, None]
    order = torch.where(positions < lengths, lengths - 1 - positions, positions)
    reversed_: Tensor = _Reorder.apply(sequences, order)  # type: ignore[no-untyped-call]
    return reversed_


class _Reorder(torch.autograd.Function):
    """Reorders frames by a permutation that is its own inverse, and so its own gradient.

    Autograd's gradient of indexing adds with atomics or a sort; this one copies.
    """

    @staticmethod
    def forward(ctx: Any, sequences: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return sequences.gather(1, order[..., None].expand(sequences.shape))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        return gradient.gather(1, order[..., None].expand(gradient.shape)), None
