"""A data set of Ray Data in, the same with transcripts out: recognition as a step of a larger pipeline.

    import asr.cluster
    rows = asr.cluster.transcribe("s3://bucket/calls")     # lazy, like all of Ray Data
    rows.filter(lambda row: row["error"] is None).write_parquet("s3://bucket/texts")

Each row is recognised by one worker, which loads its model once. Rows that cannot be read have an `error` and do not
stop the others. A recording of hours keeps one worker busy; `asr transcribe` cuts such among all.
"""

import io
import json
from typing import Any, cast

from asr.cluster.model import pack
from asr.cluster.worker import ModelFiles
from asr.config import BATCH_SECONDS, DEFAULT_MODEL
from asr.errors import AsrError, AudioError
from asr.jobs.inputs import Inputs, find_recordings
from asr.recognize.model_folder import find_model
from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import Recognizer
from asr.remote import RemoteFile, is_url, without_scheme
from asr.runtime.precision import check_precision
from asr.signal.audio import AudioSource
from asr.signal.channels import ChannelChoice
from asr.transcript.formats import format_transcript

_BATCH_ROWS = 16


def transcribe(
    source: Any,
    *,
    column: str = "path",
    model: str = DEFAULT_MODEL,
    decoding: DecodingOptions | None = None,
    channel: ChannelChoice = "mix",
    precision: str = "auto",
    workers: int | tuple[int, int] | None = None,
    num_gpus: float = 0.0,
) -> Any:
    """Recognise the recordings of a data set.

    Args:
        source: A `ray.data.Dataset`; or recordings, folders and globs, each by path or URL, or a list of these.
        column: Of the data set: paths, URLs, the bytes of recordings, or structs of `bytes` and `path`, with one of
            them or both.
        model: A model's name or folder on this machine; workers get a copy.
        decoding: How it decodes.
        channel: As for `Recognizer.transcribe`.
        precision: What the network computes with.
        workers: How many, or the least and the most; None: between one and as many as there are cores or GPUs.
        num_gpus: Of each worker.

    Returns:
        The data set with the further columns `text`, `duration` (seconds), `confidence`, `transcript` (the JSON of
        docs/transcripts.md) and `error`. Nothing is computed until it is used.

    Raises:
        AsrError: If there are no recordings, or no such model.
    """
    import ray.data  # of [cluster]

    if not isinstance(source, ray.data.Dataset):
        paths = [source] if isinstance(source, str) else [str(path) for path in source]
        recordings, errors = find_recordings(Inputs(paths))
        if errors:
            raise errors[0]
        source = ray.data.from_items([{column: _as_text(recording.source)} for recording in recordings])
    if workers is None:
        found = ray.cluster_resources()
        most = found.get("GPU", 0) / num_gpus if num_gpus else found.get("CPU", 1)
        workers = (1, max(1, int(most)))
    files = ModelFiles(pack(find_model(model)))
    arguments = (ray.put(files), decoding or DecodingOptions(), column, channel, check_precision(precision), num_gpus)
    low, high = (workers, workers) if isinstance(workers, int) else workers
    return source.map_batches(
        Recognise,
        fn_constructor_args=arguments,
        batch_size=_BATCH_ROWS,
        num_cpus=1,
        num_gpus=num_gpus or None,
        compute=ray.data.ActorPoolStrategy(min_size=low, max_size=high),
    )


class Recognise:
    """The step of the pipeline: an actor, which loads its model when it starts."""

    def __init__(
        self,
        files: Any,
        decoding: DecodingOptions,
        column: str,
        channel: ChannelChoice,
        precision: str,
        num_gpus: float,
    ) -> None:
        import ray

        from asr.cluster.worker import load_recognizer

        files = ray.get(files) if isinstance(files, ray.ObjectRef) else files
        device = "cuda" if num_gpus else "cpu"
        self._recognizer: Recognizer = load_recognizer(files, decoding, device=device, precision=precision)
        self._column, self._channel = column, channel

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Add the columns of `transcribe` to a batch, given by columns."""
        sources = list(map(_as_source, batch[self._column]))
        results = self._recognizer.transcribe_many(sources, channel=self._channel, batch_seconds=BATCH_SECONDS)
        rows = [_to_row(result) for result in results]
        names = ("text", "duration", "confidence", "transcript", "error")
        return {**batch, **{name: [row.get(name) for row in rows] for name in names}}


def _as_text(source: Any) -> str:
    if isinstance(source, RemoteFile):
        return source.name
    if hasattr(source, "read"):
        raise AsrError(f"{source.name}: read this file by ray.data.read_parquet, and give the data set")
    return str(source)


def _as_source(value: Any) -> AudioSource:
    name = None
    if isinstance(value, dict):
        value, name = value.get("bytes"), value.get("path")
        value = name if value is None else value
    if isinstance(value, str):
        return cast(AudioSource, RemoteFile(value) if is_url(value) else without_scheme(value))
    return _NamedBytes(name or "audio stream", value or b"")


class _NamedBytes(io.BytesIO):
    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self.name = name


def _to_row(result: Any) -> dict[str, Any]:
    if isinstance(result, AudioError):
        return {"error": str(result)}
    document = json.loads(format_transcript(result, "json"))
    row = {name: document[name] for name in ("text", "duration", "confidence")}
    return {**row, "transcript": json.dumps(document, ensure_ascii=False)}
