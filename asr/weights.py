"""A network's weights on disk: half precision, safetensors, from which no code is ever run."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from asr.atomic import replacing
from asr.errors import ModelError


def halve(network: nn.Module, path: Path) -> dict[str, Tensor]:
    """The network's weights in float16, for `path`.

    Raises:
        ModelError: If one is not finite.
    """
    weights = {name: _halved(value) for name, value in network.state_dict().items()}
    _check_finite(weights, path)
    return weights


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write weights whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(save(weights))  # safetensors itself would shut everyone else out of the file


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill a network with weights in float32.

    Raises:
        ModelError: If the file cannot be read, does not fit the network, or holds values that are not finite.
    """
    try:
        weights = {name: value.float() for name, value in load_file(path).items()}
        network.load_state_dict(weights)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{path}: does not fit config.yaml or tokens.txt beside it: {reason}") from None
    _check_finite(weights, path)


def _halved(value: Tensor) -> Tensor:
    return value.half().contiguous() if value.is_floating_point() else value


def _check_finite(weights: dict[str, Tensor], path: Path) -> None:
    broken = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    if broken:
        raise ModelError(f"{path}: {broken[0]} holds values that are not finite; the training diverged")
