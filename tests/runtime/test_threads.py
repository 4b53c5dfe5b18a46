"""Threads that compute: how many, in which order, and what happens to errors."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from asr.runtime import threads
from asr.runtime.threads import count_threads, map_in_threads, work_alone


@pytest.mark.parametrize(
    ("limit", "cores", "expected"),
    [("", 4, 4), ("2", 4, 2), ("9", 4, 4), ("0", 4, 1), ("4,2", 4, 4), ("many", 3, 3), ("-1", 3, 3)],
)
def test_threads_are_the_cores_of_the_process_and_no_more_than_the_user_allows(
    monkeypatch: pytest.MonkeyPatch, limit: str, cores: int, expected: int
):
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert count_threads() == expected


def test_where_the_cores_of_a_process_are_unknown_all_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for cores, expected in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert count_threads() == expected


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_order_from_as_many_threads(monkeypatch: pytest.MonkeyPatch, count: int):
    monkeypatch.setattr(threads, "count_threads", lambda: count)
    together = threading.Barrier(count)
    names = set()

    def square(number: int) -> int:
        if number < count:
            together.wait(10)  # only as many threads as that get past
        names.add(threading.current_thread().name)
        time.sleep(0.002 * (9 - number))  # the first take longest
        return number * number

    assert map_in_threads(square, range(9)) == [number * number for number in range(9)]
    assert len(names) <= count
    if count == 1:
        assert names == {threading.current_thread().name}


def test_a_thread_that_works_alone_starts_no_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "count_threads", lambda: 3)

    def find_threads() -> set[int]:
        def slow_thread(_: int) -> int:
            time.sleep(0.002)
            return threading.get_ident()

        return {threading.get_ident(), *map_in_threads(slow_thread, range(9))}

    with ThreadPoolExecutor(1, initializer=work_alone) as pool:
        assert len(pool.submit(find_threads).result()) == 1
    assert len(find_threads()) > 1  # other threads are as before


def test_an_error_reaches_the_caller_and_no_thread_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "count_threads", lambda: 3)
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda number: 1 // number, [3, 2, 1, 0, 1])
    assert threading.active_count() == before
    assert map_in_threads(lambda number: number, []) == []
