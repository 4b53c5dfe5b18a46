"""A network's weights on disk: safetensors, from which no code is ever run; in half precision or in 8 bits.

In 8 bits a matrix is stored by row: integers from -127 to 127 and, in a tensor NAME.scale, the factor of each row
(symmetric quantisation per channel; Krishnamoorthi 2018, section 3). Knows nothing of what computes with them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from asr.atomic import atomic_write
from asr.errors import ModelError, one_line

Array: TypeAlias = npt.NDArray[Any]
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

SCALE_SUFFIX = ".scale"  # of the names of scales
_LARGEST = 127


class QuantizedMatrix(NamedTuple):
    """A matrix in 8 bits: values (R, ...) int8, of which row r counts in units of scales[r]."""

    values: Array
    scales: Array  # (R,) float32

    def dequantize(self) -> Array:
        """Return the matrix in float32."""
        return self.values.astype(np.float32) * self.scales.reshape(-1, *[1] * (self.values.ndim - 1))


class Weights(Mapping[str, Array]):
    """Weights by name, in float32; matrices also in 8 bits, unchanged if they are stored that way.

    Args:
        stored: Arrays by name. An int8 array NAME comes with its row scales, NAME.scale.

    Raises:
        ValueError: If a type is none of these, or scales are missing or do not fit their matrix.
    """

    def __init__(self, stored: Mapping[str, Array]) -> None:
        scales = {name + SCALE_SUFFIX for name in stored} & stored.keys()
        self._stored = {name: _pair(name, value, stored) for name, value in stored.items() if name not in scales}

    def __getitem__(self, name: str) -> Array:
        value = self._stored[name]
        return value.dequantize() if isinstance(value, QuantizedMatrix) else value.astype(np.float32, copy=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def quantized(self, name: str) -> QuantizedMatrix:
        """Return a matrix in 8 bits."""
        value = self._stored[name]
        return value if isinstance(value, QuantizedMatrix) else _quantize(value.astype(np.float32))

    def is_quantized(self, name: str) -> bool:
        """Whether a weight is stored in 8 bits."""
        return isinstance(self._stored[name], QuantizedMatrix)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a weight."""
        value = self._stored[name]
        return value.values.shape if isinstance(value, QuantizedMatrix) else value.shape

    def check(self, shapes: Shapes, path: Path) -> None:
        """Check that the weights are finite and have the names and shapes that a network needs.

        Raises:
            ModelError: If not; `path` is named as the file that they come from.
        """
        problem = next(_find_misfits(self, shapes), None)
        if problem is not None:
            raise ModelError(f"{path}: does not fit the config.yaml or tokens.txt of its folder: {problem}")
        stored = self._stored.items()
        _check_finite(
            {name: value.scales if isinstance(value, QuantizedMatrix) else value for name, value in stored}, path
        )


def to_half(weights: Mapping[str, Array], path: Path) -> dict[str, Array]:
    """Return weights in float16; `path` is where they will be saved, for messages.

    Raises:
        ModelError: If one is not finite.
    """
    with np.errstate(over="ignore"):  # the check finds it
        half = {name: value.astype(np.float16) if value.dtype.kind == "f" else value for name, value in weights.items()}
    _check_finite(half, path)
    return half


def save_weights(stored: Mapping[str, Array], path: Path) -> None:
    """Write arrays by name, whole or not at all."""
    contiguous = {name: np.ascontiguousarray(value) for name, value in stored.items()}
    with atomic_write(path) as partial:
        partial.write_bytes(save(contiguous))  # safetensors itself would make the file private


def quantize_weights(path: Path) -> tuple[int, int]:
    """Rewrite a file with its matrices in 8 bits; those that are in 8 bits already do not change, nor does their file.

    Returns:
        The size of the file in bytes, before and after.

    Raises:
        ModelError: If it cannot be read, or holds values that are not finite.
        AsrError: If it cannot be written.
    """
    before, stored = path.stat().st_size if path.is_file() else 0, _read(path)
    _check_finite(stored, path)
    matrices = [name for name, value in stored.items() if value.dtype.kind == "f" and value.ndim > 1]
    if not matrices:
        return before, before
    for name in matrices:
        stored[name], stored[name + SCALE_SUFFIX] = _quantize(stored[name].astype(np.float32))
    save_weights(stored, path)
    return before, path.stat().st_size


def read_weights(path: Path) -> Weights:
    """Read the weights of a file.

    Raises:
        ModelError: If it cannot be read.
    """
    stored = _read(path)
    try:
        return Weights(stored)
    except ValueError as error:
        raise ModelError(f"{path}: cannot be read: {error}") from None


def _read(path: Path) -> dict[str, Array]:
    try:
        stored: dict[str, Array] = load_file(path)
    except (OSError, SafetensorError, TypeError, KeyError) as error:  # the last two: types that numpy lacks
        raise ModelError(f"{path}: cannot be read: {one_line(error)}") from None
    for name, value in stored.items():
        if value.dtype.kind not in "fiub":  # numpy knows more types where another library has added them
            raise ModelError(f"{path}: cannot be read: {name} has the type {value.dtype}, which numpy lacks")
    return stored


def _pair(name: str, value: Array, stored: Mapping[str, Array]) -> "Array | QuantizedMatrix":
    scales = stored.get(name + SCALE_SUFFIX)
    if value.dtype != np.int8 and (scales is not None or value.dtype.kind != "f"):
        raise ValueError(f"{name} has the type {value.dtype}; weights are floats, or int8 with scales")
    if value.dtype != np.int8:
        return value
    if scales is None:
        raise ValueError(f"{name} is in 8 bits, and its scales are missing")
    if value.ndim == 0 or scales.shape != value.shape[:1]:
        raise ValueError(f"{name} has the shape {value.shape}, and its scales {scales.shape}")
    return QuantizedMatrix(value, scales.astype(np.float32, copy=False))


def _quantize(matrix: Array) -> QuantizedMatrix:
    """Quantise (R, ...) float32; a row of zeros has the scale 1."""
    rows = matrix.reshape(len(matrix), -1)
    scales = np.abs(rows).max(axis=1) / np.float32(_LARGEST)
    scales = np.where(scales > 0, scales, np.float32(1))
    return QuantizedMatrix(np.rint(rows / scales[:, None]).astype(np.int8).reshape(matrix.shape), scales)


def _find_misfits(weights: Weights, shapes: Shapes) -> Iterator[str]:
    for name in sorted({*weights, *shapes}):
        if name not in shapes:
            yield f"the network has no {name}"
        elif name not in weights:
            yield f"{name} is missing"
        elif weights.shape(name) != shapes[name]:
            yield f"{name} has the shape {weights.shape(name)}, and the network needs {shapes[name]}"


def _check_finite(weights: Mapping[str, Array], path: Path) -> None:
    broken = [name for name, value in weights.items() if value.dtype.kind == "f" and not np.isfinite(value).all()]
    if broken:
        raise ModelError(f"{path}: {broken[0]} holds values that are not finite; the training diverged")
