"""Threads for computations that release the interpreter's lock."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_own = threading.local()


def count_threads() -> int:
    """Return the number of threads to compute with: the cores of this process, at most OMP_NUM_THREADS."""
    # Not every system can tell which cores a process may use.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, int(limit))) if limit.isdecimal() else cores


def work_alone() -> None:
    """Have what the calling thread maps from now on take this thread alone, and leave other cores to others."""
    _own.works_alone = True


def map_in_threads(function: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
    """Map items with as many threads as there are cores; a single item needs none, nor does `work_alone`.

    The threads end with the call, so that a process that is forked later lacks none. Starting them takes 0.1 ms.
    """
    num_threads = min(len(items), 1 if getattr(_own, "works_alone", False) else count_threads())
    if num_threads <= 1:
        return [function(item) for item in items]
    upcoming, results = iter(enumerate(items)), cast(list[_Out], [None] * len(items))

    def work() -> None:
        for index, item in upcoming:  # threads may share it: taking its next item is one step of the interpreter
            results[index] = function(item)

    # This thread is one of them. A future for each item would take as long as a short computation.
    with ThreadPoolExecutor(num_threads - 1) as pool:
        others = [pool.submit(work) for _ in range(num_threads - 1)]
        work()
        for other in others:
            other.result()
    return results
