"""The acoustic model: features in, log probabilities of tokens out.

    features (B, T, F) ──► convolutions, T / 4 ──► recurrent layers with residuals ──► log_probs (B, T', V)

Frames of a pre-trained encoder go to the recurrent layers without convolutions, by a projection alone.

The output for an utterance does not depend on its neighbours in the batch. Knows nothing of words.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr.acoustic.chunks import Windows
from asr.acoustic.rnn import RecurrentLayer
from asr.config import AcousticSettings
from asr.runtime.network import ChunkSize
from asr.signal.front_end import subsampled


class Output(NamedTuple):
    """Natural-log probabilities of a batch."""

    log_probs: Tensor  # (B, T', V); frames past a length are undefined
    lengths: Tensor  # (B,) valid frames of T'
    intermediate: Tensor | None = None  # (B, T', V) from the middle layer, if requested


class AcousticModel(nn.Module):
    """Convolutional subsampling, a deep recurrent stack and a CTC head.

    Args:
        settings: Cell, direction, depth and width.
        feature_size: F.
        vocab_size: V, number of tokens, including the blank, which is token 0.
        num_convolutions: Each halves the number of frames.
    """

    feature_mean: Tensor
    feature_deviation: Tensor
    blocks: Sequence["RecurrentBlock"]

    def __init__(
        self, settings: AcousticSettings, *, feature_size: int, vocab_size: int, num_convolutions: int = 2
    ) -> None:
        super().__init__()
        width = settings.hidden_size * (2 if settings.direction == "bi" else 1)
        # The training set's statistics belong to the weights, which are useless without them.
        self.register_buffer("feature_mean", torch.zeros(feature_size))
        self.register_buffer("feature_deviation", torch.ones(feature_size))
        self.subsampling = Subsampling(feature_size, settings.conv_channels, width, num_convolutions)
        blocks = nn.ModuleList(RecurrentBlock(width, settings) for _ in range(settings.num_layers))
        self.blocks = blocks  # type: ignore[assignment]
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(width, vocab_size)

    def forward(
        self, features: Tensor, lengths: Tensor, *, with_intermediate: bool = False, chunk_size: ChunkSize | None = None
    ) -> Output:
        """Compute the log probabilities of a padded batch.

        Args:
            features: (B, T, F) normalised features.
            lengths: (B,) valid frames of T.
            with_intermediate: Also apply the head to the middle layer.
            chunk_size: See only as much of each utterance as a stream with these chunks does; None: all of it.
        """
        hidden, lengths = self.subsampling(features, lengths)
        hidden = self.dropout(hidden)
        windows = None if chunk_size is None else Windows(lengths.to(hidden.device), hidden.shape[1], chunk_size)
        if windows is not None:
            hidden = windows.cut(hidden)
        middle = None
        for index, block in enumerate(self.blocks):
            hidden = block(hidden, lengths) if windows is None else block.forward_windows(hidden, windows)[0]
            if with_intermediate and index == (len(self.blocks) - 1) // 2:
                middle = self.read_out(hidden if windows is None else windows.join(hidden))
        return Output(self.read_out(hidden if windows is None else windows.join(hidden)), lengths, middle)

    def read_out(self, hidden: Tensor) -> Tensor:
        """Apply the CTC head to a layer (B, T', D): (B, T', V) natural-log probabilities."""
        logits = self.head(self.dropout(self.norm(hidden)))
        return F.log_softmax(logits.float(), dim=-1)


class Subsampling(nn.Module):
    """3x3 convolutions of stride 2, masked, and a projection: with two of them (B, T, F) to (B, T / 4, width)."""

    def __init__(self, feature_size: int, channels: int, width: int, num_convolutions: int) -> None:
        super().__init__()
        sizes = [1] + [channels] * num_convolutions
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1) for before, after in pairwise(sizes)
        )
        self.projection = nn.Linear(sizes[-1] * subsampled(feature_size, num_convolutions), width)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        hidden = features[:, None]
        for convolution in self.convolutions:
            # Padding must be zero before each convolution, like what lies beyond the end of the tensor.
            valid = torch.arange(hidden.shape[2], device=hidden.device) < lengths.to(hidden.device)[:, None]  # (B, T)
            hidden = F.relu(convolution(hidden * valid[:, None, :, None]))
            lengths = (lengths + 1) // 2
        return self.project(hidden), lengths

    def project(self, images: Tensor) -> Tensor:
        """Project the last convolution's (B, C, T', F') to (B, T', width)."""
        hidden: Tensor = self.projection(images.transpose(1, 2).flatten(2))
        return hidden


class RecurrentBlock(nn.Module):
    """Layer norm, recurrence, dropout and a residual connection; the width stays the same."""

    def __init__(self, width: int, settings: AcousticSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.recurrent = RecurrentLayer(width, settings.hidden_size, cell=settings.cell, direction=settings.direction)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, hidden: Tensor, lengths: Tensor, state: Any = None) -> Tensor:
        """Transform (B, T, D) with (B,) valid frames; `state` as for `RecurrentLayer`."""
        outputs: Tensor = self.dropout(self.recurrent(self.norm(hidden), lengths, state))
        return hidden + outputs

    def forward_windows(self, hidden: Tensor, windows: Windows, state: Any = None) -> tuple[Tensor, Any]:
        """Transform windows (B * K, W, D); see `RecurrentLayer.forward_windows`."""
        outputs, state = self.recurrent.forward_windows(self.norm(hidden), windows, state)
        return hidden + self.dropout(outputs), state
