"""Kaldi data folders in, cuts out.

A folder holds `text` and `wav.scp`, and optionally `segments`, `utt2spk` and `spk2gender`. A fifth column of `segments`
is the channel of the recording, from 0. Commands in `wav.scp` are not run.

A segment may begin a little before its recording or end a little beyond it, because times were rounded or measured in
another format: it is cut there, as Kaldi's extract-segments does. What ends far beyond it is left to `asr doctor`.
"""

from collections.abc import Iterator
from pathlib import Path

from lhotse import CutSet, Recording

from asr.corpus.cuts import Utterance, describe_recording, first_file, numbered_lines, parse_channel, to_cuts
from asr.errors import CorpusError
from asr.signal.channels import ChannelChoice

_MOST_OVERSHOOT = 0.5  # seconds, as in Kaldi


def read_kaldi(source: Path, channel: ChannelChoice = "mix") -> dict[str, CutSet]:
    """Read one Kaldi data folder, or all those directly within a folder.

    If `source` is itself a data folder, its only part is `all`; otherwise each data folder in it is a part.
    Recordings without a transcript are ignored. Paths in `wav.scp` are relative to its folder or to the folder above.

    Raises:
        CorpusError: If there is no data folder, a recording is missing or is a command, a line is malformed, or a
            segment starts after the end of its recording.
    """
    if not source.is_dir():
        raise CorpusError(f"{source}: no such folder")
    folders = {"all": source} if _is_kaldi(source) else {f.name: f for f in sorted(source.iterdir()) if _is_kaldi(f)}
    if not folders:
        raise CorpusError(f"{source}: expected `text` and `wav.scp` here or in a folder within; found neither")
    return {part: to_cuts(_read_folder(folder), channel) for part, folder in folders.items()}


def _is_kaldi(folder: Path) -> bool:
    return (folder / "text").is_file() and (folder / "wav.scp").is_file()


def _read_folder(folder: Path) -> Iterator[Utterance]:
    paths = _read_table(folder / "wav.scp")
    segments = _read_table(folder / "segments") if (folder / "segments").exists() else None
    speakers, genders = _read_optional_table(folder / "utt2spk"), _read_optional_table(folder / "spk2gender")
    recordings: dict[str, Recording] = {}
    for name, (number, text) in _read_table(folder / "text").items():
        origin = f"{folder / 'text'}:{number}"
        recording_name, start, end, channel = name, 0.0, None, None
        if segments is not None:
            if name not in segments:
                raise CorpusError(f"{origin}: {name} is not in {folder / 'segments'}")
            recording_name, start, end, channel = _parse_segment(folder / "segments", *segments[name])
        if recording_name not in paths:
            raise CorpusError(f"{origin}: {recording_name} is not in {folder / 'wav.scp'}")
        if recording_name not in recordings:
            recordings[recording_name] = _read_recording(folder, recording_name, *paths[recording_name])
        duration = recordings[recording_name].duration
        if start >= duration:
            where = f"{folder / 'segments'}:{segments[name][0]}" if segments else origin
            raise CorpusError(f"{where}: {name} starts at {start:g} s, but {recording_name} lasts {duration:.2f} s")
        if end is not None and duration < end <= duration + _MOST_OVERSHOOT:
            end = None
        speaker = speakers.get(name)
        gender = genders.get(speaker or "")
        yield Utterance(name, recordings[recording_name], text, speaker, gender, start, end, channel)


def _parse_segment(path: Path, number: int, value: str) -> tuple[str, float, float | None, int | None]:
    """Parse the recording's name, start, end (None: that of the recording) and channel (None: not given)."""
    fields = value.split()
    try:
        name, start, end = fields[0], float(fields[1]), float(fields[2])
        channel = parse_channel(fields[3]) if len(fields) > 3 else None
    except (IndexError, ValueError):
        raise CorpusError(f"{path}:{number}: expected `utterance recording start end`, found {value!r}") from None
    if -_MOST_OVERSHOOT <= start < 0:
        start = 0.0
    if end == -1:  # by Kaldi's convention, the end of the recording
        return name, start, None, channel
    if not 0 <= start < end:
        raise CorpusError(f"{path}:{number}: expected 0 <= start < end in seconds, found {start} and {end}")
    return name, start, end, channel


def _read_recording(folder: Path, name: str, number: int, value: str) -> Recording:
    origin = f"{folder / 'wav.scp'}:{number}"
    if value.endswith("|"):
        raise CorpusError(f"{origin}: {value!r} is a command; run it, and give the path of the file that it writes")
    path = first_file([folder / value, folder.parent / value], origin=origin)
    return describe_recording(name, path, origin)


def _read_optional_table(path: Path) -> dict[str, str]:
    return {name: value for name, (_, value) in _read_table(path).items()} if path.exists() else {}


def _read_table(path: Path) -> dict[str, tuple[int, str]]:
    """Read lines of a name and a value; each name maps to its line number and value."""
    table: dict[str, tuple[int, str]] = {}
    for number, line in numbered_lines(path):
        name, _, value = line.replace("\t", " ").partition(" ")
        if name in table:
            raise CorpusError(f"{path}:{number}: {name} is already on line {table[name][0]}")
        table[name] = (number, value.strip())
    return table
