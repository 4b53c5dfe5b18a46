"""Clusters of Ray on this machine, and a server that answers as S3 does; both skip where their packages are missing."""

import os
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias
from urllib.request import Request, urlopen

import pytest

INSTALL = "python -m pip install --editable '.[test-cluster]'"
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
STORE = 80_000_000  # bytes of each node's object store


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster of three nodes with one core each, the first of which is its head, and this process connected to it."""
    ray = pytest.importorskip("ray", reason=f"needs Ray: {INSTALL}")
    from ray.cluster_utils import Cluster

    nodes = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False},
    )
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(address=nodes.address, log_to_driver=False, configure_logging=False)
    try:
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


Fault: TypeAlias = int | Literal["slow", "stalled", "cut"]


class Faults:
    """What stands between us and a server of S3 on this machine, and fails as it is asked to.

    A fault is a status to answer with; or the server's own answer, but "slow", in pieces with pauses between them;
    "stalled", after the client's patience has ended; or "cut", without its second half.

    Attributes:
        url: Of the server.
        plan: Faults of the next requests of objects, first in, first out; None: none.
        always: Fault of each request of a key that holds `broken`.
        count: Faults so far.
    """

    patience = 0.5  # seconds that the client waits for the next bytes

    def __init__(self, application: Any) -> None:
        self._application = application
        self.url = ""
        self.plan: list[Fault | None] = []
        self.always: Fault | None = None
        self.count = 0

    def __call__(self, environ: Any, start_response: Any) -> Any:
        fault = None
        if environ["REQUEST_METHOD"] in ("GET", "PUT") and environ["PATH_INFO"].count("/") > 1:
            fault = self.plan.pop(0) if self.plan else None
            if self.always is not None and "broken" in environ["PATH_INFO"]:
                fault = self.always
        if fault is None:
            return self._application(environ, start_response)
        self.count += 1
        if isinstance(fault, int):
            start_response(f"{fault} Fault", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{'SlowDown' if fault == 503 else 'InternalError'}</Code></Error>".encode()]
        if fault == "stalled":
            time.sleep(3 * self.patience)
        answer = b"".join(self._application(environ, start_response))
        if fault == "slow":
            return self._in_pieces(answer)
        return [answer[: len(answer) // 2]] if fault == "cut" else [answer]

    def _in_pieces(self, answer: bytes) -> Iterator[bytes]:
        size = max(1, len(answer) // 4)
        for start in range(0, len(answer), size):
            time.sleep(0.6 * self.patience)
            yield answer[start : start + size]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """S3 with the bucket `bucket`; all of fsspec's s3:// goes there."""
    pytest.importorskip("s3fs", reason=f"needs s3fs: {INSTALL}")
    pytest.importorskip("moto", reason=f"needs moto: {INSTALL}")
    import fsspec
    import s3fs
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    faults = Faults(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, faults, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    faults.url = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # so that the retries are ours
    monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", faults.url)
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": faults.url})
    monkeypatch.setattr("asr.remote._FIRST_WAIT", 0.01)
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(s3fs.S3FileSystem, "read_timeout", Faults.patience)
    urlopen(Request(f"{faults.url}/moto-api/reset", method="POST")).close()  # what other tests left in this process
    s3fs.S3FileSystem().mkdir("bucket")
    try:
        yield faults
    finally:
        server.shutdown()
        thread.join(timeout=10)
        s3fs.S3FileSystem.clear_instance_cache()
