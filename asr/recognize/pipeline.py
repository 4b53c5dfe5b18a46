"""Many recordings in, transcripts out in the same order: reading, network and decoding side by side.

    threads read audio ──► segments ──► batches by length ──► network ──► threads decode ──► in order

A long recording is never held whole: its segments go through the network as they are read, while earlier ones
are decoded, so that memory does not grow with its length.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, TypeAlias, TypeVar, cast

import numpy as np

from asr.errors import AsrError, AudioError
from asr.recognize.runner import BLOCK_SECONDS, NetworkRunner
from asr.recognize.utterance import Decoded, UtteranceDecoder
from asr.runtime.network import Features, LogProbs, make_batches
from asr.signal.audio import AudioSource, count_channels, name_of, open_as_file, stream_audio
from asr.signal.channels import Channel, ChannelChoice
from asr.signal.loudness import Loudness, measure_loudness
from asr.signal.resample import Waveform
from asr.signal.segment import AudioSegment
from asr.transcript.transcript import Transcript, join_channels

LONG_SECONDS = 60.0  # longer recordings are streamed, each by itself
MOST_BATCHES = 16  # that are read ahead, to be sorted by length

Result: TypeAlias = Transcript | AudioError
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class ChannelSource(NamedTuple):
    """One channel of a recording."""

    source: AudioSource
    channel: Channel
    name: str | None  # of the recording


class SegmentTask(NamedTuple):
    """A segment of a short recording, ready for the network; `start` and `duration` in seconds."""

    start: float
    duration: float
    features: Features
    loudness: Loudness


@dataclass
class Recording:
    """A recording on its way from source to result: a short one is held whole, a long one is read as it is decoded."""

    source: ChannelSource
    duration: float = 0.0  # seconds; of a long one, those that are read or decoded so far
    tasks: list[SegmentTask] = field(default_factory=list)  # of a short one, until the network takes them
    blocks: Iterable[Waveform] = ()  # of a long one
    num_segments: int = 0  # of a short one
    decoded: dict[float, "Future[Decoded]"] = field(default_factory=dict)  # segments of a short one, by their start
    warnings: list[str] = field(default_factory=list)  # of how it was read
    result: Result | None = None  # of a long one, or the error of one that cannot be read

    @property
    def is_done(self) -> bool:
        """Whether its result is available without waiting."""
        is_submitted = 0 < self.num_segments == len(self.decoded)
        return self.result is not None or (is_submitted and all(future.done() for future in self.decoded.values()))


@dataclass
class Pipeline:
    """Carries recordings through a network and a decoder."""

    runner: NetworkRunner
    decoder: UtteranceDecoder  # shared by the threads that decode
    batch_seconds: float  # of speech, padding included, that go through the network together
    jobs: int  # threads that read audio, and as many that decode
    on_progress: Callable[[float], None] | None = None  # see `Recognizer.transcribe_many`

    def run(self, sources: Iterable[AudioSource], channel: ChannelChoice = "mix") -> Iterator[Result]:
        """Yield transcripts in the order of their sources; the error for a recording that cannot be read."""
        if channel == "each":
            yield from self._run_each(sources)
        else:
            yield from self._run(ChannelSource(source, channel, name_of(source)) for source in sources)

    def _run_each(self, sources: Iterable[AudioSource]) -> Iterator[Result]:
        """Transcribe the channels of each recording as recordings of their own, and join their transcripts."""
        groups: deque[tuple[int, AudioError | None, ExitStack]] = deque()  # channels, of a recording that can be read

        def expand() -> Iterator[ChannelSource]:
            for source in sources:
                stack = ExitStack()
                try:
                    # A file object can be read once only.
                    held = source if isinstance(source, tuple) else stack.enter_context(open_as_file(source))[0]
                    count = count_channels(held)
                except AudioError as error:
                    renamed = AudioError(str(error).replace(str(held), name_of(source) or "audio stream"))
                    groups.append((0, renamed, stack))
                    continue
                groups.append((count, None, stack))
                yield from (ChannelSource(held, channel, name_of(source)) for channel in range(count))

        collected: list[Result] = []
        for result in chain(self._run(expand()), [None]):
            while groups and (error := groups[0][1]) is not None:
                groups.popleft()
                yield error
            if result is not None:
                collected.append(result)
            if groups and len(collected) == groups[0][0]:
                groups.popleft()[2].close()
                yield _join_results(collected)
                collected = []

    def _run(self, sources: Iterable[ChannelSource]) -> Iterator[Result]:
        with _pool(self.jobs) as loaders, _pool(self.jobs) as decoders:
            waiting: deque[Recording] = deque()
            for group in self._group(_map_ahead(loaders, self._load, sources, count=2 * self.jobs)):
                while len(waiting) > len(group):  # the queue must not grow without bound
                    yield self._finish(waiting.popleft())
                waiting.extend(group)
                for _ in self._process(group, loaders, decoders):
                    while waiting and waiting[0].is_done:
                        yield self._finish(waiting.popleft())
            while waiting:
                yield self._finish(waiting.popleft())

    def _process(
        self, group: Sequence[Recording], loaders: ThreadPoolExecutor, decoders: ThreadPoolExecutor
    ) -> Iterator[None]:
        """Start to decode a group, in steps between which results that are done can be handed out."""
        tasks = [(task, recording) for recording in group for task in recording.tasks]
        tasks.sort(key=lambda pair: pair[0].duration)
        for recording in group:
            recording.tasks.clear()  # their features are not needed until the result is handed out
        for batch in make_batches(tasks, lambda pair: pair[0].duration, self.batch_seconds):
            batch_log_probs = self.runner.network.run([task.features for task, _ in batch])
            for (task, recording), log_probs in zip(batch, batch_log_probs, strict=True):
                future = decoders.submit(self.decoder.decode, log_probs, task.loudness, task.start)
                recording.decoded[task.start] = future
            yield
        for recording in group:
            if recording.blocks:
                yield  # this takes long: first hand out what comes before it
                recording.result = self._join(recording, self._stream(recording, loaders, decoders))
                yield

    def _group(self, recordings: Iterable[Recording]) -> Iterator[list[Recording]]:
        """Group recordings that are sorted together: few at first, so that the first result comes soon."""
        group: list[Recording] = []
        limit, seconds = self.batch_seconds, 0.0
        for recording in recordings:
            group.append(recording)
            seconds += recording.duration
            if seconds >= limit:
                yield group
                group, seconds = [], 0.0
                limit = min(2 * limit, MOST_BATCHES * self.batch_seconds)
        yield group

    def _load(self, source: ChannelSource) -> Recording:
        try:
            return self._open(source)
        except AudioError as error:
            return Recording(source, result=error)

    def _open(self, source: ChannelSource) -> Recording:
        rate, layout = self.runner.sample_rate, self.runner.layout
        warnings: list[str] = []
        blocks = stream_audio(
            source.source,
            block_seconds=BLOCK_SECONDS,
            sample_rate=rate,
            channel=source.channel,
            on_warning=warnings.append,
        )
        head = [np.empty(0, dtype=np.float32)]
        for block in blocks:
            head.append(block)
            if sum(map(len, head)) > LONG_SECONDS * rate:
                return Recording(source, sum(map(len, head)) / rate, blocks=chain(head, blocks), warnings=warnings)
        waveform = np.concatenate(head)
        if layout.num_frames(len(waveform)) == 0:
            raise AudioError(
                f"{source.name or 'audio'}: {len(waveform)} samples are too short to hold speech; "
                f"at least {layout.shortest} at {rate} Hz are needed"
            )
        tasks = [
            SegmentTask(segment.start, segment.duration, self.runner.extract(segment.waveform), _loudness(segment))
            for segment in self.runner.split([waveform])
        ]
        return Recording(source, len(waveform) / rate, tasks, num_segments=len(tasks), warnings=warnings)

    def _stream(
        self, recording: Recording, loaders: ThreadPoolExecutor, decoders: ThreadPoolExecutor
    ) -> Iterator[Decoded]:
        """Decode a long recording segment by segment."""
        blocks = _prefetch(loaders, iter(recording.blocks))
        segments = self._report(recording, self.runner.run_segments(self.runner.split(blocks), self.batch_seconds))
        return _map_ahead(decoders, self._decode, segments, count=2 * self.jobs)

    def _report(
        self, recording: Recording, segments: Iterable[tuple[AudioSegment, LogProbs]]
    ) -> Iterator[tuple[AudioSegment, LogProbs]]:
        """Yield the segments unchanged; report how far in the recording they reach."""
        for segment, log_probs in segments:
            recording.duration = segment.end
            if self.on_progress is not None:
                self.on_progress(segment.end)
            yield segment, log_probs

    def _decode(self, item: tuple[AudioSegment, LogProbs]) -> Decoded:
        segment, log_probs = item
        return self.decoder.decode(log_probs, _loudness(segment), segment.start)

    def _finish(self, recording: Recording) -> Result:
        """Return a recording's result; wait for its segments."""
        if recording.result is not None:
            return recording.result
        return self._join(recording, (future.result() for _, future in sorted(recording.decoded.items())))

    def _join(self, recording: Recording, segments: Iterable[Decoded]) -> Result:
        name, channel = recording.source.name, recording.source.channel
        try:
            decoded = list(segments)  # before the duration, which a long recording has only then
            transcript = self.decoder.make_transcript(decoded, recording.duration, name, recording.warnings)
            if channel == "mix":
                return transcript
            return transcript.of_channel(channel)
        except AsrError as error:
            return error if isinstance(error, AudioError) else AudioError(f"{name or 'audio'}: {error}")


