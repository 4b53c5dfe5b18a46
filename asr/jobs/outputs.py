"""Where transcripts go: files below a folder, or standard output.

A file is written whole or not at all. A recording is done when it has files in all requested formats, so a job that
was killed between two of them transcribes that recording again.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from asr.atomic import atomic_write
from asr.config import SubtitleSettings
from asr.errors import AsrError
from asr.jobs.inputs import Recording
from asr.transcript.formats import FORMATS, FormatOptions, format_part, format_transcript, parse_formats
from asr.transcript.transcript import Transcript


@dataclass(frozen=True)
class Outputs:
    """What to write, and where.

    Attributes:
        formats: Names of formats; an item may hold several, separated by commas.
        folder: For the files, which keep the recordings' subfolders. None: one format goes to standard output.
        skip_existing: Skip recordings that are done; otherwise existing files are replaced.
    """

    formats: Sequence[str] = ("txt",)
    folder: Path | None = None
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
        destination = _Folder(outputs.folder, formats, outputs)
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
    def __init__(self, folder: Path, formats: Sequence[str], outputs: Outputs) -> None:
        self._folder = folder
        self._formats = formats
        self._skip_existing = outputs.skip_existing
        self._subtitles = outputs.subtitles

    def is_done(self, recording: Recording) -> bool:
        return self._skip_existing and all(self._path(recording, name).is_file() for name in self._formats)

    def write(self, recording: Recording, transcript: Transcript) -> None:
        options = FormatOptions(name=recording.name, subtitles=self._subtitles)
        texts = {name: format_transcript(transcript, name, options) for name in self._formats}
        for name, text in texts.items():
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


def _encode(text: str) -> bytes:
    """Encode as UTF-8, whatever the terminal uses; other bytes of a file name are escaped, as in JSON."""
    return text.encode("utf-8", "backslashreplace")
