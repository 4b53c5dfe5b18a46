"""Machine code on disk, one file per function and types of arguments.

A file's name holds a fingerprint of all that the code depends on: the function's bytecode, its constants and all that
it calls, the arguments' types, the processor, and the versions of Python, numpy, numba and LLVM. So whoever runs the
same version finds it, in whatever environment; code of other versions is never loaded, and is removed after
`_MOST_DAYS` without use. A file that is damaged counts as missing.
"""

import hashlib
import json
import logging
import os
import sys
import tempfile
import time
import types
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from asr.jit.machine import ObjectCode, describe_machine

logger = logging.getLogger(__name__)

_MAGIC = b"asr machine code\n"
_SUFFIX = ".code"
_MOST_DAYS = 60
NUM_DIGITS = 32  # of a fingerprint, at the end of a name
_DAY = 86400.0


def read(name: str) -> ObjectCode | None:
    """Return the code in the cache under a name, or None."""
    path = folder() / f"{name}{_SUFFIX}"
    try:
        content = path.read_bytes()
        age = time.time() - path.stat().st_mtime
    except OSError:
        return None
    checked = content[len(_MAGIC) + hashlib.sha256().digest_size :]
    if content != _MAGIC + hashlib.sha256(checked).digest() + checked:
        return None
    if age > _DAY:
        with suppress(OSError):
            os.utime(path)  # the code is in use
    header, _, code = checked.partition(b"\n")
    symbol, results = json.loads(header)
    return ObjectCode(symbol, results, code)


def write(name: str, found: ObjectCode) -> None:
    """Keep code in the cache under a name; if that fails, a warning says so once."""
    checked = json.dumps([found.symbol, found.results]).encode() + b"\n" + found.code
    path = folder() / f"{name}{_SUFFIX}"
    partial = path.with_name(f"{name}.{os.getpid()}")  # others may write the same code at this moment
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(_MAGIC + hashlib.sha256(checked).digest() + checked)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        if read(name) is None:
            _warn(error.strerror)
    else:
        _remove_old()


def is_writable() -> bool:
    """Return whether code can be kept; a warning says once if it cannot."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder()):
            return True
    except OSError as error:
        _warn(error.strerror)
        return False


@cache
def _warn(reason: str | None) -> None:
    logger.warning(
        "each process compiles its code again, since %s cannot be written (%s); "
        "set NUMBA_CACHE_DIR to a folder that can be written",
        folder(),
        reason,
    )


@cache
def _remove_old() -> None:
    """Remove what no version has used for long, once per process that compiles."""
    for path in folder().glob(f"*-{'[0-9a-f]' * NUM_DIGITS}.*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _MOST_DAYS * _DAY:
                path.unlink()


def folder() -> Path:
    """Return the folder of the cache: `$NUMBA_CACHE_DIR`, or one of the user."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        chosen_base = Path(base).expanduser()
    except RuntimeError:  # there is no home
        chosen_base = Path()
    # Never in the current folder, where a variable that is wrong would lead.
    return chosen_base / "asr" / "compiled" if chosen_base.is_absolute() else Path(os.devnull) / "compiled"


def fingerprint(function: types.FunctionType, type_names: str) -> str:
    """Return a text that differs for functions and types that need different machine code."""
    described = f"{_describe_function(function)}\n{type_names}\n{_describe_versions()}"
    return hashlib.sha256(described.encode()).hexdigest()[:NUM_DIGITS]


@cache
def _describe_versions() -> str:
    # The import of numba takes half a second, so its version is read from the installation.
    versions = [np.__version__, *map(metadata.version, ("numba", "llvmlite"))]
    compiler = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    python = f"{sys.implementation.cache_tag} {sys.version} {object.__basicsize__}"
    return f"{versions} {python} {describe_machine()} {hashlib.sha256(compiler).hexdigest()}"


@cache
def _describe_function(function: types.FunctionType) -> str:
    """Hash bytecode and all that it refers to, recursively."""
    parts = [function.__module__, function.__qualname__, *_describe_code(function.__code__, function.__globals__)]
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    parts += map(_describe_value, (*cells, function.__defaults__))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _describe_code(code: types.CodeType, namespace: dict[str, Any]) -> list[str]:
    parts = [code.co_code.hex(), repr(code.co_varnames), repr(code.co_names)]
    for constant in code.co_consts:
        parts += _describe_code(constant, namespace) if isinstance(constant, types.CodeType) else [repr(constant)]
    return parts + [f"{name}: {_describe_value(namespace[name])}" for name in code.co_names if name in namespace]


def _describe_value(value: Any) -> str:
    wrapped = getattr(value, "__wrapped__", value)
    if isinstance(wrapped, types.FunctionType):
        return _describe_function(wrapped)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__} {getattr(value, '_fields', ())}"
    if isinstance(value, types.ModuleType | types.BuiltinFunctionType):
        return value.__name__
    is_constant = isinstance(value, int | float | str | tuple | np.dtype | np.generic)
    return f"{type(value).__qualname__} {value!r}" if is_constant else type(value).__qualname__
