"""Compile numeric loops once and keep the machine code on disk.

Everything that numba compiles in this project goes through `compiled`, and the first call of
a program that may have to wait for the compiler goes through `announce_compilation`.
"""

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import numba
import numpy as np

logger = logging.getLogger(__name__)

Array: TypeAlias = np.ndarray[Any, Any]
Record: TypeAlias = Any  # an element of a structured array; only compiled code sees its fields as attributes
Function = TypeVar("Function", bound=Callable[..., Any])

# Loading cached code takes 0.1 to 0.3 s, compiling it tens of seconds.
_PATIENCE_SECONDS = 1.0


def compiled(function: Function) -> Function:
    """Compile a function that allocates no arrays when it is first called; it runs without the interpreter's lock.

    The machine code is cached beside the source, or in the user's cache folder where that is
    read-only. Where neither can be written, every process compiles anew and a warning says so.
    """
    # Without reference counts on the arrays it is handed, the beam search is 5 times as fast
    # (measured). Allocating would need them; numba refuses to compile that.
    return _compile(function, _nrt=False)


def compiled_allocating(function: Function) -> Function:
    """As `compiled`, for a function that allocates arrays."""
    return _compile(function)


@contextmanager
def announce_compilation(what: str) -> Iterator[None]:
    """Say on the log that code is being compiled, should the block take longer than loading it would."""
    message = f"compiling the {what} for this machine; this happens once"
    timer = threading.Timer(_PATIENCE_SECONDS, logger.warning, args=(message,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _compile(function: Function, **options: bool) -> Function:
    options.update(nogil=True)
    try:
        made: Function = numba.njit(cache=True, error_model="numpy", **options)(function)
    except RuntimeError:
        warnings.warn(
            f"no folder to keep compiled code in, so {function.__name__} is compiled by every process; "
            "set NUMBA_CACHE_DIR to a folder that can be written",
            stacklevel=3,
        )
        made = numba.njit(error_model="numpy", **options)(function)
    return made
