"""The acoustic model: features in, log probabilities of tokens out.

    features (B, T, F) ──► convolutions, T / 4 ──► recurrent layers with residuals ──► log_probs (B, T', V)

What comes out for an utterance depends on nothing else in its batch. Knows nothing of words.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr.acoustic.chunks import Windows
from asr.acoustic.rnn import RecurrentLayer
from asr.config import AcousticSettings
from asr.runtime.network import ChunkSize, subsampled


class Output(NamedTuple):
    """What the model says of a batch.

    Attributes:
        log_probs: (B, T', V) natural-log probabilities; frames past a length are undefined.
        lengths: (B,) valid frames of T'.
        intermediate: (B, T', V) the same from the middle layer, where asked for.
    """

    log_probs: Tensor
    lengths: Tensor
    intermediate: Tensor | None = None


class AcousticModel(nn.Module):
    """Convolutional subsampling, a deep recurrent stack and a CTC head.

    Args:
        settings: Cell, direction, depth and width.
        num_mels: F, bands of the features.
        vocab_size: V, tokens with the blank, which is token 0.
    """

    feature_mean: Tensor
    feature_deviation: Tensor

    def __init__(self, settings: AcousticSettings, *, num_mels: int, vocab_size: int) -> None:
        super().__init__()
        width = settings.hidden_size * (2 if settings.direction == "bi" else 1)
        # The training set's statistics belong to the weights: without them the rest is useless.
        self.register_buffer("feature_mean", torch.zeros(num_mels))
        self.register_buffer("feature_deviation", torch.ones(num_mels))
        self.subsampling = Subsampling(num_mels, settings.conv_channels, width)
        self.blocks = nn.ModuleList(RecurrentBlock(width, settings) for _ in range(settings.num_layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(width, vocab_size)

    def forward(
        self, features: Tensor, lengths: Tensor, *, with_intermediate: bool = False, chunk_size: ChunkSize | None = None
    ) -> Output:
        """Log probabilities of a padded batch.

        Args:
            features: (B, T, F) normalised log-mel features.
            lengths: (B,) valid frames of T.
            with_intermediate: Also read the middle layer through the same head.
            chunk_size: Read as streams of such a chunk size are read; None: whole utterances.
        """
        hidden, lengths = self.subsampling(features, lengths)
        hidden = self.dropout(hidden)
        windows = None if chunk_size is None else Windows(lengths.to(hidden.device), hidden.shape[1], chunk_size)
        if windows is not None:
            hidden = windows.cut(hidden)
        middle = None
        for index, block in enumerate(self.blocks):
            hidden = block(hidden, lengths, windows)
            if with_intermediate and index == (len(self.blocks) - 1) // 2:
                middle = self.read_out(hidden if windows is None else windows.join(hidden))
        return Output(self.read_out(hidden if windows is None else windows.join(hidden)), lengths, middle)

    def read_out(self, hidden: Tensor) -> Tensor:
        """The CTC head: (B, T', D) of a layer to (B, T', V) natural-log probabilities."""
        logits = self.head(self.dropout(self.norm(hidden)))
        return F.log_softmax(logits.float(), dim=-1)


class Subsampling(nn.Module):
    """Two 3x3 convolutions of stride 2, masked, and a projection: (B, T, F) to (B, T / 4, width)."""

    def __init__(self, num_mels: int, channels: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, channels, kernel_size=3, stride=2, padding=1) for before in (1, channels)
        )
        self.projection = nn.Linear(channels * subsampled(num_mels), width)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        hidden = features[:, None]
        for convolution in self.convolutions:
            # Padding must be zero before each convolution, as it is beyond the end of the tensor.
            hidden = _mask_padding(hidden, lengths)
            hidden = F.relu(convolution(hidden))
            lengths = (lengths + 1) // 2
        return self.project(hidden), lengths

    def project(self, images: Tensor) -> Tensor:
        """(B, C, T', F') of the last convolution to (B, T', width)."""
        batch, channels, frames, bands = images.shape
        hidden: Tensor = self.projection(images.transpose(1, 2).reshape(batch, frames, channels * bands))
        return hidden


class RecurrentBlock(nn.Module):
    """Layer norm, recurrence, dropout and a residual connection; width stays."""

    def __init__(self, width: int, settings: AcousticSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.recurrent = RecurrentLayer(width, settings.hidden_size, cell=settings.cell, direction=settings.direction)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, hidden: Tensor, lengths: Tensor, windows: Windows | None = None) -> Tensor:
        """(B, T, D), or with windows (B * K, W, D); the shape stays."""
        normed = self.norm(hidden)
        layer = self.recurrent
        outputs: Tensor = layer(normed, lengths) if windows is None else layer.forward_windows(normed, windows)[0]
        return hidden + self.dropout(outputs)


def _mask_padding(images: Tensor, lengths: Tensor) -> Tensor:
    """Zero (B, C, T, F) past each length."""
    valid = torch.arange(images.shape[2], device=images.device) < lengths.to(images.device)[:, None]
    return images * valid[:, None, :, None]
