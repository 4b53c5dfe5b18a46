"""What corpora are made of, whatever their layout: utterances in, lhotse cuts out; lines of text files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from lhotse.audio import AudioSource
from lhotse.cut import MultiCut

from asr.errors import CorpusError
from asr.files import read_lines


@dataclass(frozen=True)
class Utterance:
    """A stretch of a recording and what is said in it; times in seconds, no end for all of it."""

    name: str
    recording: Recording
    text: str
    speaker: str | None = None
    gender: str | None = None
    start: float = 0.0
    end: float | None = None


def describe_recording(name: str, path: Path, where: str) -> Recording:
    """What a manifest tells of a recording.

    Args:
        name: Its name from now on.
        path: The file.
        where: The line that names it, for messages.

    Raises:
        CorpusError: If it cannot be read, or holds no sound.
    """
    if path.suffix == ".sph":  # libsndfile reads it, but lhotse calls the program sph2pipe, which nobody has
        raise CorpusError(f"{where}: {path} is a SPHERE file; convert it to FLAC or WAV")
    try:
        info = soundfile.info(str(path))
    except soundfile.SoundFileError as error:
        raise CorpusError(
            f"{where}: {path} cannot be read ({one_line(error)}); convert it to FLAC or WAV, as ffmpeg does"
        ) from None
    if info.frames <= 0:
        raise CorpusError(f"{where}: {path} holds no sound")
    return Recording(
        id=name,
        sources=[AudioSource(type="file", channels=list(range(info.channels)), source=str(path.absolute()))],
        sampling_rate=info.samplerate,
        num_samples=info.frames,
        duration=info.frames / info.samplerate,
    )


def to_cuts(utterances: Iterable[Utterance]) -> CutSet:
    """A cut an utterance, in their order."""
    return CutSet([_to_cut(utterance) for utterance in utterances])


def _to_cut(utterance: Utterance) -> MonoCut | MultiCut:
    recording = utterance.recording
    end = recording.duration if utterance.end is None else utterance.end
    mono = recording.num_channels == 1
    channel = 0 if mono else recording.channel_ids
    supervision = SupervisionSegment(
        id=utterance.name,
        recording_id=recording.id,
        start=0.0,  # counted from the start of the cut
        duration=end - utterance.start,
        channel=channel,
        text=utterance.text,
        speaker=utterance.speaker,
        gender=utterance.gender,
    )
    return (MonoCut if mono else MultiCut)(
        id=utterance.name,
        start=utterance.start,
        duration=end - utterance.start,
        channel=channel,
        supervisions=[supervision],
        recording=recording,
    )


def first_file(candidates: Sequence[Path], *, where: str) -> Path:
    """The first path that is a file. Raises CorpusError, with all of them, if none is."""
    for path in candidates:
        if path.is_file():
            return path
    raise CorpusError(f"{where}: no such recording; looked for {', '.join(dict.fromkeys(map(str, candidates)))}")


def filled_lines(path: Path, *, strip: str | None = None) -> Iterator[tuple[int, str]]:
    """The lines of a text file that hold anything, with their numbers from 1.

    Args:
        path: The file.
        strip: Characters that do not belong to the ends of a line; white space by default.

    Raises:
        CorpusError: If the file cannot be read, or is not UTF-8.
    """
    for number, line in enumerate(read_lines(path, CorpusError), start=1):
        if line.strip():
            yield number, line.strip(strip)


def one_line(error: Exception) -> str:
    """What an error says, short."""
    return " ".join(str(error).split())[:300] or type(error).__name__
