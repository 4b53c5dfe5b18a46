"""What a person gives as input, and the recordings that it means: each once, with a place for its output.

Files, folders, globs that no shell has expanded, a list of these, and standard input. Nothing is opened here:
what a recording holds, and whether it can be read, is for the reader to tell (signal/audio.py).
"""

import glob
import os
import select
import stat
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from asr.errors import AsrError, AudioError
from asr.files import decode_lines, read_lines
from asr.signal.audio import AUDIO_SUFFIXES, AudioSource
from asr.signal.containers import au_header

STANDARD_INPUT = "-"
_CONTAINER_MARKS = (b"RIFF", b"fLaC", b"OggS", b"FORM")  # how WAV, FLAC, Ogg and AIFF begin; raw sound hardly does
_GLANCE_SECONDS = 0.1  # between two looks at whether to stop waiting


@dataclass(frozen=True)
class Recording:
    """One recording of a job.

    Attributes:
        source: What the recogniser reads.
        name: Where its outputs go: a path below the output folder without the format's suffix.
            No two recordings of a job share one.
    """

    source: AudioSource
    name: str


@dataclass(frozen=True)
class Inputs:
    """What a person gives.

    Attributes:
        paths: Files, folders, globs (`**` goes into folders), and `-` for standard input.
        list_file: A text file of more of these, one a line, relative to the current folder;
            empty lines and lines that start with `#` do not count. `-` reads the list from standard input.
        rate: Hz, where standard input is raw: signed 16-bit little-endian samples. None: it tells its own format.
        channels: Of raw standard input.
    """

    paths: Sequence[str]
    list_file: str | None = None
    rate: int | None = None
    channels: int = 1


def find_recordings(inputs: Inputs) -> tuple[list[Recording], list[AudioError]]:
    """Find the recordings that are meant.

    Returns:
        Each recording once, in the order given and by name within a folder; and an error for each path that is
        missing, a folder or glob without recordings, or a folder within that cannot be looked into.

    Raises:
        AsrError: If nothing is given, the list cannot be read, or standard input is asked for twice or wrongly.
    """
    arguments = [*inputs.paths, *_read_list(inputs.list_file)]
    _check(inputs, arguments)
    found: dict[str, AudioSource] = {}  # by absolute path
    errors: dict[str, AudioError] = {}
    for argument in arguments:
        if argument == STANDARD_INPUT:
            found.setdefault(STANDARD_INPUT, cast(BinaryIO, StandardInput(inputs.rate, inputs.channels)))
            continue
        paths, problems = _expand(argument)
        for path in paths:
            found.setdefault(_absolute(path), path)
        errors.update((str(problem), problem) for problem in problems)
    names = _name_outputs(list(found), arguments)
    recordings = [Recording(source, name) for source, name in zip(found.values(), names, strict=True)]
    return recordings, list(errors.values())


class StandardInput:
    """Standard input as a recording: read once, under a name that messages and transcripts use.

    `stop` ends a read that waits, from any thread: of a pipe that is open, more may come for ever.
    """

    name = "stdin"

    def __init__(self, rate: int | None, channels: int) -> None:
        # The AU format alone allows for a length that is not known yet, whatever it will be.
        self._header = b"" if rate is None else au_header(rate, channels)
        self._expects_raw = rate is not None
        self._is_stopped = threading.Event()

    def read(self, size: int) -> bytes:
        header, self._header = self._header, b""
        if header:
            return header
        piece = self._read_piece(size)
        if self._expects_raw and piece.startswith(_CONTAINER_MARKS):
            raise AudioError(f"{self.name}: not raw samples, but a format with a header; leave out --rate")
        self._expects_raw = False  # the first bytes alone are a header's
        return piece

    def _read_piece(self, size: int) -> bytes:
        try:
            descriptor = sys.stdin.buffer.fileno()
        except OSError:  # a file that is made up, which never waits
            return sys.stdin.buffer.read(size)
        # Past the buffer, of which select knows nothing; elsewhere than on POSIX it knows nothing of pipes.
        while os.name == "posix" and not select.select([descriptor], [], [], _GLANCE_SECONDS)[0]:
            if self._is_stopped.is_set():
                raise AudioError(f"{self.name}: nothing more is wanted of it")
        return os.read(descriptor, size)

    def stop(self) -> None:
        self._is_stopped.set()


def _read_list(list_file: str | None) -> list[str]:
    if list_file is None:
        return []
    # File names are bytes to the system: what is not UTF-8 must come through as it is.
    if list_file == STANDARD_INPUT:
        lines = decode_lines(sys.stdin.buffer, "standard input", errors="surrogateescape")
    else:
        lines = read_lines(list_file, AsrError, errors="surrogateescape")
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")]


