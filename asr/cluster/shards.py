"""Transcripts in, few large files out: JSON Lines, or Parquet with a row per recording.

A shard is written whole by the worker that has done its recordings, under a name that follows from these, so that a
unit that is done twice replaces its own shard. Millions of small files would cost more than recognising them does.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any, Literal, get_args

from asr import remote
from asr.atomic import atomic_write
from asr.errors import AsrError, one_line
from asr.jobs.inputs import Recording
from asr.jobs.outputs import Destination
from asr.transcript.formats import format_transcript
from asr.transcript.transcript import Transcript

ShardKind = Literal["jsonl", "parquet"]


def check_kind(kind: str) -> ShardKind:
    """Return a kind of shards. Raises AsrError if there is none such."""
    if kind not in get_args(ShardKind):
        raise AsrError(f"shards {kind}: no such kind; there are: {', '.join(get_args(ShardKind))}")
    return kind  # type: ignore[return-value]


class Shards(Destination):
    """Collects transcripts, and writes them as one file when a unit is done.

    Args:
        folder: By path or URL.
        kind: Of the files.
        skip_existing: Whether recordings that are in earlier shards count as done.
    """

    def __init__(self, folder: str, kind: ShardKind, *, skip_existing: bool) -> None:
        self._folder = remote.without_scheme(folder)
        self._kind = kind
        self._skip_existing = skip_existing
        self._lines: dict[str, str] = {}  # by the recordings' names
        self._done: set[str] | None = None

    def is_done(self, recording: Recording) -> bool:
        if not self._skip_existing:
            return False
        if self._done is None:
            self._done = set(self._read_done())
        return recording.name in self._done

    def write(self, recording: Recording, transcript: Transcript) -> None:
        row = {"name": recording.name, **json.loads(format_transcript(transcript, "json"))}
        self._lines[recording.name] = json.dumps(row, ensure_ascii=False)

    def commit(self) -> None:
        """Write the transcripts since the last call as one shard. Raises AsrError if that fails."""
        if not self._lines:
            return
        lines = [line for _, line in sorted(self._lines.items())]
        digest = hashlib.sha256("\n".join(sorted(self._lines)).encode("utf-8", "surrogateescape")).hexdigest()[:24]
        text = "".join(f"{line}\n" for line in lines)
        content = text.encode("utf-8", "backslashreplace") if self._kind == "jsonl" else _to_parquet(lines)
        self._save(f"part-{digest}.{self._kind}", content)
        self._lines = {}

    def check(self) -> None:
        if remote.is_url(self._folder):
            remote.check_writable(self._folder)
            return
        try:
            Path(self._folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AsrError(f"{self._folder}: cannot be written to: {error.strerror or error}") from None

    def _save(self, name: str, content: bytes) -> None:
        if remote.is_url(self._folder):
            remote.write_file(remote.join_url(self._folder, name), content)
            return
        with atomic_write(Path(self._folder) / name) as partial:
            partial.write_bytes(content)

    def _read_done(self) -> list[str]:
        is_remote = remote.is_url(self._folder)
        names = list(remote.list_names(self._folder)) if is_remote else [p.name for p in Path(self._folder).glob("*")]
        done: list[str] = []
        for name in names:
            if name.startswith("part-") and name.endswith(f".{self._kind}"):
                url = remote.join_url(self._folder, name)
                content = remote.read_file(url) if is_remote else Path(self._folder, name).read_bytes()
                done += _names_in(content, url, self._kind)
        return done


def _to_parquet(lines: list[str]) -> bytes:
    import pyarrow as pa  # of [cluster]
    from pyarrow import parquet

    rows: list[dict[str, Any]] = []
    for line in lines:
        row = json.loads(line)
        # What has an inner structure stays JSON, which all programs read alike.
        fields = {name: row[name] for name in ("name", "file", "duration", "text", "confidence")}
        rows.append({**fields, "transcript": json.dumps({k: v for k, v in row.items() if k != "name"})})
    kinds = {"duration": pa.float64(), "confidence": pa.float64()}
    names = ("name", "file", "duration", "text", "confidence", "transcript")
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def _names_in(content: bytes, url: str, kind: ShardKind) -> list[str]:
    try:
        if kind == "jsonl":
            return [json.loads(line)["name"] for line in content.decode().split("\n") if line]
        from pyarrow import parquet

        return list(parquet.read_table(io.BytesIO(content), columns=["name"]).column("name").to_pylist())
    except Exception as error:  # of another program's file
        raise AsrError(f"{url}: not a shard of this program: {one_line(error)}; move it elsewhere") from None
