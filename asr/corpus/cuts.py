"""What every corpus consists of: utterances in, lhotse cuts and their manifests out, and back.

A manifest is a compressed JSON-lines file with one cut per utterance. It names recordings by absolute path and holds
their true lengths, so that it can be used from any folder. Knows nothing of how a particular corpus is laid out.
"""

import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import soundfile
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from lhotse.audio import AudioSource
from lhotse.cut import MultiCut
from lhotse.serialization import decode_json_line, deserialize_item, load_manifest

from asr import remote
from asr.atomic import atomic_write, write_text
from asr.corpus.backends import read_samples
from asr.corpus.ranges import SHARD, ByteRange, resolve
from asr.errors import AudioError, CorpusError, one_line
from asr.files import read_lines
from asr.signal.audio import describe_audio, load_audio
from asr.signal.channels import Channel, ChannelChoice
from asr.signal.resample import Waveform

Manifest: TypeAlias = Path | str  # a path or a URL


class Utterance(NamedTuple):
    """A segment of a recording and its transcript."""

    name: str  # unique within the corpus
    recording: Recording
    text: str  # as published
    speaker: str | None = None
    gender: str | None = None
    start: float = 0.0  # seconds into the recording
    end: float | None = None  # None: the end of the recording
    channel: int | None = None  # in which it is said, from 0; None: not known


# Marks cuts of recordings whose headers are wrong: lhotse would read less of them, or nothing.
_MISDECLARED = "misdeclared"


def describe_recording(name: str, path: Path, origin: str) -> Recording:
    """Find how much sound a recording has, whatever its header declares, and create its manifest entry.

    Args:
        name: The recording's name in the manifest.
        path: The file.
        origin: File and line that mention the recording, for error messages.

    Raises:
        CorpusError: If the recording cannot be read or contains no audio.
    """
    try:
        info = describe_audio(path, verify=True)
    except AudioError as error:
        raise CorpusError(f"{origin}: {one_line(error)}") from None
    if info is None:
        raise CorpusError(f"{origin}: {path} cannot be read; convert it to FLAC or WAV, for example with ffmpeg")
    num_samples = round(info.seconds * info.sample_rate)
    if num_samples <= 0:
        raise CorpusError(f"{origin}: {path} contains no audio")
    source = AudioSource(type="file", channels=list(range(info.channels)), source=str(path.absolute()))
    return Recording(
        id=name,
        sources=[source],
        sampling_rate=info.sample_rate,
        num_samples=num_samples,
        duration=num_samples / info.sample_rate,
    )


def to_cuts(utterances: Iterable[Utterance], channel: ChannelChoice = "mix") -> CutSet:
    """Make one cut per utterance, in the same order.

    Args:
        utterances: The utterances.
        channel: Of those that do not say theirs: all mixed, or one, from 0. "each" requires that all say theirs.

    Raises:
        CorpusError: If an utterance does not say its channel and must, or its recording has none such.
    """
    return CutSet([_to_cut(utterance, channel) for utterance in utterances])


def _to_cut(utterance: Utterance, default: ChannelChoice) -> MonoCut | MultiCut:
    recording, name = utterance.recording, utterance.name
    chosen = default if utterance.channel is None else utterance.channel
    if chosen == "each" and recording.num_channels > 1:
        raise CorpusError(
            f"{name}: its recording has {recording.num_channels} channels, and nothing says in which it is said; "
            "add a column `channel` to the table, or a fifth to Kaldi's segments"
        )
    if not isinstance(chosen, str) and not 0 <= chosen < recording.num_channels:
        raise CorpusError(f"{name}: its recording has {recording.num_channels} channels, from 0, but no {chosen}")
    duration = (recording.duration if utterance.end is None else utterance.end) - utterance.start
    if isinstance(chosen, str) and recording.num_channels > 1:
        kind, channel = MultiCut, recording.channel_ids
    else:
        kind, channel = MonoCut, 0 if isinstance(chosen, str) else chosen
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
    cut = kind(name, utterance.start, duration, channel, supervisions=[supervision], recording=recording)
    if not _is_plain(recording.sources[0].source, recording.num_samples):
        cut.custom = {_MISDECLARED: True}
    return cut


@lru_cache(maxsize=4096)
def _is_plain(path: str, num_samples: int) -> bool:
    """Return whether lhotse finds all of a recording, by libsndfile."""
    if path.endswith(".sph"):  # it calls the program sph2pipe, which nobody has
        return False
    try:
        return bool(soundfile.info(path).frames == num_samples)
    except soundfile.SoundFileError:
        return False


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


def load_cuts(paths: Sequence[Manifest]) -> CutSet:
    """Load manifests and concatenate their cuts.

    Raises:
        CorpusError: If a file is missing, is not a manifest of cuts, or contains none.
    """
    return CutSet([cut for path in paths for _, cut in stream_cuts(path)])


