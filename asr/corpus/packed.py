"""Many cuts in little memory: lines of JSON in, lhotse's cuts out whenever they are asked for.

As objects cuts take kilobytes each, as compressed lines of their manifest some 30 bytes. Names, texts and durations,
which are needed without the rest, are kept apart. A manifest may change during a training, because
it is read only once. Its packed lines can be saved to a file.
"""

import json
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lhotse.serialization import decode_json_line, deserialize_item

from asr.atomic import atomic_write

_PER_BLOCK = 64  # lines that are compressed together; one of them costs the parsing of one
_SIZE = struct.Struct("<Q")
_VERSION = 1


class PackedCuts:
    """A sequence of cuts that are made when they are asked for; `lhotse.CutSet` takes one as it takes a list.

    Attributes:
        names: Of the cuts.
        texts: Of their first supervisions, as in the manifest.
        normalized: The same, normalised.
        durations: Seconds.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.texts: list[str] = []
        self.normalized: list[str] = []
        self.durations = array("d")
        self._blocks: list[bytes] = []
        self._last: list[bytes] = []  # lines that do not fill a block yet

    @property
    def seconds(self) -> float:
        """The sum of the durations."""
        return float(sum(self.durations))

    def append(self, line: bytes, cut: Any, normalized: str) -> None:
        """Add a cut, whose line in a manifest is given."""
        text = cut.supervisions[0].text or ""
        self.names.append(cut.id)
        self.texts.append(text)
        self.normalized.append(text if text == normalized else normalized)  # one object, mostly
        self.durations.append(cut.duration)
        self._last.append(line.strip())
        if len(self._last) == _PER_BLOCK:
            self._blocks.append(zlib.compress(b"\n".join(self._last), 6))
            self._last = []

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Any]:
        for block in range(len(self._blocks) + 1):
            yield from map(_parse, self._lines(block))

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        block, place = divmod(index, _PER_BLOCK)
        return _parse(self._lines(block)[place])

    def _lines(self, block: int) -> list[bytes]:
        return zlib.decompress(self._blocks[block]).split(b"\n") if block < len(self._blocks) else self._last

    def save(self, path: Path, notes: Mapping[str, Any]) -> None:
        """Write the cuts, and what else is to be known of them, into a file."""
        equal = [raw is clean for raw, clean in zip(self.texts, self.normalized, strict=True)]
        others = [clean for same, clean in zip(equal, self.normalized, strict=True) if not same]
        tables = [self.names, self.texts, [int(same) for same in equal], others, list(self.durations)]
        header = json.dumps([_VERSION, dict(notes), tables, len(self._blocks)]).encode()
        with atomic_write(path) as partial, partial.open("wb") as file:
            for part in (zlib.compress(header, 1), *self._blocks, zlib.compress(b"\n".join(self._last), 1)):
                file.write(_SIZE.pack(len(part)) + part)

    @classmethod
    def load(cls, path: Path) -> tuple["PackedCuts", dict[str, Any]] | None:
        """Read what `save` wrote; None if the file is missing, broken, or of another version."""
        try:
            with path.open("rb") as file:
                parts = list(iter(lambda: file.read(*_SIZE.unpack(file.read(_SIZE.size) or _SIZE.pack(0))), b""))
            version, notes, tables, count = json.loads(zlib.decompress(parts[0]))
            if version != _VERSION or len(parts) != count + 2:
                return None
            packed = cls()
            packed.names, packed.texts, equal, others, durations = tables
            clean = iter(others)
            packed.normalized = [text if same else next(clean) for text, same in zip(packed.texts, equal, strict=True)]
            packed.durations = array("d", durations)
            packed._blocks = parts[1:-1]
            last = zlib.decompress(parts[-1])
            packed._last = last.split(b"\n") if last else []
        except (OSError, ValueError, TypeError, IndexError, StopIteration, struct.error, zlib.error):
            return None
        return packed, notes


def _parse(line: bytes) -> Any:
    return deserialize_item(decode_json_line(line))
