"""Where transcripts go: files below a folder, by path or URL, or standard output.

A file is written whole or not at all. A recording is done when it has files in all requested formats, so a job that
was killed between two of them transcribes that recording again.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from asr import remote
from asr.atomic import atomic_write
from asr.config import SubtitleSettings
from asr.errors import AsrError
from asr.jobs.inputs import Recording
from asr.remote import is_url, without_scheme
from asr.transcript.formats import FORMATS, FormatOptions, format_part, format_transcript, parse_formats
from asr.transcript.transcript import Transcript


@dataclass(frozen=True)
class Outputs:
    """What to write, and where.

    Attributes:
        formats: Names of formats; an item may hold several, separated by commas.
        folder: For the files, which keep the recordings' subfolders; also a URL. None: one format goes to standard
            output.
        skip_existing: Skip recordings that are done; otherwise existing files are replaced.
    """

    formats: Sequence[str] = ("txt",)
    folder: Path | str | None = None
    skip_existing: bool = False
    subtitles: SubtitleSettings = field(default_factory=SubtitleSettings)


class Destination(Protocol):
    """Writes the transcripts of a job as they are ready."""

    uses_stdout: bool = False

    def is_done(self, recording: Recording) -> bool:
        """Return whether an earlier job wrote all formats of a recording."""
        return False

    def write(self, recording: Recording, transcript: Transcript) -> None:
        """Write a transcript in all formats. Raises AsrError if it cannot be written."""

    def check(self) -> None:
        """Raise AsrError if nothing at all can be written."""


def open_destination(outputs: Outputs, *, several: bool) -> Destination:
    """Open the destination that the options describe, for one recording or several.

    Raises:
        AsrError: If the options conflict, or the folder cannot be written to.
    """
    formats = parse_formats(outputs.formats)
    if outputs.folder is not None:
        folder = without_scheme(str(outputs.folder))
        destination = _RemoteFolder(folder, formats, outputs) if is_url(folder) else _Folder(folder, formats, outputs)
        destination.check()
        return destination
    if outputs.skip_existing:
        raise AsrError("skipping recordings that are done needs the output folder of an earlier job; give one")
    if len(formats) > 1:
        raise AsrError(f"standard output takes one format, not {', '.join(formats)}; give an output folder for several")
    if several and not FORMATS[formats[0]].joins:
        joining = ", ".join(name for name, style in FORMATS.items() if style.joins)
        raise AsrError(
            f"standard output cannot take several recordings as {formats[0]}, which holds one per file; "
            f"give an output folder, or choose one of {joining}"
        )
    return _StandardOutput(formats[0], outputs.subtitles, several=several)


class _Folder(Destination):
    def __init__(self, folder: str, formats: Sequence[str], outputs: Outputs) -> None:
        self._folder = Path(folder)
        self._formats = formats
        self._skip_existing = outputs.skip_existing
        self._subtitles = outputs.subtitles

    def is_done(self, recording: Recording) -> bool:
        return self._skip_existing and all(self._path(recording, name).is_file() for name in self._formats)

    def write(self, recording: Recording, transcript: Transcript) -> None:
        for name, text in write_texts(recording, transcript, self._formats, self._subtitles).items():
            with atomic_write(self._path(recording, name)) as partial:
                partial.write_bytes(_encode(text))

    def check(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as probe:
                probe.write(bytes(65536))  # less may fit even on a full disk
        except OSError as error:
            reason = error.strerror or error
            raise AsrError(f"{self._folder}: cannot be written to: {reason}; choose another output folder") from None

    def _path(self, recording: Recording, name: str) -> Path:
        return self._folder / f"{recording.name}.{name}"


class _RemoteFolder(Destination):
    """A folder by URL. What it holds is listed once, since asking for each file would take a request each."""

    def __init__(self, folder: str, formats: Sequence[str], outputs: Outputs) -> None:
        self._folder = folder
        self._formats = formats
        self._skip_existing = outputs.skip_existing
        self._subtitles = outputs.subtitles
        self._present: set[str] | None = None

    def is_done(self, recording: Recording) -> bool:
        if not self._skip_existing:
            return False
        if self._present is None:
            self._present = set(remote.list_names(self._folder))
        return all(f"{recording.name}.{name}" in self._present for name in self._formats)

    def write(self, recording: Recording, transcript: Transcript) -> None:
        for name, text in write_texts(recording, transcript, self._formats, self._subtitles).items():
            remote.write_file(remote.join_url(self._folder, f"{recording.name}.{name}"), _encode(text))

    def check(self) -> None:
        remote.check_writable(self._folder)


def write_texts(
    recording: Recording, transcript: Transcript, formats: Sequence[str], subtitles: SubtitleSettings
) -> dict[str, str]:
    """Return a recording's files, by their formats."""
    options = FormatOptions(name=recording.name, subtitles=subtitles)
    return {name: format_transcript(transcript, name, options) for name in formats}


class _StandardOutput(Destination):
    uses_stdout = True

    def __init__(self, name: str, subtitles: SubtitleSettings, *, several: bool) -> None:
        self._name = name
        self._subtitles = subtitles
        self._several = several
        self._header = FORMATS[name].header
        self._failure: AsrError | None = None

    def write(self, recording: Recording, transcript: Transcript) -> None:
        options = FormatOptions(recording.name, self._several, self._subtitles)
        text = self._header + format_part(transcript, self._name, options)
        self._header = ""
        try:
            sys.stdout.buffer.write(_encode(text))
            sys.stdout.buffer.flush()
        except OSError as error:
            # The interpreter would try to flush the buffer again at exit, and complain.
            with suppress(OSError):  # it may have no descriptor
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):  # the reader has seen enough
                raise
            self._failure = AsrError(f"standard output cannot be written to: {error.strerror}")
            raise self._failure from None

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure


def write_report(path: str, content: Mapping[str, Any]) -> None:
    """Write what came of a job as JSON, to a path or URL. Raises AsrError if that fails."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    if is_url(path):
        remote.write_file(path, _encode(text))
        return
    with atomic_write(Path(without_scheme(path))) as partial:
        partial.write_bytes(_encode(text))


def _encode(text: str) -> bytes:
    """Encode as UTF-8, whatever the terminal uses; other bytes of a file name are escaped, as in JSON."""
    return text.encode("utf-8", "backslashreplace")
