"""Networks in torch to and from weights by name, as model folders hold them (asr/weights.py)."""

import torch
from torch import nn

from asr.acoustic.model import AcousticModel
from asr.config import ModelSettings
from asr.signal.front_end import frame_layout
from asr.weights import Array, Weights


def build_acoustic(settings: ModelSettings, vocab_size: int) -> AcousticModel:
    """Build the acoustic model that the settings describe, with random weights."""
    layout = frame_layout(settings.features)
    return AcousticModel(
        settings.acoustic,
        feature_size=layout.size,
        vocab_size=vocab_size,
        num_convolutions=layout.num_convolutions,
    )


def get_weights(network: nn.Module) -> dict[str, Array]:
    """Return copies of a network's weights by name; the network may be on any device."""
    return {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}


def load_weights(network: nn.Module, weights: Weights) -> None:
    """Load weights, which `Weights.check` has found to fit, into a network."""
    network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
