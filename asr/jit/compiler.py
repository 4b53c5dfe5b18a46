"""Python functions in, object code out, by numba.

numba would optimise each function with everything it calls, and again within each caller, then wrap it for the
interpreter and link it. Here all functions are lowered without any of that, joined in one module with one entry, and
optimised once, which takes a third of the time. The entry reads arguments from words (arguments.py), so that loading
the code needs no numba.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, codegen, compiler, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.types.containers import BaseTuple
from numba.core.types.misc import NoneType
from numba.np.arrayobj import populate_array

from asr.jit.arguments import TupleType, Type
from asr.jit.machine import ObjectCode, address_of

_WORD, _BYTE = ir.IntType(64), ir.IntType(8)
# Where numpy's objects hold the addresses of their elements, of their lengths and of their strides (PyArrayObject).
_ELEMENTS = object.__basicsize__
_LENGTHS, _STRIDES = _ELEMENTS + 16, _ELEMENTS + 24


class _Library(codegen.JITCodeLibrary):  # type: ignore[misc]
    """The code of a function, and what it calls; only that of an entry is optimised as a whole."""

    main: str | None = None

    def _optimize_final_module(self) -> None:
        if self.main is None:
            return
        for value in (*self._final_module.functions, *self._final_module.global_variables):
            if not value.is_declaration and value.name != self.main:
                value.linkage = "internal"  # so that LLVM may inline or drop it
        super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        return 0


class _Codegen(codegen.JITCPUCodegen):  # type: ignore[misc]
    _library_class = _Library

    def set_env(self, env_name: str, env: Any) -> None:
        """Do nothing: without the interpreter there is no environment."""


@contextmanager
def _our_codegen() -> Iterator[Any]:
    """Have numba lower functions by `_Codegen`."""
    context = cpu_target.target_context
    context.refresh()
    cpu_target.typing_context.refresh()
    before = context._internal_codegen
    context._internal_codegen = _Codegen("asr")
    try:
        yield context
    finally:
        context._internal_codegen = before


def compile_function(function: FunctionType, argument_types: tuple[Type, ...], symbol: str) -> ObjectCode:
    """Compile a function for arguments of these types, with an entry of this name."""
    with global_compiler_lock, _our_codegen() as context:
        dispatcher = _dispatcher(function)
        flags = compiler.Flags()
        dispatcher.targetdescr.options.parse_as_flags(flags, dispatcher.targetoptions)
        flags.no_compile = True
        numba_types = tuple(map(_numba_type, argument_types))
        compiled = compiler.compile_extra(cpu_target.typing_context, context, function, numba_types, None, flags, {})
        library = context.codegen().create_library(symbol)
        library.main = symbol
        library.add_linking_library(compiled.library)
        with context.push_code_library(library):
            library.add_ir_module(_make_main(context, library, compiled.fndesc))
        library.finalize()
        _check_symbols(library._final_module)
        code = library._codegen._tm.emit_object(library._final_module)
    return ObjectCode(symbol, _result_letters(compiled.fndesc.restype), code)


@cache
def _dispatcher(function: FunctionType) -> Any:
    """Return numba's form of a function."""
    # Inlining makes the beam search faster: a call copies every field of every array, some three hundred words.
    options = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(_nrt=False, forceinline=True, **options)(function)


def function_type(function: FunctionType) -> Any:
    """Return the type by which numba knows a function that others call."""
    return types.Dispatcher(_dispatcher(function))


def _numba_type(described: Type) -> Any:
    if isinstance(described, TupleType):
        parts = tuple(map(_numba_type, described.parts))
        return BaseTuple.from_types(parts, described.tuple_class)
    if isinstance(described, tuple):
        dtype, num_dims, is_plain = described
        return types.Array(numba.from_dtype(dtype), num_dims, "C" if is_plain else "A", aligned=is_plain)
    return {int: types.int64, float: types.float64, bool: types.boolean}[described]


