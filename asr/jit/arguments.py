"""Arguments of a compiled function in, their types and a word of 64 bits for each out.

A type is what machine code depends on: Python's `int`, `float` or `bool`, an `ArrayType`, or a `TupleType` of these. An
array's word is the address of its numpy object, from which compiled code reads the rest; that takes a tenth of the
time of asking numpy. Whoever calls has to keep the arrays.
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Record: TypeAlias = Any  # an element of a structured array; only compiled code sees its fields as attributes


class ArrayType(NamedTuple):
    """A numpy array."""

    dtype: np.dtype[Any]
    num_dims: int
    is_plain: bool  # contiguous, aligned and writable


class TupleType(NamedTuple):
    """A tuple, or a named one."""

    tuple_class: type[Any]
    parts: tuple[Any, ...]


Type: TypeAlias = "type[int] | type[float] | type[bool] | ArrayType | TupleType"
Word: TypeAlias = "int | float"


class Packed:
    """A tuple of arguments that many calls share, described once; faster than to describe it again for each."""

    def __init__(self, value: tuple[Any, ...]) -> None:
        self.value = value  # keeps the arrays
        self.words: list[Word] = []
        self.type = describe(value, self.words)


def describe(value: Any, words: list[Word]) -> Type:
    """Return the type of an argument, and append its words.

    Raises:
        TypeError: If compiled code cannot take it.
    """
    kind = type(value)
    if kind is np.ndarray:
        words.append(id(value))
        return ArrayType(value.dtype, value.ndim, value.flags.carray)
    if kind is Packed:
        words += value.words
        return value.type  # type: ignore[no-any-return]
    if isinstance(value, tuple):
        return TupleType(kind, tuple([describe(part, words) for part in value]))
    return _describe_number(value, words)


def _describe_number(value: Any, words: list[Word]) -> Type:
    if isinstance(value, bool | np.bool_):
        words.append(int(value))
        return bool
    if isinstance(value, int | np.integer):
        words.append(int(value))
        return int
    if isinstance(value, float | np.floating):
        words.append(float(value))
        return float
    raise TypeError(f"compiled code takes arrays, numbers and tuples of these; found {type(value).__name__}")


def pack_format(types: Sequence[Type]) -> struct.Struct:
    """Return the layout of words: integers and addresses, or doubles."""
    return struct.Struct("=" + "".join(map(_letters, types)))


def _letters(described: Type) -> str:
    if isinstance(described, TupleType):
        return "".join(map(_letters, described.parts))
    return "d" if described is float else "q"


def type_name(described: Type) -> str:
    """Return a text that differs for types that need different machine code."""
    if isinstance(described, TupleType):
        fields = getattr(described.tuple_class, "_fields", ())
        parts = ", ".join(map(type_name, described.parts))
        return f"{described.tuple_class.__qualname__}{list(fields)}({parts})"
    if isinstance(described, ArrayType):
        dtype, num_dims, is_plain = described
        return f"array({dtype.descr if dtype.fields else dtype.str}, {num_dims}, {is_plain})"
    return described.__name__
