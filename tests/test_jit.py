"""Compiled code gives what the interpreter gives; it is compiled once, kept, and made anew if its file is damaged."""

import copy
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from asr import alignment
from asr.jit import Array, cache, function, jit, pack, warm_up
from asr.recognize import word_boundaries
from tests.processes import is_true_in_fork, needs_fork

RECORD = np.dtype([("count", np.int32), ("value", np.float64)], align=True)


class Pair(NamedTuple):
    scale: float
    numbers: Array
    is_negative: bool


@jit
def scaled(number: float, scale: float) -> float:
    return number * scale


@jit
def combine(pair: Pair, table: Array, records: Array, first: int) -> tuple[float, int, bool]:
    total = 0.0
    for row in range(first, table.shape[0]):
        for column in range(table.shape[1]):
            total += scaled(table[row, column], pair.scale) * pair.numbers[column]
    records[1].count += first
    records[1].value = total
    return -total if pair.is_negative else total, int(records[1].count), first > 1


@jit
def copy_reversed(source: Array, target: Array) -> None:
    for index in range(len(source)):
        target[len(source) - 1 - index] = source[index]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; nothing is loaded or announced yet."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    forget(monkeypatch)
    return tmp_path / "cache"


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for compiled in (combine, copy_reversed):
        monkeypatch.setattr(compiled, "_loaded", {})
    monkeypatch.setattr(function._state, "announced", set())
    cache._warn.cache_clear()
    cache._remove_old.cache_clear()


def reverse() -> list[float]:
    target = np.zeros(3)
    copy_reversed(np.array([1.0, 2.0, 3.0]), target)
    return target.tolist()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda packed: pickle.loads(pickle.dumps(packed))])
def test_a_copy_of_packed_arguments_has_arrays_of_its_own(duplicate):
    numbers = np.array([1.0, 2.0])
    copied = duplicate(pack(Pair(1.0, numbers, False)))
    numbers[:] = np.nan
    assert combine(copied, np.ones((1, 2)), np.zeros(2, RECORD), 0) == (3.0, 0, False)


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("is_negative", [False, True])
def test_arguments_and_results_pass_as_in_the_interpreter(is_negative: bool, is_packed: bool):
    rng = np.random.default_rng(0)
    pair, records = Pair(0.5, rng.normal(size=4), is_negative), np.zeros(2, RECORD)
    for table in (rng.normal(size=(3, 4)), rng.normal(size=(8, 6))[1:7:2, 1:5], rng.normal(size=(4, 3)).T):
        before = int(records["count"][1])
        expected = 0.5 * float((table[2:] * pair.numbers).sum())
        found = combine(pack(pair) if is_packed else pair, table, records, np.int64(2))
        assert found == (pytest.approx(-expected if is_negative else expected), before + 2, True)
        assert records["value"][1] == pytest.approx(expected)
        assert list(map(type, found)) == [float, int, bool]


def test_element_types_have_code_of_their_own():
    for dtype in (np.int8, np.uint64, np.float32, np.bool_):
        source = np.array([1, 0, 3]).astype(dtype)
        target = np.empty(3, dtype)
        copy_reversed(source, target)
        assert target.tolist() == source[::-1].tolist()


def test_what_compiled_code_cannot_take_is_refused():
    with pytest.raises(TypeError, match="found list"):
        copy_reversed([1.0], np.zeros(1))


def test_cached_code_is_loaded_without_numba(folder: Path):
    code = (
        "import sys, numpy as np; from asr.select import nth_largest;"
        "print(nth_largest(np.array([1.0, 3.0, 2.0]), 3, 2), 'numba' in sys.modules)"
    )
    printed = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)]
    assert printed == ["2.0 True\n", "2.0 False\n"]


DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "one byte less": lambda content: content[:-1],
    "one bit flipped": lambda content: content[:-200] + bytes([content[-200] ^ 1]) + content[-199:],
    "garbage": lambda content: os.urandom(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch, damage):
    assert reverse() == [3.0, 2.0, 1.0]
    (path,) = folder.iterdir()
    intact = path.read_bytes()
    path.write_bytes(damage(intact))
    forget(monkeypatch)
    assert reverse() == [3.0, 2.0, 1.0]
    assert list(folder.iterdir()) == [path]
    assert cache.read(path.stem) is not None


def test_a_folder_that_cannot_be_written_costs_one_line(folder: Path, caplog):
    folder.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert reverse() == [3.0, 2.0, 1.0]
        copy_reversed(np.zeros(1, np.int16), np.zeros(1, np.int16))
    (message,) = caplog.messages
    assert message.startswith(f"each process compiles its code again, since {folder} cannot be written (")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="has other cache folders")
@pytest.mark.parametrize(
    ("home", "cache_home", "expected"),
    [
        ("/home/ann", None, "/home/ann/.cache/asr/compiled"),
        ("/home/ann", "", "/home/ann/.cache/asr/compiled"),
        ("/home/ann", "/scratch", "/scratch/asr/compiled"),
        ("/home/ann", "scratch", "/dev/null/compiled"),  # nothing goes into the current folder
    ],
)
def test_the_cache_is_in_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, home: str, cache_home: str | None, expected: str
):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    if cache_home is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", cache_home)
    assert str(cache.folder()) == expected


