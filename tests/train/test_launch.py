"""Processes that wait for one another, for which threads stand in; signals while matrices are multiplied."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from asr.errors import CorpusError, TrainingError
from asr.train import launch
from asr.train.launch import in_turn


class Process:
    """One of three that add up tensors with one another."""

    world_size = 3
    device = "cpu"

    def __init__(self, rank: int, barrier: threading.Barrier, values: dict[int, torch.Tensor]) -> None:
        self.rank, self._barrier, self._values = rank, barrier, values

    def all_reduce(self, value: torch.Tensor, reduce_op: str) -> torch.Tensor:
        assert reduce_op == "sum"
        self._values[self.rank] = value
        self._barrier.wait(10)
        total = sum(self._values.values())
        self._barrier.wait(10)
        return total


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    monkeypatch.setattr(launch, "_TURN_SECONDS", 0.01)
    shared = threading.Barrier(3), {}
    return [Process(rank, *shared) for rank in range(3)]


def test_one_works_while_the_others_wait(processes: list[Process]):
    done: list[int] = []

    def work() -> None:
        time.sleep(0.1)
        done.append(1)

    def run(process: Process) -> int:
        in_turn(process, process.rank == 1, work)
        return len(done)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, processes)) == [1, 1, 1]


def test_all_end_when_one_fails(processes: list[Process]):
    def fail() -> None:
        raise CorpusError("no such manifest")

    def run(process: Process) -> str:
        with pytest.raises((CorpusError, TrainingError)) as raised:
            in_turn(process, process.rank == 0, fail)
        return str(raised.value)

    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(run, processes)
    assert first == "no such manifest"
    assert set(others) == {"another process could not go on; its message says why"}


_SIGNALLED = """
import signal, torch
from asr.train.launch import launch
launch("fp32")
torch.set_num_threads(1)
lstm, inputs = torch.nn.LSTM(256, 256, batch_first=True), torch.randn(16, 200, 256)
def gradients():
    lstm.zero_grad()
    lstm(inputs)[0].square().mean().backward()
    return [parameter.grad.clone() for parameter in lstm.parameters()]
undisturbed, signals = gradients(), []
signal.signal(signal.SIGALRM, lambda *_: signals.append(1))
signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-3)
disturbed = [gradients() for _ in range(10)]
signal.setitimer(signal.ITIMER_REAL, 0)
assert all(torch.equal(*pair) for some in disturbed for pair in zip(undisturbed, some))
print(len(signals))
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
def test_signals_leave_the_buffers_of_matrix_products_alone():
    # Without a stack of their own, on a processor with AVX-512, this ends in a segmentation fault or a corrupted heap.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONFAULTHANDLER"}
    command = [sys.executable, "-c", _SIGNALLED]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 0
