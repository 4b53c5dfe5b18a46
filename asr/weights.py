"""A network's weights on disk: safetensors, from which no code is ever run; in half precision or in 8 bits.

In 8 bits a matrix is stored by row: integers from -127 to 127 and, in a tensor NAME.scale, the factor of each row
(symmetric quantisation per channel; Krishnamoorthi 2018, section 3). The network still computes in float32.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from asr.atomic import atomic_write
from asr.errors import ModelError, one_line

_SCALE = ".scale"  # the suffix of the names of scales
_LARGEST = 127


def to_half(network: nn.Module, path: Path) -> dict[str, Tensor]:
    """Return the network's weights in float16; `path` is where they will be saved, for messages.

    Raises:
        ModelError: If one is not finite.
    """
    weights = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    _check_finite(weights, path)
    return weights


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write weights, whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_bytes(save(weights))  # safetensors itself would make the file private


def quantize_weights(path: Path) -> tuple[int, int]:
    """Rewrite a file with its matrices in 8 bits; those that are in 8 bits already do not change.

    Returns:
        The size of the file in bytes, before and after.

    Raises:
        ModelError: If it cannot be read, or holds values that are not finite.
        AsrError: If it cannot be written.
    """
    before, stored = path.stat().st_size if path.is_file() else 0, _read(path)
    _check_finite(stored, path)
    for name, value in list(stored.items()):
        if value.is_floating_point() and value.dim() > 1:
            stored[name], stored[name + _SCALE] = _quantize(value.float())
    save_weights(stored, path)
    return before, path.stat().st_size


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights of a file by name, in float32.

    Raises:
        ModelError: If it cannot be read.
    """
    stored = _read(path)
    scales = {name + _SCALE for name in stored} & stored.keys()
    try:
        return {name: _widen(value, stored.get(name + _SCALE)) for name, value in stored.items() if name not in scales}
    except RuntimeError as error:
        raise ModelError(f"{path}: cannot be read: {error}") from None


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a file's weights into a network, in float32.

    Raises:
        ModelError: If the file cannot be read, does not fit the network, or holds values that are not finite.
    """
    weights = read_weights(path)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = one_line(error)
        raise ModelError(f"{path}: does not fit the config.yaml or tokens.txt of its folder: {reason}") from None
    _check_finite(weights, path)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from None


def _quantize(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return (R, ...) int8 and (R,) float32 scales; a row of zeros has the scale 1."""
    rows = matrix.flatten(1)
    scale = rows.abs().amax(dim=1) / _LARGEST
    scale = torch.where(scale > 0, scale, 1.0)
    return (rows / scale[:, None]).round().to(torch.int8).view(matrix.shape), scale


def _widen(value: Tensor, scale: Tensor | None) -> Tensor:
    return value.float() if scale is None else value.float() * scale.view(-1, *[1] * (value.dim() - 1))


def _check_finite(weights: dict[str, Tensor], path: Path) -> None:
    broken = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    if broken:
        raise ModelError(f"{path}: {broken[0]} holds values that are not finite; the training diverged")
