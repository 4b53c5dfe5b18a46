"""Where transcripts go: files below a folder, or standard output.

A file is written whole or not at all. A recording is done when all formats that were asked for are there, so that
a job that was killed between two of them does that recording again.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
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
    """What a person asks for.

    Attributes:
        formats: Their names, each perhaps several with commas between.
        folder: Where files go, the recordings' folders kept; None: one format goes to standard output.
        skip_existing: Leave recordings out that are done; otherwise what is there is replaced.
        subtitles: Limits of subtitles.
    """

    formats: Sequence[str] = ("txt",)
    folder: Path | None = None
    skip_existing: bool = False
    subtitles: SubtitleSettings = field(default_factory=SubtitleSettings)


class Destination(Protocol):
    """Takes the transcripts of a job as they come.

    Attributes:
        is_silent: Whether standard output stays free.
    """

    is_silent: bool

    def is_done(self, recording: Recording) -> bool:
        """Whether an earlier job wrote everything that is asked for."""

    def write(self, recording: Recording, transcript: Transcript) -> None:
        """Write it in all formats.

        Raises:
            AsrError: If this transcript cannot be written.
        """

    def check(self) -> None:
        """Raise AsrError if nothing at all can be written."""


def open_destination(outputs: Outputs, *, several: bool) -> Destination:
    """The destination that a person asks for.

    Args:
        outputs: What is asked for.
        several: Whether more than one recording is to be written.

    Raises:
        AsrError: If the wishes contradict one another, or the folder cannot be written to.
    """
    formats = parse_formats(outputs.formats)
    layout = FormatOptions(several=several, subtitles=outputs.subtitles)
    if outputs.folder is not None:
        destination: Destination = _Folder(outputs.folder, formats, outputs)
    else:
        _check_stream(formats, outputs, several=several)
        destination = _StandardOutput(formats[0], layout)
    destination.check()
    return destination


class _Folder:
    is_silent = True

    def __init__(self, folder: Path, formats: Sequence[str], outputs: Outputs) -> None:
        self._folder = folder
        self._formats = formats
        self._skip_existing = outputs.skip_existing
        self._subtitles = outputs.subtitles

    def is_done(self, recording: Recording) -> bool:
        return self._skip_existing and all(self._path(recording, name).is_file() for name in self._formats)

    def write(self, recording: Recording, transcript: Transcript) -> None:
        layout = FormatOptions(name=recording.name, subtitles=self._subtitles)
        texts = {name: format_transcript(transcript, name, layout) for name in self._formats}
        for name, text in texts.items():
            with atomic_write(self._path(recording, name)) as partial:
                partial.write_bytes(_encode(text))

    def check(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as probe:
                probe.write(bytes(65536))  # what is smaller may fit on a disk that is full
        except OSError as error:
            reason = error.strerror or error
            raise AsrError(f"{self._folder}: cannot be written to: {reason}; choose another --output-dir") from None

    def _path(self, recording: Recording, name: str) -> Path:
        return self._folder / f"{recording.name}.{name}"


class _StandardOutput:
    is_silent = False

    def __init__(self, name: str, layout: FormatOptions) -> None:
        self._name = name
        self._layout = layout
        self._header = FORMATS[name].header
        self._failure: AsrError | None = None

    def is_done(self, recording: Recording) -> bool:
        return False

    def write(self, recording: Recording, transcript: Transcript) -> None:
        layout = FormatOptions(recording.name, self._layout.several, self._layout.subtitles)
        text = self._header + format_part(transcript, self._name, layout)
        self._header = ""
        try:
            sys.stdout.buffer.write(_encode(text))
            sys.stdout.buffer.flush()
        except OSError as error:
            # What is left in the buffer would be tried again at exit, and complained about.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):  # whoever read it has seen enough
                raise
            self._failure = AsrError(f"standard output cannot be written to: {error.strerror}")
            raise self._failure from None

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure


def _check_stream(formats: Sequence[str], outputs: Outputs, *, several: bool) -> None:
    if outputs.skip_existing:
        raise AsrError("--skip-existing looks for files of an earlier job; give --output-dir, too")
    if len(formats) > 1:
        raise AsrError(f"standard output takes one format, not {', '.join(formats)}; give --output-dir for several")
    if several and not FORMATS[formats[0]].joins:
        fitting = ", ".join(name for name, one in FORMATS.items() if one.joins)
        raise AsrError(
            f"standard output cannot take several recordings as {formats[0]}: a file of that kind holds one; "
            f"give --output-dir, or one of {fitting}"
        )


def _encode(text: str) -> bytes:
    """UTF-8, whatever the terminal's; bytes of a file name that are none are spelled out, as JSON does."""
    return text.encode("utf-8", "backslashreplace")
