"""Compiled code is loaded once per process, and a wait for the compiler is announced once."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from asr import alignment, jit
from asr.jit import warm_up
from asr.recognize import word_boundaries


def test_threads_that_ask_at_once_wait_for_one_load_which_is_announced_once(caplog, monkeypatch):
    monkeypatch.setattr(jit, "_PATIENCE_SECONDS", 0.01)
    loads = []

    @warm_up("search")
    def load() -> None:
        deadline = time.monotonic() + 10  # on a busy machine
        while not caplog.messages and time.monotonic() < deadline:
            time.sleep(0.01)
        loads.append("done")

    def ask(number: int) -> list[str]:
        load()
        return list(loads)

    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [["done"]] * 8
    assert caplog.messages == ["compiling the search for this machine; this happens once"]


def test_a_quick_load_is_not_announced_and_one_that_failed_is_tried_again(caplog):
    outcomes = iter([OSError("no room"), None])

    @warm_up("search")
    def load() -> None:
        if outcome := next(outcomes):
            raise outcome

    with caplog.at_level(logging.WARNING):
        with pytest.raises(OSError, match="no room"):
            load()
        load()
        load()  # or `outcomes` would be exhausted
    assert caplog.messages == []


def test_what_is_loaded_is_all_that_work_needs_and_work_starts_no_timer(monkeypatch: pytest.MonkeyPatch):
    alignment._load_compiled()
    word_boundaries._load_compiled()
    functions = [alignment._advance, alignment._find_agreement, alignment._trace, alignment._forget]
    functions += [word_boundaries._measure_limits, word_boundaries._find_starts, word_boundaries._find_ends]
    before = [list(function.signatures) for function in functions]
    assert all(before)

    def start(*arguments: object, **options: object) -> None:
        raise AssertionError("a timer was started")

    monkeypatch.setattr(jit.threading, "Timer", start)
    monkeypatch.setattr(alignment, "_ROOM", 64)  # so that it has to make room
    log_probs = np.full((100, 3), np.log(1 / 3), np.float32)
    found = alignment.align_stream([log_probs, log_probs], [1, 2, 2, 1], pruning=10.0)
    word_boundaries.find_boundaries(found.starts * 0.04, found.ends * 0.04, 9.0, np.zeros(900))
    assert [list(function.signatures) for function in functions] == before
