"""Frozen graphs of TensorFlow in (.pb, and .pbmm for mapping into memory), their nodes and constants out.

    .pb      a GraphDef, a protocol buffer
    .pbmm    large constants one after the other, the GraphDef, a directory of them, and in 8 bytes where that begins

A small reader of protocol buffers (https://protobuf.dev/programming-guides/encoding); the numbers of fields are those
of graph, node_def, attr_value, tensor and tensor_shape.proto in tensorflow/core/framework, and of
memmapped_file_system.proto in tensorflow/core/util. Nothing is executed, and lengths that leave the file are errors.
"""

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from asr.errors import ModelError
from asr.weights import Array

_REGION = "memmapped_package://"  # what the names of constants in a .pbmm begin with
_GRAPH = _REGION + "."
_FLOAT, _INT32, _STRING, _INT64 = 1, 3, 7, 9
_DTYPES = {_FLOAT: "<f4", _INT32: "<i4", _INT64: "<i8"}
_VALUES = {_FLOAT: 5, _INT32: 7, _INT64: 10}  # the fields of a tensor with its values, if they are not bytes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # kinds of fields
_MOST_DIMENSIONS, _MOST_ELEMENTS = 8, 1 << 28

Fields = dict[int, list[Any]]  # of a message, by number: integers, or the bytes of anything else
Regions = Mapping[str, memoryview]


class Node(NamedTuple):
    """An operator.

    Attributes:
        kind: Such as MatMul.
        inputs: The names of the nodes that it takes.
        value: Of a constant: its numbers, or the bytes of its first string.
        shape: Of an input of the graph.
        numbers: Its attributes that are numbers.
    """

    kind: str
    inputs: list[str]
    value: Array | bytes | None
    shape: tuple[int, ...]
    numbers: dict[str, float]


def read_graph_def(content: bytes, path: Path) -> dict[str, Node]:
    """Read a frozen graph, its nodes by name; `path` is named in errors.

    Raises:
        ModelError: If it is another file, or broken.
    """
    try:
        regions = _read_directory(memoryview(content))
        graph = _split(regions.get(_GRAPH, memoryview(content)))
        nodes = dict(_read_node(_split(node), regions) for node in graph.get(1, []))
    except (struct.error, ArithmeticError, LookupError, TypeError, ValueError):
        raise ModelError(f"{path}: neither a file of TensorFlow Lite nor a frozen graph, or broken") from None
    if not nodes:
        raise ModelError(f"{path}: a graph without nodes")
    return nodes


def _read_directory(content: memoryview) -> Regions:
    """Return the parts of a .pbmm by name; none, if the file is another."""
    if len(content) < 8:
        return {}
    (start,) = struct.unpack("<Q", content[-8:])
    if start >= len(content) - 8:
        return {}
    try:
        parts = [_split(part) for part in _split(content[start:-8]).get(1, [])]
        names = [bytes(part[2][0]).decode() for part in parts]
    except (IndexError, KeyError, TypeError, ValueError):
        return {}  # a .pb has anything there
    if _GRAPH not in names:
        return {}
    starts = [int(part.get(1, [0])[0]) for part in parts]
    if sorted([*starts, start]) != [*starts, start]:
        raise ValueError("the parts of the file overlap")
    ends = [*starts[1:], start]  # files of TensorFlow 1 state no sizes
    sizes = [int(part.get(3, [end - first])[0]) for part, first, end in zip(parts, starts, ends, strict=True)]
    return {name: content[first : first + size] for name, first, size in zip(names, starts, sizes, strict=True)}


def _split(message: memoryview) -> Fields:
    """Split a message into its fields."""
    fields: Fields = {}
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        kind = key & 7
        value: int | memoryview
        if kind == _VARINT:
            value, position = _read_varint(message, position)
        else:
            sizes = {_FIXED64: 8, _FIXED32: 4}
            size, position = _read_varint(message, position) if kind == _BYTES else (sizes[kind], position)
            if size > len(message) - position:
                raise ValueError(f"a field of {size} bytes goes beyond the end")
            value, position = message[position : position + size], position + size
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return an integer, seven bits in each byte, and where it ends."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
        if shift > 63:
            raise ValueError("an integer of more than 64 bits")


def _read_node(node: Fields, regions: Regions) -> tuple[str, Node]:
    attributes = {}
    for entry in node.get(5, []):
        pair = _split(entry)
        attributes[bytes(pair[1][0]).decode()] = _split(pair[2][0]) if 2 in pair else {}
    value: Array | bytes | None = None
    if tensor := attributes.get("value", {}).get(8):
        value = _read_tensor(_split(tensor[0]))
    elif region := attributes.get("memory_region_name", {}).get(2):
        shape, content = _read_shape(attributes["shape"], 7), regions[bytes(region[0]).decode()]
        dtype = _DTYPES[attributes["dtype"][6][0]]
        value = np.frombuffer(content, dtype, int(np.prod(shape))).reshape(shape)  # padding may follow
    numbers = {name: struct.unpack("<f", field[4][0])[0] for name, field in attributes.items() if 4 in field}
    numbers |= {name: float(field[5][0]) for name, field in attributes.items() if 5 in field}
    inputs = [bytes(name).decode() for name in node.get(3, [])]
    shape = _read_shape(attributes.get("shape", {}), 7)
    return bytes(node[1][0]).decode(), Node(bytes(node[2][0]).decode(), inputs, value, shape, numbers)


def _read_shape(holder: Fields, field: int) -> tuple[int, ...]:
    """Read the shape in a field; -1 stands for a size that varies."""
    if field not in holder:
        return ()
    found = [_split(dimension).get(1, [0])[0] for dimension in _split(holder[field][0]).get(2, [])]
    sizes = [-1 if size >> 63 else size for size in found]
    if len(sizes) > _MOST_DIMENSIONS or math.prod(sizes) > _MOST_ELEMENTS:
        raise ValueError(f"a shape of {sizes}")
    return tuple(sizes)


def _read_tensor(tensor: Fields) -> Array | bytes | None:
    """Return a tensor's numbers, or the bytes of its first string; None for other types."""
    kind, shape = tensor.get(1, [0])[0], _read_shape(tensor, 2)
    if kind == _STRING:
        return bytes(tensor.get(8, [b""])[0])
    if kind not in _DTYPES:
        return None
    if content := tensor.get(4):
        return np.frombuffer(content[0], _DTYPES[kind]).reshape(shape)
    values = [number for value in tensor.get(_VALUES[kind], []) for number in _read_numbers(value, kind)]
    array = np.array(values, _DTYPES[kind])
    return np.broadcast_to(array.reshape(()), shape) if array.size == 1 else array.reshape(shape)


def _read_numbers(value: int | memoryview, kind: int) -> list[float]:
    """Return the numbers of a field, which are packed or single."""
    if isinstance(value, int):
        packed = [value]
    elif kind == _FLOAT:
        return list(struct.unpack(f"<{len(value) // 4}f", value))
    else:
        packed, position = [], 0
        while position < len(value):
            number, position = _read_varint(value, position)
            packed.append(number)
    return [number - (1 << 64) if number >> 63 else number for number in packed]
