"""What the doctor found in recordings, kept beside their manifest, so that no recording is read again at every start.

    train.jsonl.gz              a manifest
    train.jsonl.gz.verdicts.gz  a line of JSON for each of its recordings

A verdict counts as long as the recording's files have the size and time that they had, and the manifest says the same
of them. What depends on settings, such as the text, is no part of it.
"""

import gzip
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from asr.atomic import atomic_write
from asr.errors import AsrError

Faults: TypeAlias = list[list[tuple[str, str]]]  # of each cut of a recording: kind and reason
_VERSION = 1  # of the checks; other verdicts are not read
_SUFFIX = ".verdicts.gz"


class Verdicts:
    """The verdicts beside a manifest."""

    def __init__(self, manifest: Path) -> None:
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
            with suppress(AsrError), atomic_write(self._path) as partial:
                _write(partial, self._kept)
        self._is_changed = False


def path_of_verdicts(manifest: Path) -> Path:
    """Return where the verdicts of a manifest are kept."""
    return manifest.with_name(manifest.name + _SUFFIX)


def _write(path: Path, kept: Mapping[str, tuple[str, Faults]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as lines:
        lines.write(json.dumps({"version": _VERSION}) + "\n")
        for key, (state, faults) in kept.items():
            lines.write(json.dumps([key, state, faults]) + "\n")


def _read(path: Path) -> dict[str, tuple[str, Faults]]:
    """Read what is kept; nothing if that is missing, broken, or of another version."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            if json.loads(next(lines, "{}")).get("version") != _VERSION:
                return {}
            rows = [json.loads(line) for line in lines]
        return {key: (state, faults) for key, state, faults in rows}
    except (OSError, EOFError, ValueError, TypeError, AttributeError):
        return {}


def files_of(cut: Any) -> list[str]:
    """Return the files of a cut's recording; nothing if it lies elsewhere, as mixtures and shards do."""
    recording = getattr(cut, "recording", None)
    if recording is None or any(source.type != "file" for source in recording.sources):
        return []
    return [str(source.source) for source in recording.sources]


def _key(cuts: Sequence[Any]) -> str:
    """Return what names the cuts of a recording in a manifest."""
    files = files_of(cuts[0])
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
    """Return the size of a file in bytes and its time in nanoseconds; None if it is missing."""
    try:
        found = os.stat(file)  # noqa: PTH116  half the time, for millions of files
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
