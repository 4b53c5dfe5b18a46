"""Arguments in, recordings out: each once, with a name for its outputs.

Arguments are files, folders, globs that no shell has expanded, manifests and Parquet files (tables.py), all of them by
path or URL (remote.py), a list of these, and standard input. No recording is opened here: signal/audio.py finds out
whether it can be read.
"""

import glob
import os
import re
import select
import sys
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from asr.errors import AsrError, AudioError
from asr.files import decode_lines, read_lines
from asr.jobs.tables import ParquetRow, is_table, read_table
from asr.remote import RemoteFile, is_url, list_files, without_scheme
from asr.signal.audio import AUDIO_SUFFIXES, AudioSource
from asr.signal.containers.find import au_header

STANDARD_INPUT = "-"
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
_MAGIC = (b"RIFF", b"fLaC", b"OggS", b"FORM")  # first bytes of WAV, FLAC, Ogg and AIFF; raw audio rarely has them
_POLL_SECONDS = 0.1  # between checks whether to stop waiting
_is_folder = os.path.isdir  # Path.is_dir raises for names without permission and those that are too long


_Found: TypeAlias = Path | RemoteFile | ParquetRow


@dataclass(frozen=True)
class Recording:
    """One recording of a job."""

    source: AudioSource
    name: str  # path of its outputs below the output folder, without the format's suffix; unique within a job


@dataclass(frozen=True)
class Inputs:
    """What to transcribe.

    Attributes:
        paths: Files, folders, globs (`**` matches subfolders), manifests and Parquet files, all of them also by URL,
            and `-` for standard input.
        list_file: A text file with more of them, one per line, relative to the current folder.
            Empty lines and lines that start with `#` are ignored. `-` reads the list from standard input.
        rate: Hz of raw standard input: signed 16-bit little-endian samples. None: it has a format with a header.
        channels: Of raw standard input.
    """

    paths: Sequence[str]
    list_file: str | None = None
    rate: int | None = None
    channels: int = 1


def find_recordings(inputs: Inputs) -> tuple[list[Recording], list[AudioError]]:
    """Find the recordings that the arguments name.

    Returns:
        Each recording once, in the order of the arguments and by name within a folder; and an error for each
        folder or glob without recordings and each subfolder that cannot be searched.

    Raises:
        AsrError: If there is no argument, the list cannot be read, or standard input is used twice or wrongly.
    """
    _check_input_is_open(inputs)
    arguments = list(map(without_scheme, [*inputs.paths, *_read_list(inputs.list_file)]))
    _check(inputs, arguments)
    sources: dict[str, AudioSource] = {}  # by absolute path
    errors: dict[str, AudioError] = {}
    folders: list[str] = []
    for argument in arguments:
        if argument == STANDARD_INPUT:
            sources.setdefault(STANDARD_INPUT, cast(BinaryIO, StandardInput(inputs.rate, inputs.channels)))
            continue
        found, problems = _expand(argument)
        for source in found:
            sources.setdefault(_absolute(_location(source)), cast(AudioSource, source))
        folders.append(_anchor(argument, found))
        errors.update((str(problem), problem) for problem in problems)
    names = _name_outputs(list(sources), folders)
    return list(map(Recording, sources.values(), names)), list(errors.values())


class StandardInput:
    """Standard input as a recording, with a name for messages and transcripts.

    `stop` ends a waiting read, from any thread: an open pipe may stay silent for ever.
    """

    name = "stdin"

    def __init__(self, rate: int | None, channels: int) -> None:
        # Only the AU format allows a length that is not known yet.
        self._header = b"" if rate is None else au_header(rate, channels)
        self._expects_raw = rate is not None
        self._is_stopped = threading.Event()

    def read(self, size: int) -> bytes:
        header, self._header = self._header, b""
        if header:
            return header
        piece = self._read_piece(size)
        if self._expects_raw and piece.startswith(_MAGIC):
            raise AudioError(f"{self.name}: not raw samples, but a format with a header; leave out the sample rate")
        self._expects_raw = False  # only the first bytes could be a header
        return piece

    def _read_piece(self, size: int) -> bytes:
        try:
            descriptor = sys.stdin.buffer.fileno()
        except OSError:  # no real file, so it never waits
            return sys.stdin.buffer.read(size)
        # Reads past Python's buffer, which select cannot see. Outside POSIX select does not work with pipes.
        while os.name == "posix" and not select.select([descriptor], [], [], _POLL_SECONDS)[0]:
            if self._is_stopped.is_set():
                raise AudioError(f"{self.name}: reading was stopped")
        return os.read(descriptor, size)

    def stop(self) -> None:
        self._is_stopped.set()


