"""Numeric loops as machine code: compiled once per user and version, then loaded without the compiler.

    @jit
    def total(values: Array) -> float: ...

All that numba compiles goes through `jit`, and a first call that may wait for the compiler through `warm_up`. A call
(function.py) describes its arguments (arguments.py). Machine code for such arguments comes from the cache (cache.py)
or from numba (compiler.py), and machine.py loads it. numba itself takes half a second to load, so only a process that
compiles imports it.
"""

from asr.jit.arguments import Array, Record, pack
from asr.jit.function import jit, warm_up

__all__ = ["Array", "Record", "jit", "pack", "warm_up"]
