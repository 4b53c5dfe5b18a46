"""Compile numeric loops once and keep the machine code on disk.

All that numba compiles goes through `jit`, and a first call that may wait for the compiler through `warm_up`.
"""

import functools
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np

logger = logging.getLogger(__name__)

Array: TypeAlias = np.ndarray[Any, Any]
Record: TypeAlias = Any  # an element of a structured array; only compiled code sees its fields as attributes
Function = TypeVar("Function", bound=Callable[..., Any])

# Loading cached code takes 0.1 to 0.3 s (1 s on a busy machine), compiling it tens of seconds.
_PATIENCE_SECONDS = 2.0


def jit(function: Function) -> Function:
    """Compile a function that allocates no arrays when it is first called; it runs without the interpreter's lock.

    The machine code is cached next to the source, or in the user's cache folder if that is
    read-only. If neither can be written, every process compiles again and a warning says so.
    """
    # Without reference counts on its array arguments, the beam search is 5 times as fast
    # (measured). Allocating would need them; numba refuses to compile that. Inlining doubles its
    # speed again: a call copies every field of every array, some three hundred words for a search.
    return _compile(function, _nrt=False, forceinline=True)


def jit_allocating(function: Function) -> Function:
    """Compile as `jit` does, for a function that allocates arrays."""
    return _compile(function)


def warm_up(what: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Decorator for a call that loads or compiles jitted functions, once per process, whatever the number of threads.

    It logs a warning if it has to compile; further calls cost nothing.
    """

    def decorate(load: Callable[[], None]) -> Callable[[], None]:
        lock = threading.Lock()
        load_once = functools.cache(announce_compilation(what)(load))  # a call that fails is not remembered

        @functools.wraps(load)
        def wait_and_load() -> None:
            with lock:
                load_once()

        return wait_and_load

    return decorate


@contextmanager
def announce_compilation(what: str) -> Iterator[None]:
    """Log that code is being compiled if the block takes longer than loading it would."""
    message = "compiling the %s for this machine; this happens once"
    timer = threading.Timer(_PATIENCE_SECONDS, logger.warning, args=(message, what))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _compile(function: Function, **options: bool) -> Function:
    njit = functools.partial(numba.njit, error_model="numpy", nogil=True, **options)
    try:
        return cast(Function, njit(cache=True)(function))
    except RuntimeError:
        warnings.warn(
            f"no folder to keep compiled code in, so {function.__name__} is compiled by every process; "
            "set NUMBA_CACHE_DIR to a folder that can be written",
            stacklevel=3,
        )
        return cast(Function, njit()(function))
