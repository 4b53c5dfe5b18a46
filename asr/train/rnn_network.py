"""A recurrent network that predicts the next token of a text: token ids in, logits out.

    tokens (T, B) ──► embedding ──► recurrent layers, with residuals ──► logits (T, B, V)
                                       ▲          │
                             state (K, B, H) ──► state after the last token

Time comes first, as the recurrent layers expect. Knows nothing of text. runtime/language_network.py computes the same
without torch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr.acoustic.cells import make_layer
from asr.config import LanguageNetworkSettings
from asr.weights import Array


class LanguageNetwork(nn.Module):
    """Stacked recurrent layers over embedded tokens (Mikolov et al. 2010; Graves 2013).

    A state is one tensor (K, B, H): for each layer its hidden state and, of an LSTM, its cell.
    """

    def __init__(self, settings: LanguageNetworkSettings, vocab_size: int) -> None:
        super().__init__()
        width, narrow = settings.hidden_size, settings.embedding_size
        self.width = width
        self.states_per_layer = 2 if settings.cell == "lstm" else 1
        self.embedding = nn.Embedding(vocab_size, narrow)
        self.layers = nn.ModuleList(
            make_layer(settings.cell, width if index else narrow, width, batch_first=False)
            for index in range(settings.num_layers)
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.projection = nn.Linear(width, narrow) if settings.tied and width != narrow else nn.Identity()
        # Tied weights are the embedding's own (Press & Wolf 2017; Inan et al. 2017), so that they are stored once.
        self.head_weight = None if settings.tied else nn.Parameter(torch.empty(vocab_size, width))
        self.head_bias = nn.Parameter(torch.zeros(vocab_size))
        matrix = self.embedding.weight if self.head_weight is None else self.head_weight
        nn.init.uniform_(matrix, -(matrix.shape[1] ** -0.5), matrix.shape[1] ** -0.5)

    def initial_state(self, batch_size: int) -> Tensor:
        """Return the state (K, B, H) before any token."""
        return self.head_bias.new_zeros(len(self.layers) * self.states_per_layer, batch_size, self.width)

    def forward(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Process tokens (T, B) from a state (K, B, H).

        Returns:
            (T, B, V) logits of the token after each, and the state (K, B, H) after the last.
        """
        outputs, after = self.run_layers(tokens, state)
        return self.read_out(outputs), after

    def run_layers(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs (T, B, H) for `read_out`, and the state (K, B, H) after the last token."""
        hidden = self.embedding(tokens)  # (T, B, E)
        after: list[Tensor] = []
        for index, (layer, before) in enumerate(zip(self.layers, state.chunk(len(self.layers)), strict=True)):
            outputs, last = layer(hidden, before if len(before) == 1 else before.chunk(2))
            after += last if isinstance(last, tuple) else [last]
            outputs = self.dropout(outputs)
            hidden = outputs if index == 0 else hidden + outputs
        return hidden, torch.cat(after)

    def read_out(self, outputs: Tensor) -> Tensor:
        """Return logits (..., V) of outputs (..., H)."""
        weight = self.embedding.weight if self.head_weight is None else self.head_weight
        return F.linear(self.projection(outputs), weight, self.head_bias)


class TorchLanguageNetwork:
    """The network that is being trained behind `NextTokenNetwork`.

    Args:
        network: In evaluation mode while it is run, if dropout is not desired.
    """

    def __init__(self, network: LanguageNetwork) -> None:
        self._network = network

    def initial_state(self, batch_size: int) -> Array:
        """Return the state (K, B, H) before any token."""
        return self._network.initial_state(batch_size).cpu().numpy()

    @torch.inference_mode()
    def run(self, tokens: Array, state: Array) -> tuple[Array, Array]:
        """See `NextTokenNetwork`."""
        outputs, after = self._network.run_layers(self._to_device(tokens), self._to_device(state))
        return outputs.cpu().numpy(), after.cpu().numpy()

    @torch.inference_mode()
    def predict(self, outputs: Array) -> Array:
        """See `NextTokenNetwork`."""
        logits = self._network.read_out(self._to_device(outputs))
        return F.log_softmax(logits.float(), dim=-1).cpu().numpy()

    def _to_device(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(self._network.head_bias.device)
