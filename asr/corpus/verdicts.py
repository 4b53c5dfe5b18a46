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
    """The verdicts beside some manifests.

    Args:
        parts: The cuts of each manifest.
    """

    def __init__(self, parts: Mapping[Path, Sequence[Any]]) -> None:
        self._origins = {id(cut): path for path, cuts in parts.items() for cut in cuts}
        self._kept: dict[Path, dict[str, tuple[str, Faults]]] = {path: _read(path) for path in parts}
        self._changed: set[Path] = set()

    def get(self, cuts: Sequence[Any]) -> Faults | None:
        """Return what was found in the cuts of one recording; None if it is not known, or may have changed."""
        key = _key(cuts)
        kept = self._kept.get(self._origins.get(id(cuts[0]), Path()), {}).get(key) if key else None
        if kept is None or kept[0] != _state(cuts):
            return None
        faults = kept[1] or [[] for _ in cuts]
        return [[(kind, reason) for kind, reason in of_cut] for of_cut in faults]

    def add(self, cuts: Sequence[Any], faults: Faults) -> None:
        """Keep what was found in the cuts of one recording, unless it is held in no file."""
        origin = self._origins.get(id(cuts[0]))
        key, state = _key(cuts), _state(cuts)
        if origin is not None and key and state:
            self._kept[origin][key] = state, faults if any(faults) else []
            self._changed.add(origin)

    def save(self) -> None:
        """Write what has changed. Where the manifest's folder cannot be written to, nothing is kept."""
        for path in self._changed:
            with suppress(AsrError), atomic_write(path_of_verdicts(path)) as partial:
                _write(partial, self._kept[path])
        self._changed = set()


def path_of_verdicts(manifest: Path) -> Path:
    """Return where the verdicts of a manifest are kept."""
    return manifest.with_name(manifest.name + _SUFFIX)


def _write(path: Path, kept: Mapping[str, tuple[str, Faults]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as lines:
        lines.write(json.dumps({"version": _VERSION}) + "\n")
        for key, (state, faults) in kept.items():
            lines.write(json.dumps([key, state, faults]) + "\n")


def _read(manifest: Path) -> dict[str, tuple[str, Faults]]:
    """Read what is kept; nothing if that is missing, broken, or of another version."""
    try:
        with gzip.open(path_of_verdicts(manifest), "rt", encoding="utf-8") as lines:
            if json.loads(next(lines, "{}")).get("version") != _VERSION:
                return {}
            rows = [json.loads(line) for line in lines]
        return {key: (state, faults) for key, state, faults in rows}
    except (OSError, EOFError, ValueError, TypeError, AttributeError):
        return {}


def _files(cuts: Sequence[Any]) -> list[str]:
    """Return the files of the recording of these cuts; nothing if it lies elsewhere, as mixtures and shards do."""
    recording = getattr(cuts[0], "recording", None)
    if recording is None or any(source.type != "file" for source in recording.sources):
        return []
    return [str(source.source) for source in recording.sources]


def _key(cuts: Sequence[Any]) -> str:
    """Return what names the cuts of a recording in a manifest."""
    files = _files(cuts)
    spans = [(cut.id, cut.start, cut.duration, cut.channel) for cut in cuts]
    return hashlib.blake2b(repr((files, spans)).encode(), digest_size=12).hexdigest() if files else ""


def _state(cuts: Sequence[Any]) -> str:
    """Return sizes and times of a recording's files, and what the manifest says of it; nothing if a file is missing."""
    recording = cuts[0].recording if _files(cuts) else None
    if recording is None:
        return ""
    try:
        found = [os.stat(name) for name in _files(cuts)]  # noqa: PTH116  half the time, for millions of files
    except OSError:
        return ""
    declared = recording.sampling_rate, recording.num_samples, recording.duration, bool(recording.transforms)
    return repr(([(one.st_size, one.st_mtime_ns) for one in found], declared))