def _join_results(results: Sequence[Result]) -> Result:
    """Join the transcripts of a recording's channels; if one failed, all did."""
    transcripts = [result for result in results if isinstance(result, Transcript)]
    if len(transcripts) < len(results):
        return next(result for result in results if isinstance(result, AudioError))
    return join_channels(transcripts)


def _loudness(segment: AudioSegment) -> Loudness:
    return measure_loudness(segment.waveform, segment.sample_rate)


@contextmanager
def _pool(size: int) -> Iterator[ThreadPoolExecutor]:
    """Start threads; if nobody wants further results, drop what has not begun."""
    pool = ThreadPoolExecutor(size)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _map_ahead(
    pool: ThreadPoolExecutor, function: Callable[[_In], _Out], items: Iterable[_In], *, count: int
) -> Iterator[_Out]:
    """Map items in their order, with `count` calls under way before the first result is needed."""
    underway: deque[Future[_Out]] = deque()
    for item in items:
        underway.append(pool.submit(function, item))
        if len(underway) > count:
            yield underway.popleft().result()
    while underway:
        yield underway.popleft().result()


def _prefetch(pool: ThreadPoolExecutor, items: Iterator[_In]) -> Iterator[_In]:
    """Yield the items of an iterator, the next of which is always being computed."""
    end = object()
    upcoming: Future[object] = pool.submit(next, items, end)
    while (item := upcoming.result()) is not end:
        upcoming = pool.submit(next, items, end)
        yield cast(_In, item)
