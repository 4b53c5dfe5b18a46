"""Object code in, a callable out; LLVM links it."""

import ctypes
import struct
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, cast

import llvmlite.binding as llvm

from asr.jit.arguments import Type, Word, pack_format

_MOST_RESULTS = 8
_lock = threading.Lock()


class ObjectCode(NamedTuple):
    """Machine code of one function for arguments of one type."""

    symbol: str  # name of its entry, which takes the addresses of words and of results, and returns 0 on success
    results: str  # a letter for each: `q` integer, `d` float, `?` bool; in parentheses, they are a tuple
    code: bytes  # an object file of this machine


def load(found: ObjectCode, types: Sequence[Type]) -> Callable[[Sequence[Word]], Any]:
    """Link object code; returns a function that takes the words of arguments and lets other threads run meanwhile."""
    with _lock:
        engine = _start_engine()
        engine.add_object_file(llvm.ObjectFileRef.from_data(found.code))
        engine.finalize_object()
        address = engine.get_function_address(found.symbol)
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)(address)
    pack, new_results = pack_format(types).pack, ctypes.c_int64 * _MOST_RESULTS
    unpack = struct.Struct("=" + found.results.strip("()").replace("?", "?7x")).unpack_from
    is_tuple, is_none = found.results.startswith("("), found.results == ""

    def call(words: Sequence[Word]) -> Any:
        results = new_results()
        if status := function(pack(*words), results):
            raise RuntimeError(f"{found.symbol} ended with status {status}")
        if is_none:
            return None
        return unpack(results) if is_tuple else unpack(results)[0]

    return call


def address_of(symbol: str) -> int | None:
    """Return the address of a function of the C library or its mathematics, None if the process lacks it."""
    _start_engine()
    return cast("int | None", llvm.address_of_symbol(symbol))


@cache
def _start_engine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    empty = llvm.parse_assembly("")
    empty.triple = triple
    return llvm.create_mcjit_compiler(empty, llvm.Target.from_triple(triple).create_target_machine(jit=True))


def describe_machine() -> str:
    """Return what machine code depends on besides its source: the processor and its instructions."""
    features = llvm.get_host_cpu_features().flatten()
    return f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {features} {llvm.llvm_version_info}"