def test_a_full_disk_costs_one_line(folder: Path, caplog, monkeypatch: pytest.MonkeyPatch):
    def fail(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with caplog.at_level(logging.WARNING):
        assert reverse() == [3.0, 2.0, 1.0]
        copy_reversed(np.zeros(1, np.int16), np.zeros(1, np.int16))
    assert [message for message in caplog.messages if "(No space left on device)" in message] == caplog.messages[1:]
    assert len(caplog.messages) == 2
    assert list(folder.iterdir()) == []


def test_code_that_nobody_used_for_long_is_removed(folder: Path):
    folder.mkdir()
    old, new, foreign = (folder / f"{name}.code" for name in (f"old-{'0' * 32}", f"new-{'a' * 32}", "foreign"))
    for path in (old, new, foreign):
        path.write_bytes(b"")
    for path, days in ((old, 61), (new, 59), (foreign, 61)):
        os.utime(path, (time.time() - days * 86400,) * 2)
    reverse()
    assert [path.exists() for path in (old, new, foreign)] == [False, True, True]


def test_processes_that_start_at_once_with_an_empty_cache_all_work(folder: Path):
    code = "import numpy as np; from asr.select import nth_largest; print(nth_largest(np.array([1.0, 3.0]), 2, 1))"
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate()[0] for process in processes] == [b"3.0\n"] * 3
    assert [path.suffix for path in folder.iterdir()] == [".code"]


def test_a_fingerprint_depends_on_code_constants_and_what_is_called():
    def make(constant: float, called: object, source: str) -> str:
        namespace = {"LIMIT": constant, "called": called, "__name__": "somewhere"}
        exec(source, namespace)
        return cache.fingerprint(namespace["compiled"], "float")  # type: ignore[arg-type]

    source = "def compiled(x):\n    return called(x) + LIMIT"
    other = jit(lambda x, y: x * y + 1)
    prints = [
        make(1.0, scaled, source),
        make(2.0, scaled, source),
        make(1.0, other, source),
        make(1.0, scaled, source + " * x"),
    ]
    assert len(set(prints)) == len(prints)
    assert make(1.0, scaled, source) == prints[0]
    assert make(1.0, scaled, "# moved\n\n" + source) == prints[0]


@needs_fork
def test_a_forked_child_has_the_loaded_code_and_compiles_more(folder: Path):
    def works() -> bool:
        target = np.zeros(1, np.float32)  # of a type that is not loaded yet
        copy_reversed(np.ones(1, np.float32), target)
        return reverse() == [3.0, 2.0, 1.0] and target[0] == 1

    assert reverse() == [3.0, 2.0, 1.0]
    assert is_true_in_fork(works)
    assert works()


@needs_fork
def test_a_fork_waits_for_a_thread_that_compiles(folder: Path):
    """Or numba's and LLVM's locks would stay locked in the child."""
    is_compiling, has_compiled = threading.Event(), []

    def compile_slowly() -> None:
        with function._state.lock:
            is_compiling.set()
            time.sleep(0.2)
            has_compiled.append(True)

    thread = threading.Thread(target=compile_slowly)
    thread.start()
    is_compiling.wait()
    assert is_true_in_fork(lambda: has_compiled == [True] and reverse() == [3.0, 2.0, 1.0])
    thread.join()


def test_threads_that_call_at_once_compile_once(folder: Path, caplog):
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: reverse(), range(8))) == [[3.0, 2.0, 1.0]] * 8
    assert len(caplog.messages) == len(list(folder.iterdir())) == 1


def test_compilation_is_announced_with_its_purpose_and_loading_is_not(folder: Path, caplog, monkeypatch):
    for expected in (["compiling the search for this machine; this happens once"], []):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            warm_up("search")(lambda: [reverse(), copy_reversed(np.ones(1, bool), np.ones(1, bool))])()
        assert caplog.messages == expected
        forget(monkeypatch)


def test_a_load_that_failed_is_tried_again():
    outcomes = iter([OSError("no room"), None])

    @warm_up("search")
    def load() -> None:
        if outcome := next(outcomes):
            raise outcome

    with pytest.raises(OSError, match="no room"):
        load()
    load()
    load()  # or `outcomes` would be exhausted


def test_what_is_loaded_is_all_that_work_needs(monkeypatch: pytest.MonkeyPatch):
    alignment._load_compiled()
    word_boundaries._load_compiled()
    functions = [alignment._search_frames, alignment._find_agreement, alignment._trace]
    functions += [word_boundaries._measure_limits, word_boundaries._find_starts, word_boundaries._find_ends]
    before = [list(function.signatures) for function in functions]
    assert all(before)
    monkeypatch.setattr(alignment, "_ROOM", 64)  # so that it has to make room
    log_probs = np.full((100, 3), np.log(1 / 3), np.float32)
    found = alignment.align_stream([log_probs, log_probs], [1, 2, 2, 1], pruning=10.0)
    word_boundaries.find_boundaries(found.starts * 0.04, found.ends * 0.04, 9.0, np.zeros(900))
    assert [list(function.signatures) for function in functions] == before