def _read_list(list_file: str | None) -> list[str]:
    if list_file is None:
        return []
    # File names are bytes to the system: what is not UTF-8 must pass through unchanged.
    if list_file == STANDARD_INPUT:
        lines = decode_lines(sys.stdin.buffer, "standard input", errors="surrogateescape")
    else:
        lines = read_lines(list_file, AsrError, errors="surrogateescape")
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")]


def _check_input_is_open(inputs: Inputs) -> None:
    if STANDARD_INPUT in (*inputs.paths, inputs.list_file) and (
        sys.stdin is None or getattr(sys.stdin, "closed", False)
    ):
        raise AsrError("standard input is closed; send it a recording or a list, or name files")


def _check(inputs: Inputs, arguments: Sequence[str]) -> None:
    if not arguments:
        raise AsrError("nothing to transcribe; give files, folders, globs, a list of them, or - for standard input")
    reads_audio = STANDARD_INPUT in arguments
    if reads_audio and inputs.list_file == STANDARD_INPUT:
        raise AsrError("standard input cannot be both the list and a recording; put one of them into a file")
    if reads_audio and sys.stdin.isatty():
        raise AsrError("standard input is the keyboard; send it a recording, as in `- < talk.wav`")
    if not reads_audio and (inputs.rate is not None or inputs.channels != 1):
        raise AsrError("a sample rate and channels describe raw audio on standard input; also give - as the input")
    if inputs.channels != 1 and inputs.rate is None:
        raise AsrError("a number of channels describes raw audio; also give its sample rate")


def _expand(argument: str) -> tuple[Sequence[_Found], list[AudioError]]:
    """Return the recordings that one argument names."""
    if is_table(argument):
        parts = [[row] if isinstance(row, ParquetRow) else _name_file(row) for row in read_table(argument)]
        return [source for part in parts for source in part], []
    if is_url(argument):
        try:
            return list_files(argument, AUDIO_SUFFIXES), []
        except AudioError as error:
            return [], [error]
    path = Path(argument)
    if _is_folder(path):
        paths, errors = _search(path)
        if not paths and not errors:
            errors = [AudioError(f"{path}: a folder without audio; looked for {', '.join(sorted(AUDIO_SUFFIXES))}")]
        return paths, errors
    return _match(argument) if _is_glob(argument) else ([path], [])  # the reader reports a missing or forbidden file


def _name_file(path: str) -> list[_Found]:
    """Return a recording that a table names; reading tells whether it exists."""
    return [RemoteFile(path) if is_url(path) else Path(path)]


def _location(source: _Found) -> str | Path:
    return source if isinstance(source, Path) else source.name


def _match(pattern: str) -> tuple[list[Path], list[AudioError]]:
    """Return the recordings that a glob matches, and those in the folders that it matches."""
    # `*.bin` asks for a suffix, `talks/*` does not.
    suffix = Path(pattern).suffix
    suffixes = {suffix.lower()} if suffix and not glob.has_magic(suffix) else AUDIO_SUFFIXES
    paths: list[Path] = []
    errors: list[AudioError] = []
    # Path.glob takes no absolute pattern.
    for path in map(Path, sorted(glob.glob(pattern, recursive=True))):  # noqa: PTH207
        if _is_folder(path):
            inside, problems = _search(path)
            paths += inside
            errors += problems
        elif path.suffix.lower() in suffixes:
            paths.append(path)
    if not paths and not errors:
        errors.append(AudioError(f"{pattern}: no recording matches; check the pattern and the current folder"))
    return paths, errors


