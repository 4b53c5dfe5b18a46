"""The network of a punctuator in torch: words as rows of a table in, scores of marks and capitals out.

runtime/punctuator_network.py, which describes it, computes the same without torch.
"""

import torch
from torch import Tensor, nn

from asr.acoustic.cells import make_layer
from asr.config import PunctuatorNetworkSettings
from asr.runtime.parameters import NUM_CASES, NUM_MARKS, SILENCE_SIZE


class PunctuatorNetwork(nn.Module):
    """Bidirectional LSTMs over words (Tilk & Alumäe 2016), whose vectors are sums over their pieces.

    Each word's vector is the sum of its own and those of its beginning and endings (Bojanowski et al. 2017), so that
    the network knows something of words that it has never seen.
    """

    def __init__(self, settings: PunctuatorNetworkSettings) -> None:
        super().__init__()
        width, hidden = settings.embedding_size + SILENCE_SIZE, settings.hidden_size
        self.embedding = nn.EmbeddingBag(
            1 + settings.num_words + settings.num_pieces, settings.embedding_size, mode="sum"
        )
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.layers = nn.ModuleList(
            BothDirections(2 * hidden if index else width, hidden) for index in range(settings.num_layers)
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.marks = nn.Linear(2 * hidden, NUM_MARKS)
        self.cases = nn.Linear(2 * hidden, NUM_CASES)
        # What a word's mark adds to the scores of the next word's cases.
        self.after_mark = nn.Embedding(NUM_MARKS, NUM_CASES)
        nn.init.zeros_(self.after_mark.weight)

    def forward(self, rows: Tensor, silences: Tensor) -> tuple[Tensor, Tensor]:
        """Score words (T, B, P) with encoded silences (T, B, 2): marks (T, B, M), and cases (T, B, C).

        To the cases belongs what `after_mark` adds.
        """
        summed = self.embedding(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])  # (T, B, E)
        hidden = torch.cat([self.dropout(summed), silences], dim=-1)
        for layer in self.layers:
            hidden = self.dropout(layer(hidden))  # (T, B, 2H)
        return self.marks(hidden), self.cases(hidden)


class BothDirections(nn.Module):
    """An LSTM in both directions over (T, B, D), all of the same length."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.forward_rnn = make_layer("lstm", input_size, hidden_size, batch_first=False)
        self.backward_rnn = make_layer("lstm", input_size, hidden_size, batch_first=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (T, B, 2H)."""
        backward = self.backward_rnn(inputs.flip(0))[0].flip(0)
        return torch.cat([self.forward_rnn(inputs)[0], backward], dim=-1)
