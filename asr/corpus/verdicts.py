"""What the doctor found in recordings, kept beside their manifest, so that no recording is read again at every start.

    train.jsonl.gz              a manifest
    train.jsonl.gz.verdicts.gz  a line of JSON for each of its recordings

A verdict counts as long as the recording's files have the size and time that they had, and the manifest says the same
of them. Of shards the size alone counts, so that they can be copied with their verdicts, which `asr shard` writes.
What depends on settings, such as the text, is no part of it.
"""

import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from asr import remote
from asr.atomic import atomic_write
from asr.corpus.ranges import SUFFIX, range_of, size_of_remote
from asr.errors import AsrError

Faults: TypeAlias = list[list[tuple[str, str]]]  # of each cut of a recording: kind and reason
_VERSION = 1  # of the checks; other verdicts are not read
_ENDING = ".verdicts.gz"


class Verdicts:
    """The verdicts beside a manifest."""

    def __init__(self, manifest: Path | str) -> None:
        self._path = path_of_verdicts(manifest)
        self._kept = _read(self._path)
        self._is_changed = False

    def get(self, cuts: Sequence[Any]) -> Faults | None:
        """Return what was found in the cuts of one recording; None if it is not known, or may have changed."""
        kept = self._kept.get(_key(cuts))
        if kept is None or kept[0] != _state(cuts):
            return None
        faults = kept[1] or [[] for _ in cuts]
        return [[(kind, reason) for kind, reason in of_cut] for of_cut in faults]

    def add(self, cuts: Sequence[Any], faults: Faults) -> None:
        """Keep what was found in the cuts of one recording, unless it is held in no file."""
        key, state = _key(cuts), _state(cuts)
        if key and state:
            self._kept[key] = state, faults if any(faults) else []
            self._is_changed = True

    def save(self) -> None:
        """Write what has changed. Where the manifest's folder cannot be written to, nothing is kept."""
        if self._is_changed:
            with suppress(AsrError):
                _save(self._path, _pack(self._kept))
        self._is_changed = False


def path_of_verdicts(manifest: Path | str) -> str:
    """Return where the verdicts of a manifest are kept, by path or URL."""
    return f"{manifest}{_ENDING}"


def _save(path: str, content: bytes) -> None:
    if remote.is_url(path):
        remote.write_file(path, content)
        return
    with atomic_write(Path(remote.without_scheme(path))) as partial:
        partial.write_bytes(content)


def _pack(kept: Mapping[str, tuple[str, Faults]]) -> bytes:
    buffer = io.BytesIO()
    with gzip.open(buffer, "wt", encoding="utf-8", compresslevel=1) as lines:
        lines.write(json.dumps({"version": _VERSION}) + "\n")
        lines.writelines(json.dumps([key, state, faults]) + "\n" for key, (state, faults) in kept.items())
    return buffer.getvalue()


def _read(path: str) -> dict[str, tuple[str, Faults]]:
    """Read what is kept; nothing if that is missing, broken, or of another version."""
    try:
        content = remote.read_file(path) if remote.is_url(path) else Path(remote.without_scheme(path)).read_bytes()
        with gzip.open(io.BytesIO(content), "rt", encoding="utf-8") as lines:
            if json.loads(next(lines, "{}")).get("version") != _VERSION:
                return {}
            return {key: (state, faults) for key, state, faults in map(json.loads, lines)}
    except (AsrError, OSError, EOFError, ValueError, TypeError, AttributeError, zlib.error):
        return {}


def files_of(cut: Any) -> list[str]:
    """Return the files of a cut's recording, the shard if it lies in one; nothing if it lies elsewhere."""
    place = range_of(cut)
    if place is not None:
        return [place.file]
    recording = getattr(cut, "recording", None)
    if recording is None or any(source.type != "file" for source in recording.sources):
        return []
    return [str(source.source) for source in recording.sources]


def sources_of(cut: Any) -> list[str]:
    """Return what names a cut's recording beside its manifest: its files, or a shard's name with its bytes."""
    place = range_of(cut)
    return files_of(cut) if place is None else [str(place._replace(file=place.file.rpartition("/")[2]))]


def _key(cuts: Sequence[Any]) -> str:
    """Return what names the cuts of a recording in a manifest."""
    files = sources_of(cuts[0])
    spans = [(cut.id, cut.start, cut.duration, cut.channel) for cut in cuts]
    return hashlib.blake2b(repr((files, spans)).encode(), digest_size=12).hexdigest() if files else ""


def _state(cuts: Sequence[Any]) -> str:
    """Return sizes and times of a recording's files, and what the manifest says of it; nothing if a file is missing."""
    recording = cuts[0].recording if files_of(cuts[0]) else None
    if recording is None:
        return ""
    found = [size_and_time(name) for name in files_of(cuts[0])]
    if None in found:
        return ""
    declared = recording.sampling_rate, recording.num_samples, recording.duration, bool(recording.transforms)
    return repr((found, declared))


def size_and_time(file: str) -> tuple[int, int] | None:
    """Return the size of a file in bytes and its time in nanoseconds, 0 for a shard; None if it is missing."""
    if remote.is_url(file):
        size = size_of_remote(file)
        return None if size is None else (size, 0)
    try:
        found = os.stat(file)  # noqa: PTH116  half the time, for millions of files
    except OSError:
        return None
    return found.st_size, 0 if file.endswith(SUFFIX) else found.st_mtime_ns