def _check(inputs: Inputs, arguments: Sequence[str]) -> None:
    if not arguments:
        raise AsrError(
            "there is nothing to transcribe; give files, folders, globs, --list FILE, or - for sound on stdin"
        )
    reads_sound = STANDARD_INPUT in arguments
    if reads_sound and inputs.list_file == STANDARD_INPUT:
        raise AsrError("standard input cannot be both the list and a recording; put one of them into a file")
    if reads_sound and sys.stdin.isatty():
        raise AsrError("standard input is the keyboard; send it a recording, as in `- < talk.wav`")
    if not reads_sound and (inputs.rate is not None or inputs.channels != 1):
        raise AsrError("--rate and --channels describe raw sound on standard input; give - as the input, too")
    if inputs.channels != 1 and inputs.rate is None:
        raise AsrError("--channels describes raw sound; give its --rate, too")


def _expand(argument: str) -> tuple[list[Path], list[AudioError]]:
    """The recordings that one argument means."""
    path = Path(argument)
    if _is_folder(path):
        found, errors = _search(path)
        if not found and not errors:
            looked_for = ", ".join(sorted(AUDIO_SUFFIXES))
            errors = [AudioError(f"{path}: a folder without audio; looked for {looked_for}")]
        return found, errors
    if os.path.lexists(path) or not glob.has_magic(argument):
        # What is missing or forbidden, the reader tells.
        return [path], []
    return _match(argument)


def _match(pattern: str) -> tuple[list[Path], list[AudioError]]:
    """What a glob means: the files it matches that are recordings, and those in the folders it matches."""
    # `*.bin` names a kind of file, `talks/*` does not.
    suffix = Path(pattern).suffix
    suffixes = {suffix.lower()} if suffix and not glob.has_magic(suffix) else AUDIO_SUFFIXES
    found: list[Path] = []
    errors: list[AudioError] = []
    # Path.glob takes no absolute pattern.
    for path in map(Path, sorted(glob.glob(pattern, recursive=True))):  # noqa: PTH207
        if _is_folder(path):
            within, problems = _search(path)
            found += within
            errors += problems
        elif path.suffix.lower() in suffixes:
            found.append(path)
    if not found and not errors:
        errors.append(AudioError(f"{pattern}: no recording matches; check the pattern and the current folder"))
    return found, errors


def _search(folder: Path) -> tuple[list[Path], list[AudioError]]:
    """Recordings in a folder and the folders within, by name; hidden ones are left out."""
    failures: list[OSError] = []
    found = []
    for place, folders, files in os.walk(folder, onerror=failures.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(place, name) for name in files if not name.startswith(".")]
        found += [path for path in paths if path.suffix.lower() in AUDIO_SUFFIXES and not _would_block(path)]
    errors = [AudioError(f"{one.filename}: a folder that cannot be looked into: {one.strerror}") for one in failures]
    return sorted(found), errors


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):  # missing, no permission to look, a name too long, a null byte in it
        return False


def _would_block(path: Path) -> bool:
    """Whether a path in a folder is a pipe, socket or device. A broken link is not: the reader tells about it."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _name_outputs(keys: Sequence[str], arguments: Iterable[str]) -> list[str]:
    """A name for each recording's outputs: its path below what all arguments have in common, without its suffix.

    Where two would share that, as `x.wav` and `x.flac` do, they keep their suffixes. The names depend on what is
    asked for and not on what has been done already, so that an interrupted job finds its outputs again.
    """
    base = _common_folder(arguments)
    whole = ["stdin" if key == STANDARD_INPUT else os.path.relpath(key, base) for key in keys]
    bare = [str(Path(name).with_suffix("")) for name in whole]
    # Some file systems do not tell X from x.
    claims = Counter(name for pair in zip(bare, whole, strict=True) for name in {one.casefold() for one in pair})
    return [short if claims[short.casefold()] == 1 else full for short, full in zip(bare, whole, strict=True)]


def _common_folder(arguments: Iterable[str]) -> str:
    """The deepest folder that holds everything that the arguments may mean."""
    anchors = [_anchor(argument) for argument in arguments if argument != STANDARD_INPUT]
    return os.path.commonpath(anchors) if anchors else _absolute(Path())


def _anchor(argument: str) -> str:
    """A folder itself; of a file the folder it is in; of a glob the part before the first wildcard."""
    path = Path(argument)
    if _is_folder(path):
        return _absolute(path)
    if os.path.lexists(path) or not glob.has_magic(argument):
        return _absolute(path.parent)
    while glob.has_magic(str(path)):
        path = path.parent
    return _absolute(path)


def _absolute(path: Path) -> str:
    """Without `..`, but links stay: two names of one file are two recordings to the person who made them."""
    return os.path.abspath(path)  # noqa: PTH100  Path.resolve follows links
