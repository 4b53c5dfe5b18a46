"""Manifests in, shards out: few large tar files, from which training reads single utterances by their byte ranges.

    train-00000.tar           a file for each utterance, as FLAC or unchanged
    train-00000.json.gz       what of the manifest is in it; an interrupted job goes on after the last of these
    train.txt                 the transcripts
    train.jsonl.gz.verdicts.gz   what the doctor found in the sound
    train.jsonl.gz            the manifest, written last

All in a folder or below a URL, each written whole or not at all. How shards are read: ranges.py.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import soundfile
from lhotse import MonoCut, Recording
from lhotse.audio import AudioSource
from lhotse.cut import MultiCut
from lhotse.utils import fastcopy
from numpy.typing import NDArray

from asr import remote
from asr.atomic import atomic_write
from asr.corpus.backends import read_samples
from asr.corpus.cuts import Manifest, is_misdeclared, parse_line, read_waveform, stream_cuts
from asr.corpus.doctor import Problem, check_sound, portions
from asr.corpus.ranges import SHARD, SUFFIX, ByteRange, ShardError, forget_sizes, range_of, read_range
from asr.corpus.verdicts import Verdicts, path_of_verdicts
from asr.errors import AsrError, CorpusError, one_line
from asr.reporter import SILENT, Reporter

_VERSION = 1
_AT_ONCE = 64  # utterances that are encoded together
_UNSTORABLE = {"unreadable", "misdeclared"}  # kinds of problems
_BLOCK = 512  # bytes of tar files


class Stored(NamedTuple):
    """An utterance on its way into a shard."""

    line: bytes  # of the manifest
    faults: list[tuple[str, str]]  # of the sound: kind and reason
    cut: Any = None  # with its new recording; None if it cannot be stored
    content: bytes = b""
    suffix: str = ""


@dataclass
class Part:
    """A shard, and what is in it.

    Attributes:
        digest: Of the options and of all of the manifest up to here.
        consumed: Utterances of the manifest, whether they are in it or were left out.
        size: Bytes.
        lines: Of the manifest of shards.
        faults: Of utterances with any, by their names.
        left_out: Name, kind and reason of those that cannot be stored.
    """

    digest: str
    consumed: int
    size: int
    lines: list[str] = field(default_factory=list)
    faults: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Done:
    """What came of a manifest."""

    manifest: str  # of shards, by path or URL
    num_shards: int
    num_utterances: int
    seconds: float
    left_out: list[Problem]


class Folder:
    """A folder by path or URL, in which files are written whole or not at all."""

    def __init__(self, name: str) -> None:
        self._name = remote.without_scheme(name)

    def __str__(self) -> str:
        return self._name if remote.is_url(self._name) else str(Path(self._name).absolute())

    def path(self, name: str) -> str:
        """Return the path or URL of a file."""
        return remote.join_url(str(self), name) if remote.is_url(self._name) else str(Path(str(self), name))

    def read(self, name: str) -> bytes | None:
        """Read a file; None if it does not exist."""
        if not remote.is_url(self._name):
            with suppress(OSError):
                return Path(self.path(name)).read_bytes()
            return None
        return remote.read_file(self.path(name)) if self.size(name) is not None else None

    def size(self, name: str) -> int | None:
        """Return the bytes of a file; None if it does not exist."""
        path = self.path(name)
        if remote.is_url(self._name):
            return remote.find_size(path)
        return Path(path).stat().st_size if Path(path).is_file() else None

    def write(self, name: str, content: bytes) -> None:
        if remote.is_url(self._name):
            remote.write_file(self.path(name), content)
            return
        with atomic_write(Path(self.path(name))) as partial:
            partial.write_bytes(content)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        if remote.is_url(self._name):
            remote.remove_file(self.path(name))
            return
        Path(self.path(name)).unlink(missing_ok=True)


def write_shards(
    manifests: Sequence[Manifest],
    output: str | Path,
    *,
    megabytes: float = 100.0,
    flac: bool = False,
    reporter: Reporter = SILENT,
) -> Iterator[Done]:
    """Write the shards of manifests one after the other; what an earlier call has written is not written again.

    Args:
        manifests: By path or URL. Each gets a manifest of the same name.
        output: A folder, by path or URL.
        megabytes: Size of a shard, about.
        flac: Whether all sound becomes FLAC. Otherwise files that hold one utterance stay as they are, and utterances
            cut out of longer ones become FLAC. That loses nothing of sound with 16 or 24 bits per sample; anything
            else is rounded to 16 bits.
        reporter: Shows progress.

    Yields:
        What came of each manifest. Utterances whose sound cannot be read, or is not what the manifest says, are left
        out.

    Raises:
        AsrError: If something cannot be read or written.
    """
    names = [_name(manifest) for manifest in manifests]
    if twice := {name for name in names if names.count(name) > 1}:
        raise CorpusError(f"two manifests are named {min(twice)}; give them to two commands with two output folders")
    folder = Folder(str(output))
    for manifest in manifests:  # its shards' manifest would replace it
        if _find_folder(str(manifest)) == _find_folder(folder.path("manifest")):
            raise CorpusError(f"{manifest}: lies in the output folder; choose another folder")
    if remote.is_url(str(folder)):
        remote.check_writable(str(folder))
    for name, manifest in zip(names, manifests, strict=True):
        yield _Job(manifest, name, folder, megabytes, flac, reporter).run()


def _find_folder(manifest: str) -> PurePath:
    """Return the folder of a manifest, by path or URL, to be compared with others."""
    if remote.is_url(manifest):
        return PurePath(manifest).parent
    return Path(remote.without_scheme(manifest)).parent.resolve()


def _name(manifest: Manifest) -> str:
    return re.sub(r"\.jsonl(\.gz)?$", "", PurePath(str(manifest)).name)


class _Job:
    """One manifest."""

    def __init__(
        self, manifest: Manifest, name: str, folder: Folder, megabytes: float, flac: bool, reporter: Reporter
    ) -> None:
        self._source, self._name, self._folder, self._flac = manifest, name, folder, flac
        self._limit = megabytes * 1e6
        self._reporter = reporter
        self._digest = hashlib.sha256(repr((_VERSION, megabytes, flac)).encode())
        self._verdicts = Verdicts(manifest)
        self._parts: list[Part] = []

    def run(self) -> Done:
        rows = self._skip_done(stream_cuts(self._source))
        first = next(rows, None)
        if first is not None:
            # Its byte ranges would not be those of the shards that follow.
            self._folder.remove(self._manifest)
            for group in self._groups(self._encode(chain([first], rows))):
                self._write(group)
                self._reporter.line(f"{self._name}: {len(self._parts)} shards")
            self._verdicts.save()
            self._remove_rest()
        if first is not None or self._folder.size(self._manifest) is None:
            self._finish()
        lines = [json.loads(line) for part in self._parts for line in part.lines]
        return Done(
            self._folder.path(self._manifest),
            len(self._parts),
            len(lines),
            sum(line["duration"] for line in lines),
            [Problem(*problem) for part in self._parts for problem in part.left_out],
        )

    @property
    def _manifest(self) -> str:
        return f"{self._name}.jsonl.gz"

    def _shard(self, number: int) -> str:
        return f"{self._name}-{number:05d}"

    def _skip_done(self, rows: Iterator[tuple[bytes, Any]]) -> Iterator[tuple[bytes, Any]]:
        """Return what no shard holds yet."""
        while (part := self._load(len(self._parts))) is not None:
            taken, digest = list(islice(rows, part.consumed)), self._digest.copy()
            for line, _ in taken:
                digest.update(line)
            if digest.hexdigest() != part.digest:  # another manifest, or other options
                return chain(taken, rows)
            self._digest = digest
            self._parts.append(part)
        return rows

    def _load(self, number: int) -> Part | None:
        """Read what a shard holds; None if it is missing or not of the size that it had."""
        content = self._folder.read(f"{self._shard(number)}.json.gz")
        try:
            part = None if content is None else Part(**json.loads(gzip.decompress(content)))
        except (OSError, EOFError, ValueError, TypeError):
            return None
        return part if part and self._folder.size(f"{self._shard(number)}{SUFFIX}") == part.size else None

    def _encode(self, rows: Iterator[tuple[bytes, Any]]) -> Iterator[Stored]:
        with ThreadPoolExecutor() as pool:  # threads suffice: sound is encoded in C, outside Python's lock
            for lines, cuts in portions(rows):
                found = zip(lines, cuts, check_sound(cuts, self._verdicts), strict=True)
                while some := list(islice(found, _AT_ONCE)):
                    yield from pool.map(lambda one: _encode(*one, flac=self._flac), some)

    def _groups(self, encoded: Iterator[Stored]) -> Iterator[list[Stored]]:
        """Divide utterances into shards."""
        group: list[Stored] = []
        size = 0
        for stored in encoded:
            group.append(stored)
            size += len(stored.content)
            if size >= self._limit:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _write(self, group: list[Stored]) -> None:
        """Write a shard, then what it holds."""
        shard = self._shard(len(self._parts))
        content, places = _pack(group, f"{shard}{SUFFIX}")
        part = Part("", len(group), len(content))
        for stored, place in zip(group, places, strict=True):
            self._digest.update(stored.line)
            if stored.cut is None:
                part.left_out += [(json.loads(stored.line)["id"], *fault) for fault in stored.faults]
                continue
            stored.cut.recording.sources[0].source = str(place)
            part.lines.append(json.dumps(stored.cut.to_dict(), ensure_ascii=False))
            if stored.faults:
                part.faults[stored.cut.id] = stored.faults
        part.digest = self._digest.hexdigest()
        self._folder.write(f"{shard}{SUFFIX}", content)
        self._folder.write(f"{shard}.json.gz", gzip.compress(json.dumps(vars(part)).encode(), mtime=0))
        self._parts.append(part)

    def _remove_rest(self) -> None:
        """Remove shards of an earlier manifest that come after the last."""
        number = len(self._parts)
        while self._folder.size(name := f"{self._shard(number)}.json.gz") is not None:
            self._folder.remove(f"{self._shard(number)}{SUFFIX}")
            self._folder.remove(name)
            number += 1

    def _finish(self) -> None:
        """Write transcripts, verdicts and manifest."""
        lines = [line.encode() for part in self._parts for line in part.lines]
        if not lines:
            raise CorpusError(f"{self._source}: no utterance can be stored; `asr doctor` says why")
        faults = {name: found for part in self._parts for name, found in part.faults.items()}
        forget_sizes()
        manifest = self._folder.path(self._manifest)
        self._folder.remove(PurePath(path_of_verdicts(manifest)).name)
        verdicts, texts = Verdicts(manifest), []
        for line in lines:
            _, cut = parse_line(line, str(self._folder))
            verdicts.add([cut], [faults.get(cut.id, [])])
            texts += [supervision.text for supervision in cut.supervisions if supervision.text]
        verdicts.save()
        self._folder.write(f"{self._name}.txt", "".join(f"{text}\n" for text in texts).encode())
        self._folder.write(self._manifest, gzip.compress(b"".join(line + b"\n" for line in lines), mtime=0))


def _pack(group: list[Stored], shard: str) -> tuple[bytes, list[ByteRange | None]]:
    """Return a tar file of utterances, and where in it each of them lies."""
    buffer = io.BytesIO()
    places: list[ByteRange | None] = []
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for stored in group:
            if stored.cut is None:
                places.append(None)
                continue
            info = tarfile.TarInfo(quote(stored.cut.id, safe="") + stored.suffix)
            info.size = len(stored.content)
            tar.addfile(info, io.BytesIO(stored.content))
            start = tar.offset - -(-info.size // _BLOCK) * _BLOCK  # files are filled up to whole blocks
            places.append(ByteRange(shard, start, info.size))
    return buffer.getvalue(), places


def _encode(line: bytes, cut: Any, faults: list[tuple[str, str]], *, flac: bool) -> Stored:
    """Return an utterance as it will lie in a shard."""
    if any(kind in _UNSTORABLE for kind, _ in faults):
        return Stored(line, faults)
    try:
        found = None if flac else _copy(cut)
        content, suffix, shape = _to_flac(cut) if found is None else found
    except (ShardError, MemoryError):
        raise
    except Exception as error:  # whatever lhotse's many backends raise
        return Stored(line, [("unreadable", one_line(error))])
    return Stored(line, faults, _describe(cut, *shape), content, suffix)


def _copy(cut: Any) -> tuple[bytes, str, tuple[int, int, int]] | None:
    """Return the file of a cut that is all of it, its suffix, and channels, samples and rate; None for other cuts."""
    recording = getattr(cut, "recording", None)
    if recording is None or recording.transforms or len(recording.sources) != 1 or is_misdeclared(cut):
        return None
    channels = [cut.channel] if isinstance(cut.channel, int) else list(cut.channel)
    shape = len(channels), cut.num_samples, cut.sampling_rate
    if cut.start != 0 or channels != list(recording.channel_ids) or cut.num_samples != recording.num_samples:
        return None
    place, source = range_of(cut), recording.sources[0]
    if place is not None:
        return read_range(place), "", shape
    if source.type != "file":
        return None
    info = soundfile.info(source.source)
    if (info.channels, info.frames, info.samplerate) != shape:
        return None
    return Path(source.source).read_bytes(), Path(source.source).suffix.lower(), shape


def _to_flac(cut: Any) -> tuple[bytes, str, tuple[int, int, int]]:
    """Return the sound of a cut as FLAC, its suffix, and channels, samples and rate."""
    rate = cut.sampling_rate
    samples = read_waveform(cut, rate)[None] if is_misdeclared(cut) else read_samples(cut)
    if samples is None:
        raise AsrError("the manifest gives no recording for it")
    bits = 24 if _fits(samples, 24) and not _fits(samples, 16) else 16
    top = 1 << (bits - 1)
    integers = np.clip(np.round(samples.T.astype(np.float64) * top), -top, top - 1)
    buffer = io.BytesIO()
    whole = integers.astype(np.int16) if bits == 16 else integers.astype(np.int32) << 8
    soundfile.write(buffer, whole, rate, format="FLAC", subtype=f"PCM_{bits}")
    return buffer.getvalue(), ".flac", (len(samples), samples.shape[1], rate)


def _fits(samples: NDArray[np.float32], bits: int) -> bool:
    """Return whether samples can be stored with so many bits without loss."""
    scaled = samples.astype(np.float64) * (1 << (bits - 1))
    return bool((scaled == np.round(scaled)).all() and scaled.max(initial=0) < 1 << (bits - 1))


def _describe(cut: Any, num_channels: int, num_samples: int, rate: int) -> MonoCut | MultiCut:
    """Return a cut whose recording lies in a shard, where is not said yet."""
    channels = list(range(num_channels))
    source = AudioSource(type=SHARD, channels=channels, source="")
    recording = Recording(cut.id, [source], rate, num_samples, num_samples / rate)
    kind, channel = (MonoCut, 0) if num_channels == 1 else (MultiCut, channels)
    supervisions = [fastcopy(one, recording_id=cut.id, channel=channel) for one in cut.supervisions]
    return kind(cut.id, 0.0, cut.duration, channel, supervisions=supervisions, recording=recording)
