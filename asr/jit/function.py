"""Functions that are compiled when they are first called, for each combination of argument types."""

import functools
import logging
import os
import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

from asr.jit import cache
from asr.jit.arguments import Type, Word, describe, type_name
from asr.jit.machine import load

logger = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])


class _State:
    """What threads share."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # one thread compiles, others wait
        self.purpose = "numeric functions"  # in messages
        self.announced: set[str] = set()


_state = _State()
if hasattr(os, "register_at_fork"):
    # A fork waits for the thread that compiles. Its locks, those of numba, LLVM and imports, would stay locked in the
    # child, which would hang as soon as it compiles or loads code.
    os.register_at_fork(
        before=_state.lock.acquire, after_in_parent=_state.lock.release, after_in_child=_state.lock.release
    )


class CompiledFunction:
    """A function as `jit` returns it; other compiled functions may call it, too."""

    def __init__(self, function: FunctionType) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._loaded: dict[tuple[Type, ...], Callable[[list[Word]], Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        words: list[Word] = []
        types = tuple([describe(argument, words) for argument in arguments])
        call = self._loaded.get(types) or self._load(types)
        return call(words)

    @property
    def _numba_type_(self) -> Any:
        """What numba takes this for in functions that call it."""
        from asr.jit.compiler import function_type

        return function_type(self.function)

    @property
    def signatures(self) -> list[tuple[Type, ...]]:
        """Types of arguments for which machine code is loaded."""
        return list(self._loaded)

    def _load(self, types: tuple[Type, ...]) -> Callable[[list[Word]], Any]:
        """Load machine code from the cache, or compile it."""
        with _state.lock:
            if types not in self._loaded:
                digest = cache.fingerprint(self.function, ", ".join(map(type_name, types)))
                symbol = f"{self.function.__name__.strip('_')}-{digest}"
                found = cache.read(symbol)
                if found is None:
                    _announce()
                    from asr.jit.compiler import compile_function  # half a second

                    found = compile_function(self.function, types, symbol)
                    cache.write(symbol, found)
                self._loaded[types] = load(found, types)
            return self._loaded[types]


def jit(function: Function) -> Function:
    """Compile a function when it is first called; it runs without the interpreter's lock.

    It takes arrays, numbers and tuples of these, returns None, numbers or a tuple of numbers, and allocates no arrays:
    without reference counts on its array arguments, the beam search is 5 times as fast (measured). The machine code is
    kept in the user's cache folder; if that cannot be written, every process compiles again and a warning says so.
    """
    return cast(Function, CompiledFunction(cast(FunctionType, function)))


def warm_up(purpose: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Decorator for a call that loads or compiles jitted functions, once per process, whatever the number of threads.

    If it has to compile, a warning says what for; further calls cost nothing.
    """

    def decorate(load_all: Callable[[], None]) -> Callable[[], None]:
        is_loaded = False

        @functools.wraps(load_all)
        def wait_and_load() -> None:
            nonlocal is_loaded
            if is_loaded:
                return
            with _state.lock:
                before, _state.purpose = _state.purpose, purpose
                try:
                    if not is_loaded:
                        load_all()
                        is_loaded = True  # a call that fails is not remembered
                finally:
                    _state.purpose = before

        return wait_and_load

    return decorate


def _announce() -> None:
    if cache.is_writable() and _state.purpose not in _state.announced:
        _state.announced.add(_state.purpose)
        logger.warning("compiling the %s for this machine; this happens once", _state.purpose)
