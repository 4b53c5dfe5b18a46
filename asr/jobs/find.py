"""Phrases and recordings in, hits out as they are found: `asr find`."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile

from asr.atomic import atomic_write
from asr.config import DEFAULT_MODEL, SAMPLE_RATE
from asr.errors import AsrError, AudioError
from asr.files import read_lines
from asr.jobs.inputs import Inputs, find_recordings
from asr.reporter import SILENT, Reporter
from asr.signal.audio import stream_audio
from asr.signal.channels import Channel, ChannelChoice
from asr.signal.resample import Waveform
from asr.spotting.find import Hit, PhraseFinder
from asr.spotting.index import LogProbIndex, is_index
from asr.spotting.spotter import THRESHOLD

FORMATS = ("txt", "json")
_COMMENT = re.compile(r"(^|\s)#.*")
_CLIP_MARGIN = 0.5  # seconds of sound before and after a hit
_BLOCK_SECONDS = 10.0


@dataclass(frozen=True)
class FindOptions:
    """How to search.

    Attributes:
        model: A model folder, a name or an exported file; None takes that of the first index, or the default.
        threshold: Least confidence of a hit.
        context: Whether to recognise the words around each hit.
        channel: As for `Recognizer.transcribe`.
        device: Where the network runs.
    """

    model: str | None = None
    threshold: float = THRESHOLD
    context: bool = True
    channel: ChannelChoice = "mix"
    device: str = "auto"


@dataclass
class FindSummary:
    """The outcome of a search."""

    num_hits: int = 0
    failures: list[AsrError] = field(default_factory=list)


def find_in_files(
    phrases: Sequence[str],
    inputs: Inputs,
    on_hits: Callable[[Sequence[Hit]], None],
    options: FindOptions | None = None,
    reporter: Reporter = SILENT,
) -> FindSummary:
    """Search recordings and indexes, one after the other; a recording that cannot be read does not stop the others.

    Args:
        phrases: What to search for.
        inputs: Recordings and indexes.
        on_hits: Called with the hits of a recording, if there are any. An AudioError that it raises is a failure of
            that recording.
        options: How to search.
        reporter: Shows the failures when all is done.

    Raises:
        AsrError: If a phrase, the model or an index cannot be used.
    """
    options = options or FindOptions()
    recordings, errors = find_recordings(inputs)
    indexes = [one.source for one in recordings if isinstance(one.source, Path) and is_index(one.source)]
    finder = PhraseFinder(
        options.model or _model_of(indexes),
        phrases,
        threshold=options.threshold,
        context=options.context,
        device=options.device,
    )
    summary = FindSummary(failures=list(errors))

    def pass_on(hits: Sequence[Hit]) -> None:
        summary.num_hits += len(hits)
        try:
            if hits:
                on_hits(hits)
        except AudioError as error:
            summary.failures.append(error)

    for recording in recordings:
        if recording.source in indexes and isinstance(recording.source, Path):
            with LogProbIndex(recording.source) as index:
                for _, group in groupby(finder.search_index(index), key=lambda hit: hit.source):
                    pass_on(list(group))
                summary.failures += _list_missing(index)
            continue
        try:
            hits = finder.search(recording.source, channel=options.channel)
        except AudioError as error:
            summary.failures.append(error)
        else:
            pass_on(hits)
    for failure in summary.failures:
        reporter.line(str(failure), "failure")
    return summary


def _list_missing(index: LogProbIndex) -> list[AudioError]:
    """Return what an index lacks."""
    recordings = index.recordings()
    missing = [AudioError(f"{one.path}: not in the index: {one.error}") for one in recordings if one.error]
    if index.was_interrupted:
        missing.append(AudioError(f"{index.path}: lacks recordings, since `asr index` was interrupted; run it again"))
    elif not recordings:
        missing.append(AudioError(f"{index.path}: holds no recordings; `asr index` adds them"))
    return missing


def read_phrases(path: Path) -> list[str]:
    """Read phrases, one per line; `#` at the start of a line or after a space begins a comment.

    Raises:
        TextError: If the file cannot be read, or holds no phrase.
    """
    lines = read_lines(path, hint="; name a text file with a phrase on each line")
    phrases = list(filter(None, (_COMMENT.sub("", line).strip() for line in lines)))
    if not phrases:
        raise AsrError(f"{path}: holds no phrase; write one on each line")
    return phrases


def format_hit(hit: Hit, name: str = "json") -> str:
    """Write a hit as one line.

    Args:
        hit: The hit.
        name: "txt": file, time, confidence, and the phrase among the words around it, separated by tabs; "json".
    """
    if name == "json":
        return json.dumps(hit.to_fields(), ensure_ascii=False)
    channel = "" if hit.channel is None else f"#{hit.channel}"
    text = " ".join(filter(None, [hit.before, f"[{hit.phrase}]", hit.after]))
    source = "".join(character if character.isprintable() else " " for character in hit.source or "")
    return f"{source}{channel}\t{_clock(hit.start)}\t{hit.confidence:.2f}\t{text}"


def write_clips(hits: Sequence[Hit], folder: Path) -> list[Path]:
    """Cut the hits in one recording out of it, with half a second on each side; return the files, mono FLAC at 16 kHz.

    Raises:
        AudioError: If the recording is no file, or cannot be read any more.
        AsrError: If a file cannot be written.
    """
    paths = []
    for channel, several in groupby(sorted(hits, key=_channel_and_start), key=lambda hit: hit.channel):
        group = list(several)
        source = group[0].source
        if source is None or not Path(source).exists():
            raise AudioError(
                f"{source or 'audio'}: no clips of it, since it is no file; save it, or leave out the clips"
            )
        for hit, samples in zip(group, _cut(Path(source), group, "mix" if channel is None else channel), strict=True):
            suffix = "" if channel is None else f"-{channel}"
            words = "-".join("".join(c if c.isalnum() else " " for c in hit.phrase).split())
            path = folder / f"{Path(source).stem}{suffix}-{hit.start:08.2f}-{words[:60]}.flac"
            with atomic_write(path) as partial:
                soundfile.write(partial, samples, SAMPLE_RATE)
            paths.append(path)
    return paths


def _cut(path: Path, hits: Sequence[Hit], channel: Channel) -> list[Waveform]:
    """Return the sound (S,) of each hit, reading the recording once up to the last."""
    spans = [
        (round(max(0.0, hit.start - _CLIP_MARGIN) * SAMPLE_RATE), round((hit.end + _CLIP_MARGIN) * SAMPLE_RATE))
        for hit in hits
    ]
    pieces: list[list[Waveform]] = [[] for _ in hits]
    first, last = 0, max(end for _, end in spans)
    for block in stream_audio(path, block_seconds=_BLOCK_SECONDS, sample_rate=SAMPLE_RATE, channel=channel):
        for piece, (start, end) in zip(pieces, spans, strict=True):
            piece.append(block[max(0, start - first) : max(0, end - first)])
        first += len(block)
        if first >= last:
            break
    return [np.clip(np.concatenate(piece), -1.0, 1.0) for piece in pieces]


def _channel_and_start(hit: Hit) -> tuple[int, float]:
    return (-1 if hit.channel is None else hit.channel, hit.start)


def _model_of(indexes: Sequence[Path]) -> str:
    """Return the model of the first index, or the default."""
    for path in indexes:
        with LogProbIndex(path) as index:
            return index.about.model
    return DEFAULT_MODEL


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:05.2f}"