def stream_cuts(path: Manifest) -> Iterator[tuple[bytes, Any]]:
    """Read the cuts of a manifest one by one, each with its line of JSON. Raises as `load_cuts`."""
    file, folder = _open(path)
    count = 0
    try:
        for line, cut in _stream(file, folder):
            if not hasattr(cut, "supervisions"):
                raise TypeError(f"{type(cut).__name__} {cut.id} where a cut should be")
            count += 1
            yield line, cut
    except GeneratorExit:
        raise
    except Exception as error:  # not gzip, not JSON, another kind of manifest: lhotse passes on any exception
        raise CorpusError(f"{path}: not a manifest of lhotse cuts: {one_line(error)}") from None
    if count == 0:
        raise CorpusError(f"{path}: the manifest contains no cuts")


def _open(path: Manifest) -> tuple[Path | IO[bytes], str]:
    """Return a manifest to be read, and its folder or URL, to which the names of shards are relative."""
    if isinstance(path, str) and remote.is_url(path):
        file = io.BytesIO(remote.read_file(path))
        return (gzip.open(file) if path.endswith(".gz") else file), path.rpartition("/")[0]  # type: ignore[return-value]
    path = Path(remote.without_scheme(str(path)))
    if not path.is_file():
        raise CorpusError(f"{path}: no such manifest; `asr prepare` writes them")
    return path, str(path.absolute().parent)


def _stream(file: Path | IO[bytes], folder: str) -> Iterator[tuple[bytes, Any]]:
    if not isinstance(file, Path):
        yield from _parse_lines(file, folder)
    elif file.name.endswith((".jsonl", ".jsonl.gz")):
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            yield from _parse_lines(lines, folder)
    else:  # YAML and others, which lhotse reads as a whole
        for cut in load_manifest(file, CutSet):
            yield json.dumps(cut.to_dict()).encode(), cut


def _parse_lines(lines: Iterable[bytes], folder: str) -> Iterator[tuple[bytes, Any]]:
    yield from (parse_line(line, folder) for line in lines if line.strip())


def parse_line(line: bytes, folder: str) -> tuple[bytes, Any]:
    """Return a line of a manifest, in which shards have whole names, and its cut."""
    row = decode_json_line(line)
    if SHARD.encode() in line:
        resolve(row, folder)
        line = json.dumps(row, ensure_ascii=False).encode()
    return line, deserialize_item(row)


def read_waveform(cut: Any, sample_rate: int, fetched: Mapping[ByteRange, bytes] | None = None) -> Waveform:
    """Read the audio of a cut: (S,) float32, mono, at `sample_rate` Hz.

    Args:
        cut: The cut.
        sample_rate: Hz of the result.
        fetched: What `ranges.fetch` has read of shards already.

    Raises:
        AudioError: If there are no samples, or some are not finite.
        CorpusError: If reading needs torchaudio, and it does not load, or a shard cannot be read.
    """
    if is_misdeclared(cut):
        channel: Channel = int(cut.channel) if isinstance(cut, MonoCut) else "mix"
        path = cut.recording.sources[0].source
        waveform = load_audio(path, sample_rate=sample_rate, channel=channel, on_warning=lambda warning: None)
        return waveform[round(cut.start * sample_rate) : round(cut.end * sample_rate)]
    samples = read_samples(cut, fetched)  # (channels, S) at the cut's own rate
    # Mixed down and resampled by the code that transcription uses, so that both get the same waveform.
    return load_audio((samples.T, cut.sampling_rate), sample_rate=sample_rate)


def is_misdeclared(cut: Any) -> bool:
    """Return whether lhotse would not find all of a cut's recording, so that `read_waveform` must read it."""
    return bool((getattr(cut, "custom", None) or {}).get(_MISDECLARED))


def first_file(candidates: Sequence[Path], *, origin: str) -> Path:
    """Return the first path that is a file. Raises CorpusError, which lists all of them, if none is."""
    for path in candidates:
        if path.is_file():
            return path
    raise CorpusError(f"{origin}: no such recording; looked for {', '.join(dict.fromkeys(map(str, candidates)))}")


def parse_channel(text: str) -> int:
    """Parse the number of a channel, from 0, or a letter, from A, as in NIST's calls. Raises ValueError."""
    if text in ("A", "B"):
        return ord(text) - ord("A")
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def numbered_lines(path: Path, *, strip: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file that are not blank, numbered from 1, without `strip` (white space) at both ends.

    Raises:
        CorpusError: If the file cannot be read or is not UTF-8.
    """
    for number, line in enumerate(read_lines(path, CorpusError), start=1):
        if line.strip():
            yield number, line.strip(strip)
