"""TensorFlow Lite's files in, the operators and constants of their graph out; a small reader of flatbuffers.

A flatbuffer is read from its end: a table is an offset to a list of offsets, one for each field that is set
(https://flatbuffers.dev/internals). The numbers of fields are those of tensorflow/lite/schema/schema.fbs. Nothing
is executed, and offsets that leave the file are errors.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from asr.errors import ModelError
from asr.weights import Array

_MAGIC = b"TFL3"
_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 9: np.int8}
_STRING = 5  # the type of tensors of strings
_OPERATORS = {
    0: "ADD",
    2: "CONCATENATION",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    14: "LOGISTIC",
    18: "MUL",
    19: "RELU",
    22: "RESHAPE",
    25: "SOFTMAX",
    28: "TANH",
    32: "CUSTOM",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    43: "SQUEEZE",
    49: "SPLIT",
    57: "MINIMUM",
    76: "RSQRT",
    99: "SQUARED_DIFFERENCE",
}
_CUSTOM = 32
_MOST = 1 << 24  # elements of a list of offsets; more are a sign of a broken file


class Tensor(NamedTuple):
    """A tensor of a graph.

    Attributes:
        name: Its name.
        shape: Its shape.
        value: Its value, if it is constant: numbers, or for strings their bytes as the file holds them.
        scale: What a step of an 8-bit value counts; 0 if it has no such factor.
        zero_point: The 8-bit value of zero.
    """

    name: str
    shape: tuple[int, ...]
    value: Array | bytes | None
    scale: float
    zero_point: int


class Operator(NamedTuple):
    """An operator, and the numbers of the tensors that it takes and gives; -1 stands for an input that is left out."""

    name: str
    inputs: list[int]
    outputs: list[int]


@dataclass(frozen=True)
class Graph:
    """The first graph of a file."""

    tensors: list[Tensor]
    inputs: list[int]
    outputs: list[int]
    operators: list[Operator]  # in the order in which they are computed

    def find(self, numbers: list[int], name: str) -> Tensor | None:
        """Find a tensor by its name among some."""
        return next((self.tensors[number] for number in numbers if self.tensors[number].name == name), None)

    def constant(self, name: str) -> Array | bytes | None:
        """Return the value of an output that is constant; converters copy such values through an operator."""
        number = next((number for number in self.outputs if self.tensors[number].name == name), None)
        copied = (operator.inputs[0] for operator in self.operators if number in operator.outputs)
        source = next(copied, number)
        return None if source is None or source < 0 else self.tensors[source].value


def is_tflite(content: bytes) -> bool:
    """Whether a file is one of TensorFlow Lite."""
    return content[4:8] == _MAGIC


def read_tflite(content: bytes, path: Path) -> Graph:
    """Read a file; `path` is named in errors.

    Raises:
        ModelError: If it is another file, or broken.
    """
    if not is_tflite(content):
        raise ModelError(f"{path}: not a file of TensorFlow Lite, which has {_MAGIC.decode()} in its first bytes")
    try:
        model = _Table.root(content)
        codes = [_name_operator(code) for code in model.tables(1)]
        graph = model.tables(2)[0]
        buffers = model.tables(4)
        tensors = [_read_tensor(tensor, buffers) for tensor in graph.tables(0)]
        operators = [
            Operator(codes[operator.number(0, "<I")], operator.numbers(1), operator.numbers(2))
            for operator in graph.tables(3)
        ]
        used = [number for operator in operators for number in (*operator.inputs, *operator.outputs)]
        inputs, outputs = graph.numbers(1), graph.numbers(2)
        if not all(-1 <= number < len(tensors) for number in (*used, *inputs, *outputs)):
            raise ValueError("an operator names a tensor that is not there")
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: broken: {error}") from None
    return Graph(tensors, inputs, outputs, operators)


class _Table:
    """A table of a flatbuffer: fields by number."""

    def __init__(self, content: bytes, position: int) -> None:
        self._content, self._position = content, position
        self._fields = position - self._unpack("<i", position)
        self._size = self._unpack("<H", self._fields)

    @classmethod
    def root(cls, content: bytes) -> "_Table":
        return cls(content, struct.unpack_from("<I", content)[0])

    def number(self, field: int, code: str, default: int = 0) -> int:
        """Return a number, by struct's code of its type."""
        position = self._find(field)
        return default if position is None else self._unpack(code, position)

    def text(self, field: int) -> str:
        return self.bytes(field).decode()

    def bytes(self, field: int) -> bytes:
        """Return a list of bytes, or a string."""
        start, count = self._list(field)
        if start + count > len(self._content):
            raise ValueError(f"a list of {count} bytes goes beyond the end")
        return self._content[start : start + count]

    def numbers(self, field: int, code: str = "<i") -> list[Any]:
        """Return a list of numbers, by struct's code of their type."""
        start, count = self._list(field)
        return list(struct.unpack_from(f"<{count}{code[1]}", self._content, start)) if count else []

    def tables(self, field: int) -> list["_Table"]:
        """Return a list of tables."""
        start, count = self._list(field)
        positions = range(start, start + 4 * count, 4)
        return [_Table(self._content, position + self._unpack("<I", position)) for position in positions]

    def table(self, field: int) -> "_Table | None":
        position = self._find(field)
        return None if position is None else _Table(self._content, position + self._unpack("<I", position))

    def _find(self, field: int) -> int | None:
        entry = 4 + 2 * field
        offset = self._unpack("<H", self._fields + entry) if entry < self._size else 0
        return self._position + offset if offset else None

    def _list(self, field: int) -> tuple[int, int]:
        """Return where the elements of a list begin, and their number."""
        position = self._find(field)
        if position is None:
            return 0, 0
        start = position + self._unpack("<I", position)
        count = self._unpack("<I", start)
        if count > max(_MOST, len(self._content)):
            raise ValueError(f"a list of {count} elements")
        return start + 4, count

    def _unpack(self, code: str, position: int) -> int:
        if position < 0:
            raise ValueError("an offset leads before the beginning")
        return int(struct.unpack_from(code, self._content, position)[0])


def _name_operator(code: _Table) -> str:
    number = max(code.number(0, "<b"), code.number(3, "<i"))  # the first is of files before 2020
    return code.text(1) if number == _CUSTOM else _OPERATORS.get(number, f"operator {number}")


def _read_tensor(tensor: _Table, buffers: list[_Table]) -> Tensor:
    shape, content = tuple(tensor.numbers(0)), buffers[tensor.number(2, "<I")].bytes(0)
    quantization = tensor.table(4)
    scales = [] if quantization is None else quantization.numbers(2, "<f")
    zeros = [] if quantization is None else quantization.numbers(3, "<q")
    kind = tensor.number(1, "<b")
    value: Array | bytes | None = None
    if content and kind == _STRING:
        value = content
    elif content and kind in _DTYPES:
        value = np.frombuffer(content, np.dtype(_DTYPES[kind]).newbyteorder("<")).reshape(shape)
    if len(scales) > 1:
        raise ValueError(f"{tensor.text(3)} has several scales, which files of Coqui STT and DeepSpeech have not")
    return Tensor(tensor.text(3), shape, value, float(scales[0]) if scales else 0.0, zeros[0] if zeros else 0)