def _search(folder: Path) -> tuple[list[Path], list[AudioError]]:
    """Find the recordings in a folder and its subfolders, sorted by name; hidden ones are left out."""
    failures: list[OSError] = []
    recordings = []
    for parent, folders, files in os.walk(folder, onerror=failures.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(parent, name) for name in files if not name.startswith(".")]
        recordings += [path for path in paths if path.suffix.lower() in AUDIO_SUFFIXES and not _would_block(path)]
    errors = [AudioError(f"{error.filename}: this folder cannot be read: {error.strerror}") for error in failures]
    return sorted(recordings), errors


def _is_glob(argument: str) -> bool:
    return glob.has_magic(argument) and not os.path.lexists(Path(argument))


def _would_block(path: Path) -> bool:
    """Return whether a path is a pipe, socket or device. A broken link is not: the reader reports it."""
    return os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113  without permission, Path's raise


def _name_outputs(keys: Sequence[str], folders: Iterable[str]) -> list[str]:
    """Name each recording's outputs: its path below what the arguments' folders have in common, without its suffix.

    Recordings that would share a name, such as `x.wav` and `x.flac`, keep their suffixes. The names depend on the
    arguments only, not on what is done already, so an interrupted job finds its outputs again.
    """
    base = os.path.commonpath(
        list(folders) or [_absolute(Path())]
    )  # the deepest that holds all that arguments can match
    full_names = ["stdin" if key == STANDARD_INPUT else os.path.relpath(key, base) for key in keys]
    full_names = list(map(_allowed_name, full_names))
    stems = [_allowed_name(str(Path(name).with_suffix(""))) for name in full_names]
    claims = Counter(name for pair in zip(stems, full_names, strict=True) for name in {*map(_folded, pair)})
    names = [stem if claims[_folded(stem)] == 1 else name for stem, name in zip(stems, full_names, strict=True)]
    counts: Counter[str] = Counter()
    for index, name in enumerate(names):  # a.wav and A.wav
        counts[_folded(name)] += 1
        if (count := counts[_folded(name)]) > 1:
            names[index] = f"{name}-{count}"
    return names


def _folded(name: str) -> str:
    """Return what a name is to file systems that ignore case and how letters are composed."""
    return unicodedata.normalize("NFC", name).casefold()


def _allowed_name(name: str, system: str = os.name) -> str:
    """Return a name that Windows does not take for a device, such as con.txt."""
    path = Path(name)
    if system != "nt" or path.name.split(".")[0].rstrip(" ").lower() not in _DEVICES:
        return name
    stem, *suffixes = path.name.split(".")
    return str(path.with_name(".".join([f"{stem}_", *suffixes])))


def _anchor(argument: str, found: Sequence[_Found]) -> str:
    """Return a folder itself, the folder of a file, or the part of a glob before its first wildcard.

    Recordings that a table names may lie anywhere: of these, the folder that holds all.
    """
    if is_table(argument) and found:
        return os.path.commonpath([os.path.dirname(_absolute(_location(source))) for source in found])  # noqa: PTH120
    if is_url(argument):
        before = argument[: match.start()] if (match := re.search(r"[*?\[]", argument)) else argument
        is_folder = before == argument and [_location(source) for source in found] != [argument]
        return _absolute(before if is_folder else before.rpartition("/")[0])
    path = Path(argument)
    if not _is_folder(path):
        path = path.parent
        while _is_glob(argument) and glob.has_magic(str(path)):
            path = path.parent
    return _absolute(path)


def _absolute(path: Path | str) -> str:
    """Remove `..` but keep links: whoever gave a file two names means two recordings. A URL becomes like a path."""
    if is_url(path):
        path = os.sep + re.sub(r"^(https?:[^?#]*).*", r"\1", str(path)).replace("://", ":/")
    return os.path.abspath(path)  # noqa: PTH100  Path.resolve follows links
