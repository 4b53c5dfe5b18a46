"""What every corpus consists of: utterances in, lhotse cuts and their manifests out, and back.

A manifest is a compressed JSON-lines file with one cut per utterance. It names recordings by absolute path and holds
their true lengths, so that it can be used from any folder. Knows nothing of how a particular corpus is laid out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import soundfile
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from lhotse.audio import AudioSource
from lhotse.cut import MultiCut
from lhotse.serialization import load_manifest

from asr.atomic import atomic_write, write_text
from asr.corpus.backends import read_samples
from asr.errors import CorpusError, one_line
from asr.files import read_lines
from asr.signal.audio import load_audio
from asr.signal.resample import Waveform


class Utterance(NamedTuple):
    """A segment of a recording and its transcript."""

    name: str  # unique within the corpus
    recording: Recording
    text: str  # as published
    speaker: str | None = None
    gender: str | None = None
    start: float = 0.0  # seconds into the recording
    end: float | None = None  # None: the end of the recording


def describe_recording(name: str, path: Path, origin: str) -> Recording:
    """Read a recording's header, and create its manifest entry.

    Args:
        name: The recording's name in the manifest.
        path: The file.
        origin: File and line that mention the recording, for error messages.

    Raises:
        CorpusError: If the recording cannot be read or contains no audio.
    """
    if path.suffix == ".sph":  # libsndfile reads it, but lhotse calls the program sph2pipe, which nobody has
        raise CorpusError(f"{origin}: {path} is a SPHERE file; convert it to FLAC or WAV")
    try:
        info = soundfile.info(str(path))
    except soundfile.SoundFileError as error:
        raise CorpusError(
            f"{origin}: {path} cannot be read ({one_line(error)}); convert it to FLAC or WAV, for example with ffmpeg"
        ) from None
    if info.frames <= 0:
        raise CorpusError(f"{origin}: {path} contains no audio")
    return Recording(
        id=name,
        sources=[AudioSource(type="file", channels=list(range(info.channels)), source=str(path.absolute()))],
        sampling_rate=info.samplerate,
        num_samples=info.frames,
        duration=info.frames / info.samplerate,
    )


def to_cuts(utterances: Iterable[Utterance]) -> CutSet:
    """Make one cut per utterance, in the same order."""
    return CutSet([_to_cut(utterance) for utterance in utterances])


def _to_cut(utterance: Utterance) -> MonoCut | MultiCut:
    recording = utterance.recording
    duration = (recording.duration if utterance.end is None else utterance.end) - utterance.start
    kind, channel = (MonoCut, 0) if recording.num_channels == 1 else (MultiCut, recording.channel_ids)
    supervision = SupervisionSegment(
        id=utterance.name,
        recording_id=recording.id,
        start=0.0,  # relative to the start of the cut
        duration=duration,
        channel=channel,
        text=utterance.text,
        speaker=utterance.speaker,
        gender=utterance.gender,
    )
    return kind(utterance.name, utterance.start, duration, channel, supervisions=[supervision], recording=recording)


def write_manifests(output: Path, parts: Mapping[str, CutSet]) -> dict[str, CutSet]:
    """Write the manifest `<part>.jsonl.gz` and the transcripts `<part>.txt` of each part, each file atomically.

    Raises:
        CorpusError: If a part is empty, or there are no parts.
    """
    empty = [part for part, cuts in parts.items() if len(cuts) == 0]
    if empty or not parts:
        raise CorpusError(f"no utterances were found for {', '.join(empty) or 'any part'}; nothing was written")
    for part, cuts in parts.items():
        # Language models are estimated from these: one sentence per line.
        texts = (supervision.text for cut in cuts for supervision in cut.supervisions if supervision.text)
        write_text(output / f"{part}.txt", "".join(f"{text}\n" for text in texts))
        # Last, because recipes take its presence to mean that the part is complete.
        with atomic_write(output / f"{part}.jsonl.gz") as partial:
            cuts.to_file(partial)
    return dict(parts)


def load_cuts(paths: Sequence[Path]) -> CutSet:
    """Load manifests and concatenate their cuts.

    Raises:
        CorpusError: If a file is missing, is not a manifest of cuts, or contains none.
    """
    cuts: list[Any] = []
    for path in map(Path, paths):
        if not path.is_file():
            raise CorpusError(f"{path}: no such manifest; `asr prepare` writes them")
        try:
            manifest = load_manifest(path, CutSet)
        except Exception as error:  # not gzip, not JSON, another kind of manifest: lhotse passes on any exception
            raise CorpusError(f"{path}: not a manifest of lhotse cuts: {one_line(error)}") from None
        if len(manifest) == 0:
            raise CorpusError(f"{path}: the manifest contains no cuts")
        cuts += manifest
    return CutSet(cuts)


def read_waveform(cut: Any, sample_rate: int) -> Waveform:
    """Read the audio of a cut: (S,) float32, mono, at `sample_rate` Hz.

    Raises:
        AudioError: If there are no samples, or some are not finite.
        CorpusError: If reading needs torchaudio, and it does not load.
    """
    samples = read_samples(cut)  # (channels, S) at the cut's own rate
    # Mixed down and resampled by the code that transcription uses, so that both get the same waveform.
    return load_audio((samples.T, cut.sampling_rate), sample_rate=sample_rate)


def first_file(candidates: Sequence[Path], *, origin: str) -> Path:
    """Return the first path that is a file. Raises CorpusError, which lists all of them, if none is."""
    for path in candidates:
        if path.is_file():
            return path
    raise CorpusError(f"{origin}: no such recording; looked for {', '.join(dict.fromkeys(map(str, candidates)))}")


def numbered_lines(path: Path, *, strip: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file that are not blank, numbered from 1, without `strip` (white space) at both ends.

    Raises:
        CorpusError: If the file cannot be read or is not UTF-8.
    """
    for number, line in enumerate(read_lines(path, CorpusError), start=1):
        if line.strip():
            yield number, line.strip(strip)