def _make_main(context: Any, library: Any, callee: Any) -> Any:
    """Make the function that reads arguments, calls and writes results."""
    module = library.create_ir_module(library.main)
    pointer = _WORD.as_pointer()
    main = ir.Function(module, ir.FunctionType(ir.IntType(32), [pointer, pointer]), library.main)
    builder = ir.IRBuilder(main.append_basic_block("entry"))
    words, results = main.args
    addresses = (builder.gep(words, [ir.Constant(_WORD, index)]) for index in range(2**31))
    values = [_read_argument(context, builder, addresses, numba_type) for numba_type in callee.argtypes]
    function = context.declare_function(module, callee)
    status, result = context.call_conv.call_function(builder, function, callee.restype, callee.argtypes, values)
    for index, (value, numba_type) in enumerate(_parts(builder, result, callee.restype)):
        wide = types.float64 if isinstance(numba_type, types.Float) else types.int64
        place = builder.gep(results, [ir.Constant(_WORD, index)])
        converted = context.cast(builder, value, numba_type, wide)
        builder.store(converted, builder.bitcast(place, converted.type.as_pointer()))
    builder.ret(status.code)
    return module


def _read_argument(context: Any, builder: Any, addresses: Iterator[Any], numba_type: Any) -> Any:
    """Read an argument from as many words as it takes."""
    if isinstance(numba_type, BaseTuple):
        parts = [_read_argument(context, builder, addresses, part) for part in numba_type]
        return context.make_tuple(builder, numba_type, parts)
    word = builder.load(next(addresses))
    if isinstance(numba_type, types.Array):
        return _read_array(context, builder, word, numba_type)
    if isinstance(numba_type, types.Float):
        return builder.bitcast(word, ir.DoubleType())
    return context.cast(builder, word, types.int64, numba_type)


def _read_array(context: Any, builder: Any, address: Any, numba_type: Any) -> Any:
    """Read an array from numpy's object at an address."""
    start = builder.inttoptr(address, _BYTE.as_pointer())

    def field(offset: int, field_type: Any) -> Any:
        place = builder.gep(start, [ir.Constant(_WORD, offset)])
        return builder.load(builder.bitcast(place, field_type.as_pointer()))

    def numbers(offset: int) -> list[Any]:
        first = field(offset, _WORD.as_pointer())
        return [builder.load(builder.gep(first, [ir.Constant(_WORD, axis)])) for axis in range(numba_type.ndim)]

    array = context.make_array(numba_type)(context, builder)
    item_size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(numba_type.dtype)))
    elements = builder.bitcast(field(_ELEMENTS, _BYTE.as_pointer()), array.data.type)
    populate_array(array, elements, numbers(_LENGTHS), numbers(_STRIDES), item_size, meminfo=None)
    return array._getvalue()


def _parts(builder: Any, result: Any, numba_type: Any) -> list[tuple[Any, Any]]:
    if isinstance(numba_type, NoneType):
        return []
    if isinstance(numba_type, BaseTuple):
        return list(zip(cgutils.unpack_tuple(builder, result), numba_type, strict=True))
    return [(result, numba_type)]


def _result_letters(numba_type: Any) -> str:
    if isinstance(numba_type, NoneType):
        return ""
    if isinstance(numba_type, BaseTuple):
        return f"({''.join(map(_result_letters, numba_type))})"
    if isinstance(numba_type, types.Boolean):
        return "?"
    if isinstance(numba_type, types.Float | types.Integer):
        return "d" if isinstance(numba_type, types.Float) else "q"
    raise TypeError(f"a compiled function cannot return {numba_type} to the interpreter")


def _check_symbols(module: Any) -> None:
    """Raise TypeError if the code needs a function that numba brings, and a process without numba lacks."""
    for function in module.functions:
        name = function.name
        if not function.is_declaration or name.startswith("llvm."):
            continue
        if name.startswith(("numba_", "NRT_", "Py", "_Py")) or address_of(name) is None:
            raise TypeError(f"compiled code may not call {name}, which only numba has")
