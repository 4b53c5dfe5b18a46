"""The name of a cluster in, a connection to Ray out; whatever Ray says about failures, in one line."""

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from asr.errors import AsrError, one_line

_OBJECT_STORE = 512 << 20  # bytes, of a cluster that is started here: parts of long recordings lie there
_ANSWER_SECONDS = 10.0
_LOCAL = re.compile(r"local(?::([1-9]\d*))?")
_ADDRESS = re.compile(r"(?:ray://)?[^\s:/]+:\d+")


@contextmanager
def connect(cluster: str) -> Iterator[None]:
    """Connect to a cluster while the block runs; one that is started here ends with it.

    Args:
        cluster: "auto" for the one that runs on this machine or that RAY_ADDRESS names; "ray://HOST:PORT" or
            "HOST:PORT"; "local" to start one here with all cores, or "local:N" with N.

    Raises:
        AsrError: If there is no such cluster, or it cannot be used.
    """
    options = _parse(cluster)
    # Nothing is sent to Ray's makers, unless the user says so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray  # of [cluster]

    if ray.is_initialized():  # by a program that uses this as a library
        yield
        return
    try:
        _check_answer(_address_for_auto() if cluster == "auto" else cluster)
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, configure_logging=False, **options)
    except Exception as error:  # ConnectionError, RuntimeError, TimeoutError, ValueError and others
        ray.shutdown()
        raise AsrError(f"cluster {cluster}: {explain(cluster, error)}") from None
    _silence()
    try:
        yield
    finally:
        ray.shutdown()


def _silence() -> None:
    """Leave out Ray's reports of deaths, pages of its inner state on standard output: the schedule reports them."""
    with suppress(ImportError, AttributeError):  # no part of Ray's public interface
        from ray._private.ray_logging import global_worker_stdstream_dispatcher

        global_worker_stdstream_dispatcher.remove_handler("ray_print_logs")


def _parse(cluster: str) -> dict[str, Any]:
    if cluster == "auto":
        return {"address": "auto"}
    if match := _LOCAL.fullmatch(cluster):
        options = {"address": "local", "include_dashboard": False, "object_store_memory": _OBJECT_STORE}
        return options if match.group(1) is None else {**options, "num_cpus": int(match.group(1))}
    if _ADDRESS.fullmatch(cluster):
        return {"address": cluster}
    raise AsrError(f"cluster {cluster}: expected auto, ray://HOST:PORT, local, or local:N with N workers")


def _address_for_auto() -> str:
    """Return the address that Ray takes for `auto`, perhaps that of a cluster that was killed."""
    try:  # no part of Ray's public interface
        from ray._private.services import get_ray_address_from_environment
    except ImportError:
        return os.environ.get("RAY_ADDRESS", "")
    return str(get_ray_address_from_environment("auto", None))


def _check_answer(address: str) -> None:
    """Raise OSError if nothing listens at an address; Ray itself would try for minutes."""
    if _ADDRESS.fullmatch(address) and not _LOCAL.fullmatch(address):
        host, _, port = address.removeprefix("ray://").rpartition(":")
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()


def explain(cluster: str, error: BaseException) -> str:
    """Say in one line why a cluster cannot be used, and what to do."""
    text = one_line(error)
    if "ersion mismatch" in text:
        found = [f"{name} {number}" for name, number in re.findall(r"(Ray|Python):? *v?(\d[\w.]*)", text)]
        # Those of the cluster, then those of this process.
        listed = f"it runs {' and '.join(found[:2])}, this machine {' and '.join(found[2:])}" if found[3:] else text
        return f"{listed}; install the same Ray and Python on all machines"
    if "token" in text.lower() and "auth" in text.lower():
        return "it wants a token; copy ~/.ray/auth_token of its head to this machine, or set RAY_AUTH_TOKEN"
    is_left_behind = cluster == "auto" and isinstance(error, OSError) and not os.environ.get("RAY_ADDRESS")
    if is_left_behind or "Could not find any running Ray instance" in text:
        return "no cluster runs here; start one (docs/cluster.md), give ray://HOST:PORT, or local for this machine"
    if "grpc" in text and "install" in text:
        return f"{text}; python -m pip install 'ray[client]'"
    if isinstance(error, OSError) or "connect" in text.lower():
        return f"no cluster answers at that address ({text[:120]}); check it, and that ports 6379 and 10001 are open"
    return f"cannot be used: {text}"
