"""Many recordings in, files or rows out, by the workers of a Ray cluster.

    inputs ──► units of work ──► schedule ──► workers, one per core or GPU ──► files or shards, written by the workers
               (units)           (schedule)   (worker, model)                  (shards)

job does what `asr transcribe` does, and its files are those of a single machine, byte for byte; connect finds or starts
the cluster. dataset is the same for Python, as a pipeline of Ray Data: `asr.cluster.transcribe`. Ray is imported where
it is used, since it is no part of the base install.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asr.cluster.dataset import transcribe as transcribe

__all__ = ["transcribe"]


def __getattr__(name: str) -> Any:
    if name != "transcribe":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from asr.cluster.dataset import transcribe

    return transcribe
