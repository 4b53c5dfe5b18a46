"""Children of the test's process that end in time, or else are killed."""

import os
import signal
import time
from collections.abc import Callable

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")


def is_true_in_fork(check: Callable[[], bool], *, seconds: float = 30) -> bool:
    """Whether a check holds in a forked child; the test fails where the child does not end in time."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if check() else 2
        finally:
            os._exit(status)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return pytest.fail(f"the child still ran after {seconds} s")
