"""ONNX Runtime as the package loads it: it sends nothing, leaves nothing behind and starts no threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import os
from tests.runtime.test_onnx_network import make_features, make_network, make_settings
network = make_network(make_settings())
network.run([make_features(30)])
print(os.environ["ORT_DISABLE_TELEMETRY"], len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs a system that lists threads in /proc")
def test_a_network_leaves_no_files_and_no_threads(tmp_path: Path):
    folders = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"} | folders
    environment["OPENBLAS_NUM_THREADS"] = "1"  # numpy's own
    printed = subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, timeout=100)
    assert printed.stdout == "1 1\n", printed.stderr
    assert list(tmp_path.rglob("*")) == []


def test_who_wants_to_send_events_may(tmp_path: Path):
    code = "import asr, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout == "0\n"
