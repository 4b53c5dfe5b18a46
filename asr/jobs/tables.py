"""Manifests and Parquet files in, the recordings that they name or hold out.

A manifest is a JSON-lines file, perhaps compressed: lhotse's recordings or cuts, or lines with a `path` or an
`audio_filepath`. Parquet files have a column with such paths, or one with the bytes of recordings, as in Hugging Face's
data sets: a struct of `bytes` and `path`.
"""

import io
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from asr.errors import AsrError, AudioError, one_line
from asr.files import read_lines
from asr.remote import find_system, is_url, join_url

_PATHS = ("path", "audio_filepath", "audio_path", "file", "url")
_BYTES = ("audio", "bytes", "wav", "flac", "mp3")
_MANIFESTS = (".jsonl", ".jsonl.gz", ".jsonl.xz")


class ParquetRow:
    """A recording whose bytes are a value of a Parquet file.

    Attributes:
        name: The file and the number of the row, or the path that the row gives.
        size: Bytes, about.
    """

    def __init__(self, table: str, column: str, row_group: int, row: int, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._place = table, column, row_group, row
        self._content: io.BytesIO | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return ParquetRow, (*self._place, self.name, self.size)

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes. Raises AudioError if the row holds none."""
        if self._content is None:
            table, column, row_group, row = self._place
            try:
                value = _read_column(table, column, row_group)[row].as_py()
            except Exception as error:  # of Arrow, or of a store
                raise AudioError(f"{self.name}: {table} cannot be read: {one_line(error)}") from None
            content = value.get("bytes") if isinstance(value, dict) else value
            if not content:
                raise AudioError(f"{self.name}: this row holds no audio")
            self._content = io.BytesIO(content)
        return self._content.read(size)


def is_table(argument: str) -> bool:
    """Return whether an argument names a manifest or a Parquet file."""
    return argument.lower().endswith((".parquet", *_MANIFESTS))


def read_table(argument: str) -> list[str | ParquetRow]:
    """Return the paths and URLs that a manifest or Parquet file names, each once, or the recordings that it holds.

    Raises:
        AsrError: If it cannot be read, or names no recording.
    """
    found: list[str | ParquetRow] = list(
        _read_parquet(argument) if argument.lower().endswith(".parquet") else _read_manifest(argument)
    )
    if not found:
        raise AsrError(f"{argument}: names no recording")
    return list(dict.fromkeys(found))


def _read_manifest(argument: str) -> Iterator[str]:
    for number, line in enumerate(read_lines(argument, AsrError), start=1):
        if not line.strip():
            continue
        try:
            paths = _paths_of(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            paths = []
        if not paths:
            raise AsrError(f"{argument}:{number}: expected a cut or recording of lhotse, or a line with a `path`")
        yield from (_relative_to(argument, path) for path in paths)


def _paths_of(row: Any) -> list[str]:
    for name in _PATHS:
        if isinstance(row.get(name), str):
            return [row[name]]
    if "tracks" in row:
        return [path for track in row["tracks"] for path in _paths_of(track["cut"])]
    return [source["source"] for source in row.get("recording", row)["sources"] if source["type"] in ("file", "url")]


def _relative_to(table: str, path: str) -> str:
    """Return a path that is relative to the folder of its table."""
    if is_url(path) or Path(path).is_absolute():
        return path
    if is_url(table):
        return join_url(table.rpartition("/")[0], path)
    return str(Path(table).parent / path)


def _read_parquet(argument: str) -> Iterator[str | ParquetRow]:
    try:
        file = _open_parquet(argument)
        names = set(file.schema_arrow.names)
        path = next((name for name in _PATHS if name in names), None)
        column = next((name for name in _BYTES if name in names), None)
        if column is not None and str(file.schema_arrow.field(column).type) in ("string", "large_string"):
            path, column = column, None
        if column is None and path is not None:
            for value in file.read(columns=[path]).column(path).to_pylist():
                yield _relative_to(argument, value)
            return
        if column is not None:
            yield from _rows(argument, file, column, path)
            return
    except (AsrError, ModuleNotFoundError):
        raise
    except Exception as error:  # of Arrow, or of a store
        raise AsrError(f"{argument}: cannot be read as Parquet: {one_line(error)}") from None
    raise AsrError(f"{argument}: expected a column {' or '.join((*_BYTES[:2], *_PATHS[:2]))}; found {sorted(names)}")


def _rows(argument: str, file: Any, column: str, path: str | None) -> Iterator[ParquetRow]:
    is_struct = str(file.schema_arrow.field(column).type).startswith("struct")
    named = path or (f"{column}.path" if is_struct and "path" in str(file.schema_arrow.field(column).type) else None)
    number = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        size = file.metadata.row_group(group).total_byte_size // max(1, rows)
        names = _names(file, group, named) if named else [None] * rows
        for row, name in enumerate(names):
            full = f"{argument}/{PurePosixPath(name)}" if name else f"{argument}/{number:08d}"
            yield ParquetRow(argument, column, group, row, full, size)
            number += 1


def _names(file: Any, group: int, named: str) -> list[str | None]:
    outer, _, inner = named.partition(".")
    values = file.read_row_group(group, columns=[named]).column(outer).to_pylist()
    return [value.get(inner) if isinstance(value, dict) else value for value in values]


def _open_parquet(argument: str) -> Any:
    from pyarrow.parquet import ParquetFile  # of [cluster]

    if not is_url(argument):
        return ParquetFile(argument)
    system, path = find_system(argument)
    return ParquetFile(system.open(path, "rb"))


@lru_cache(maxsize=4)  # workers read neighbours
def _read_column(table: str, column: str, row_group: int) -> Any:
    return _open_parquet(table).read_row_group(row_group, columns=[column]).column(column)
