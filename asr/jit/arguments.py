"""Arguments of a compiled function in, their types and a word of 64 bits for each out.

A type is what machine code depends on: Python's `int`, `float` or `bool`, an `ArrayType`, or a `TupleType` of them. An
array's word is the address of its numpy object, from which compiled code reads the rest; that takes a tenth of the
time of asking numpy. Whoever calls has to keep the arrays.
"""

import struct
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Record: TypeAlias = Any  # an element of a structured array; only compiled code sees its fields as attributes


class TupleType:
    """A tuple, or a named one. Equal types are one object, so that a call compares them at once."""

    def __init__(self, tuple_class: type[Any], parts: tuple[Any, ...]) -> None:
        self.tuple_class, self.parts = tuple_class, parts

    @classmethod
    def of(cls, tuple_class: type[Any], parts: tuple[Any, ...]) -> "TupleType":
        """Return the type of tuples of a class with parts of these types."""
        key = (tuple_class, parts)
        return _tuple_types.get(key) or _tuple_types.setdefault(key, cls(tuple_class, parts))


_tuple_types: dict[tuple[Any, ...], TupleType] = {}


ArrayType: TypeAlias = tuple[np.dtype[Any], int, bool]
"""Dtype and number of dimensions of an array; whether it is contiguous, aligned and writable."""

Type: TypeAlias = type[Any] | ArrayType | TupleType
Word: TypeAlias = int | float


Packable = TypeVar("Packable", bound=tuple[Any, ...])


def pack(value: Packable) -> Packable:
    """Describe an argument that many calls share, once; only compiled functions can use what this returns."""
    return cast(Packable, _Packed(value))


class _Packed:
    def __init__(self, value: tuple[Any, ...]) -> None:
        self.value = value  # keeps the arrays
        self.words: list[Word] = []
        self.type = describe(value, self.words)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the value alone: addresses mean nothing in another process, nor those of other arrays."""
        return _Packed, (self.value,)


def describe(value: Any, words: list[Word]) -> Type:
    """Return the type of an argument, and append its words.

    Raises:
        TypeError: If compiled code cannot take it.
    """
    kind = type(value)
    if kind is np.ndarray:
        words.append(id(value))
        return value.dtype, value.ndim, value.flags.carray
    if kind is _Packed:
        words += value.words
        return cast(Type, value.type)
    if isinstance(value, tuple):
        return TupleType.of(kind, tuple([describe(part, words) for part in value]))
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
    if isinstance(described, tuple):
        dtype, num_dims, is_plain = described
        return f"array({dtype.descr if dtype.fields else dtype.str}, {num_dims}, {is_plain})"
    return described.__name__
