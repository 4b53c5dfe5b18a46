"""What one worker of a cluster does: units of recordings in, files out; and the parts of long recordings.

Knows nothing of Ray: the schedule calls these methods on an actor. A long recording goes through several workers. One
reads and splits it, at the same pauses as a single machine would; the parts go to all; one joins them:

    next_part ──► decode, decode, decode, ... ──► join
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from asr import __version__
from asr.cluster.model import Files, unpack
from asr.cluster.shards import ShardKind, Shards
from asr.cluster.units import Item
from asr.errors import AsrError, AudioError, ConfigError
from asr.jobs.outputs import Destination, Outputs, open_destination
from asr.recognize.options import DecodingOptions
from asr.recognize.pipeline import LONG_SECONDS
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.runner import BLOCK_SECONDS
from asr.recognize.utterance import Decoded
from asr.signal.audio import AudioSource, count_channels, name_of, open_as_file, stream_audio
from asr.signal.channels import Channel, ChannelChoice
from asr.signal.loudness import measure_loudness
from asr.signal.resample import Waveform
from asr.signal.segment import AudioSegment
from asr.transcript.transcript import Transcript, join_channels

PART_SECONDS = 300.0  # of a long recording that one worker decodes at a time


@dataclass(frozen=True)
class WorkerSetup:
    """What all workers are to do alike.

    Attributes:
        outputs: Where the files go.
        shards: The kind of shards; None for files by recording.
        precision: Decided by the driver, so that all compute alike.
        folder: The driver's current folder: paths may be relative to it.
        version: Of the driver's package.
    """

    outputs: Outputs
    shards: ShardKind | None = None
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    channel: ChannelChoice = "mix"
    precision: str = "auto"
    batch_seconds: float = 60.0
    jobs: int = 2
    folder: str = "."
    version: str = __version__


class ModelFiles(NamedTuple):
    """The files that workers load."""

    model: Files
    lm: Files | None = None
    rescore: Files | None = None


class Outcome(NamedTuple):
    """How one recording of a job ended: its seconds, or the error."""

    item: int  # index in the job
    seconds: float = 0.0
    error: str | None = None
    warnings: tuple[str, ...] = ()


class PartInfo(NamedTuple):
    """A part of a long recording, whose samples travel apart from this.

    Attributes:
        channel: The channel that was read.
        number: Of the part in the recording, its channels one after the other.
        first_frame, first_sample: Where it starts in the channel.
        sizes: Samples of each of its segments.
        is_last: Whether it is the last of the recording; it may then have no segments.
        ends_channel: Whether it is the last of its channel.
        warnings: Of how the channel was read, with its last part.
        error: Why the recording cannot be read; it has no further parts.
        is_short: Whether the recording is not long after all; it has no parts.
    """

    channel: Channel
    number: int
    first_frame: int = 0
    first_sample: int = 0
    sizes: tuple[int, ...] = ()
    is_last: bool = False
    ends_channel: bool = False
    warnings: tuple[str, ...] = ()
    error: str | None = None
    is_short: bool = False


class Worker:
    """Recognises on one core or GPU; loads its model once."""

    def __init__(self, setup: WorkerSetup, device: str) -> None:
        self._setup = setup
        self._device = device
        self._recognizer: Recognizer | None = None
        self._destination: Destination | None = None
        self._splits: dict[int, Iterator[tuple[PartInfo, Waveform]]] = {}

    def load(self, files: ModelFiles) -> None:
        """Load the model.

        Raises:
            ConfigError: If this machine has another version of the package than the driver.
        """
        setup = self._setup
        if setup.version != __version__:
            raise ConfigError(
                f"the driver has asr {setup.version} and a worker {__version__}; install the same on all machines"
            )
        with suppress(OSError):  # another machine may have no such folder, and need none
            os.chdir(setup.folder)
        self._recognizer = load_recognizer(files, setup.decoding, device=self._device, precision=setup.precision)
        self._destination = open_outputs(setup.outputs, setup.shards)

    def transcribe(self, items: Sequence[Item]) -> list[Outcome]:
        """Transcribe recordings and write their files. Raises AsrError if nothing at all can be written."""
        setup = self._setup
        results = self._loaded.transcribe_many(
            (item.recording.source for item in items),
            channel=setup.channel,
            batch_seconds=setup.batch_seconds,
            jobs=setup.jobs,
        )
        outcomes = [self._write(item, result) for item, result in zip(items, results, strict=True)]
        self._commit()
        return outcomes

    def next_part(self, item: Item, number: int) -> tuple[PartInfo, Waveform]:
        """Read the next part of a long recording; with number 0 it is opened, even if it was open."""
        if number == 0:
            self._splits[item.index] = self._split(item)
        part, samples = next(self._splits[item.index])
        if part.is_last or part.error or part.is_short:
            del self._splits[item.index]
        return part, samples

    def decode(self, part: PartInfo, samples: Waveform) -> list[Decoded]:
        """Decode the segments of a part."""
        recognizer, setup = self._loaded, self._setup
        runner, frame = recognizer.runner, recognizer.runner.frame_samples
        segments, start = [], 0
        for size in part.sizes:
            first = part.first_frame + start // frame  # segments begin with a frame
            place = part.first_sample + start
            segments.append(AudioSegment(first, place, runner.sample_rate, samples[start : start + size]))
            start += size
        with ThreadPoolExecutor(setup.jobs) as pool:
            futures = [
                pool.submit(
                    recognizer.decoder.decode,
                    log_probs,
                    measure_loudness(segment.waveform, segment.sample_rate),
                    segment.start,
                )
                for segment, log_probs in runner.run_segments(segments, setup.batch_seconds)
            ]
            return [future.result() for future in futures]

    def join(self, item: Item, parts: Sequence[tuple[PartInfo, list[Decoded]]]) -> list[Outcome]:
        """Join all parts of a recording, in order, and write its files. Raises as `transcribe`."""
        recognizer, name = self._loaded, name_of(item.recording.source)
        transcripts: list[Transcript] = []
        decoded: list[Decoded] = []
        for part, segments in parts:
            decoded += segments
            if part.ends_channel:
                seconds = (part.first_sample + sum(part.sizes)) / recognizer.sample_rate
                transcript = recognizer.decoder.make_transcript(decoded, seconds, name, part.warnings)
                transcripts.append(transcript if part.channel == "mix" else transcript.of_channel(part.channel))
                decoded = []
        joined = join_channels(transcripts) if self._setup.channel == "each" else transcripts[0]
        outcomes = [self._write(item, joined)]
        self._commit()
        return outcomes

    @property
    def _loaded(self) -> Recognizer:
        assert self._recognizer is not None
        return self._recognizer

    def _write(self, item: Item, result: Transcript | AudioError) -> Outcome:
        assert self._destination is not None
        if isinstance(result, AudioError):
            return Outcome(item.index, error=str(result))
        try:
            self._destination.write(item.recording, result)
        except AsrError as error:
            self._destination.check()  # a full disk ends the job; a file name that cannot be written does not
            return Outcome(item.index, error=str(error))
        name = result.source or item.recording.name
        return Outcome(item.index, result.duration, warnings=tuple(f"{name}: {text}" for text in result.warnings))

    def _commit(self) -> None:
        if isinstance(self._destination, Shards):
            self._destination.commit()

    def _split(self, item: Item) -> Iterator[tuple[PartInfo, Waveform]]:
        nothing = np.empty(0, np.float32)
        number = 0
        try:
            with ExitStack() as stack:
                source: AudioSource = item.recording.source
                channels: Sequence[Channel] = ("mix",)
                if self._setup.channel == "each":
                    source = stack.enter_context(open_as_file(source))[0]
                    channels = range(count_channels(source))
                elif self._setup.channel != "mix":
                    channels = (self._setup.channel,)
                for position, channel in enumerate(channels):
                    for part, samples in self._split_channel(source, channel):
                        is_last = part.ends_channel and position == len(channels) - 1
                        yield part._replace(number=number, is_last=is_last), samples
                        number += 1
        except AudioError as error:
            text, name = str(error), name_of(item.recording.source)
            text = text if source is item.recording.source else text.replace(str(source), name or "audio stream")
            yield PartInfo("mix", number, error=text), nothing

    def _split_channel(self, source: AudioSource, channel: Channel) -> Iterator[tuple[PartInfo, Waveform]]:
        rate = self._loaded.sample_rate
        warnings: list[str] = []
        blocks = stream_audio(
            source, block_seconds=BLOCK_SECONDS, sample_rate=rate, channel=channel, on_warning=warnings.append
        )
        parts = _group(self._loaded.runner.split(blocks), PART_SECONDS)
        previous: list[AudioSegment] | None = None
        for segments in parts:
            if previous is not None:
                yield _to_part(previous, channel)
            previous = segments
        last, samples = _to_part(previous or [], channel)
        is_short = last.first_sample + len(samples) <= LONG_SECONDS * rate
        yield last._replace(ends_channel=True, warnings=tuple(warnings), is_short=is_short), samples


def load_recognizer(files: ModelFiles, decoding: DecodingOptions, *, device: str, precision: str) -> Recognizer:
    """Load a model from its files; the paths in the options are replaced by those of this machine's copies."""
    lm = unpack(files.lm) if files.lm else None
    rescore = unpack(files.rescore) if files.rescore else None
    own = replace(decoding, lm=lm, rescore=rescore)
    return load_model(unpack(files.model), device=device, precision=precision, decoding=own)


def open_outputs(outputs: Outputs, shards: ShardKind | None) -> Destination:
    """Open the destination of all workers. Raises AsrError if nothing can be written there."""
    if shards is None:
        return open_destination(outputs, several=True)
    destination = Shards(str(outputs.folder), shards, skip_existing=outputs.skip_existing)
    destination.check()
    return destination


def _group(segments: Iterator[AudioSegment], seconds: float) -> Iterator[list[AudioSegment]]:
    group: list[AudioSegment] = []
    for segment in segments:
        group.append(segment)
        if segment.end - group[0].start >= seconds:
            yield group
            group = []
    if group:
        yield group


def _to_part(segments: Sequence[AudioSegment], channel: Channel) -> tuple[PartInfo, Waveform]:
    if not segments:
        return PartInfo(channel, 0), np.empty(0, np.float32)
    sizes = tuple(len(segment.waveform) for segment in segments)
    samples = np.concatenate([segment.waveform for segment in segments])
    return PartInfo(channel, 0, segments[0].first_frame, segments[0].first_sample, sizes), samples
