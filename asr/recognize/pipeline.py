"""Many recordings in, transcripts out in the same order: reading, network and decoding side by side.

    threads read audio ──► segments ──► batches by length ──► network ──► threads decode ──► in order

A long recording is never held whole: its segments go through the network as they are read, while earlier ones
are decoded, so that memory does not grow with its length.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias, TypeVar, cast

import numpy as np

from asr.errors import AsrError, AudioError
from asr.recognize.network import NetworkRunner
from asr.recognize.utterance import Decoded, UtteranceDecoder
from asr.runtime.batching import make_batches
from asr.runtime.network import Features, LogProbs
from asr.signal.audio import AudioSource, Waveform, name_of, stream_audio
from asr.signal.loudness import Loudness, measure_loudness
from asr.signal.segment import AudioSegment
from asr.transcript.transcript import Transcript

LONG_SECONDS = 60.0  # longer recordings are streamed, each by itself
BLOCK_SECONDS = 20.0  # of a long recording that are read at a time
MOST_BATCHES = 16  # that are read ahead, to be sorted by length

Result: TypeAlias = Transcript | AudioError
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class SegmentTask:
    """A segment of a short recording, ready for the network.

    Attributes:
        start: Seconds from the start of the recording.
        duration: Seconds.
        features: (T, F).
        loudness: (N,) of `measure_loudness`.
    """

    start: float
    duration: float
    features: Features
    loudness: Loudness


@dataclass(frozen=True)
class ShortRecording:
    """A recording that is held whole, as tasks for the network; `duration` in seconds."""

    source: AudioSource
    tasks: list[SegmentTask]
    duration: float


@dataclass(frozen=True)
class LongRecording:
    """A recording that is read as it goes through the network; `duration` counts the seconds read so far."""

    source: AudioSource
    blocks: Iterator[Waveform]
    duration: float


Recording: TypeAlias = ShortRecording | LongRecording | AudioError


@dataclass
class Pending:
    """A short recording whose segments are under way, in any batches, with what they decode to by their start."""

    recording: ShortRecording
    future: "Future[Result]"
    decoded: dict[float, "Future[Decoded]"] = field(default_factory=dict)

    @property
    def is_submitted(self) -> bool:
        """Whether all its segments are being decoded."""
        return len(self.decoded) == len(self.recording.tasks)


class Pipeline:
    """Carries recordings through a network and a decoder.

    Args:
        runner: Features, segmentation and network.
        decoder: Shared by the threads that decode.
        batch_seconds: Speech, padding included, that goes through the network together.
        jobs: Threads that read audio, and as many that decode.
        on_progress: Called with the seconds of a long recording that are done, if its result is the next.
    """

    def __init__(
        self,
        runner: NetworkRunner,
        decoder: UtteranceDecoder,
        *,
        batch_seconds: float,
        jobs: int,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        self._runner = runner
        self._decoder = decoder
        self._batch_seconds = batch_seconds
        self._jobs = jobs
        self._on_progress = on_progress or (lambda seconds: None)

    def run(self, sources: Iterable[AudioSource]) -> Iterator[Result]:
        """Yield transcripts in the order of their sources; the error for a recording that cannot be read."""
        with _pool(self._jobs) as loaders, _pool(self._jobs) as decoders:
            waiting: deque[Future[Result]] = deque()
            for group in self._group(_map_ahead(loaders, self._load, sources, count=2 * self._jobs)):
                futures: list[Future[Result]] = [Future() for _ in group]
                yield from _pop(waiting, all_but=len(group))  # the queue must not grow without bound
                waiting.extend(futures)
                for _ in self._process(group, futures, loaders, decoders):
                    yield from _pop_done(waiting)
            yield from _pop(waiting)

    def _process(
        self,
        group: Sequence[Recording],
        futures: Sequence["Future[Result]"],
        loaders: ThreadPoolExecutor,
        decoders: ThreadPoolExecutor,
    ) -> Iterator[None]:
        """Compute the results of a group, in steps between which those that are done can be handed out."""
        pendings = []
        for recording, future in zip(group, futures, strict=True):
            if isinstance(recording, AudioError):
                future.set_result(recording)
            elif isinstance(recording, ShortRecording):
                pendings.append(Pending(recording, future))
        tasks = [(task, pending) for pending in pendings for task in pending.recording.tasks]
        tasks.sort(key=lambda pair: pair[0].duration)
        for batch in make_batches(tasks, lambda pair: pair[0].duration, self._batch_seconds):
            self._process_batch(batch, decoders)
            yield
        for recording, future in zip(group, futures, strict=True):
            if isinstance(recording, LongRecording):
                yield  # this takes long: first hand out what comes before it
                future.set_result(self._stream(recording, loaders, decoders))
                yield

    def _group(self, recordings: Iterable[Recording]) -> Iterator[list[Recording]]:
        """Group recordings that are sorted together: few at first, so that the first result comes soon."""
        group: list[Recording] = []
        limit, seconds = self._batch_seconds, 0.0
        for recording in recordings:
            group.append(recording)
            seconds += 0.0 if isinstance(recording, AudioError) else recording.duration
            if seconds >= limit:
                yield group
                group, seconds = [], 0.0
                limit = min(2 * limit, MOST_BATCHES * self._batch_seconds)
        yield group

    def _load(self, source: AudioSource) -> Recording:
        try:
            return self._open(source)
        except AudioError as error:
            return error

    def _open(self, source: AudioSource) -> ShortRecording | LongRecording:
        rate = self._runner.sample_rate
        blocks = stream_audio(source, block_seconds=BLOCK_SECONDS, sample_rate=rate)
        head = [np.empty(0, dtype=np.float32)]
        for block in blocks:
            head.append(block)
            if sum(map(len, head)) > LONG_SECONDS * rate:
                return LongRecording(source, chain(head, blocks), sum(map(len, head)) / rate)
        waveform = np.concatenate(head)
        self._check_length(len(waveform), name_of(source))
        tasks = [self._make_task(segment) for segment in self._runner.split([waveform])]
        return ShortRecording(source, tasks, len(waveform) / rate)

    def _check_length(self, num_samples: int, name: str | None) -> None:
        extractor = self._runner.extractor
        if extractor.num_frames(num_samples) == 0:
            raise AudioError(
                f"{name or 'audio'}: {num_samples} samples are too short to hold speech; "
                f"at least {extractor.window} at {self._runner.sample_rate} Hz are needed"
            )

    def _make_task(self, segment: AudioSegment) -> SegmentTask:
        features = self._runner.extract(segment.waveform)
        return SegmentTask(segment.start, segment.duration, features, _loudness(segment))

    def _process_batch(self, batch: Sequence[tuple[SegmentTask, Pending]], decoders: ThreadPoolExecutor) -> None:
        batch_log_probs = self._runner.network.run([task.features for task, _ in batch])
        for (task, pending), log_probs in zip(batch, batch_log_probs, strict=True):
            decoded = decoders.submit(self._decoder.decode, log_probs, task.loudness, task.start)
            pending.decoded[task.start] = decoded
            if pending.is_submitted:
                # Threads take up work in its order, so all of these segments are begun when this one waits for them.
                decoders.submit(_fulfil, pending.future, self._finish, pending)

    def _finish(self, pending: Pending) -> Result:
        recording = pending.recording
        try:
            decoded = [future.result() for _, future in sorted(pending.decoded.items())]
        except AsrError as error:
            return _as_audio_error(recording.source, error)
        return self._decoder.make_transcript(decoded, recording.duration, name_of(recording.source))

    def _stream(self, recording: LongRecording, loaders: ThreadPoolExecutor, decoders: ThreadPoolExecutor) -> Result:
        """Transcribe a long recording segment by segment."""
        blocks = _prefetch(loaders, recording.blocks)
        segments = self._report(self._runner.stream_log_probs(blocks, batch_seconds=self._batch_seconds))
        try:
            results = list(_map_ahead(decoders, self._decode, segments, count=2 * self._jobs))
        except AsrError as error:
            return _as_audio_error(recording.source, error)
        decoded, ends = zip(*results, strict=True)
        return self._decoder.make_transcript(decoded, ends[-1], name_of(recording.source))

    def _report(self, segments: Iterable[tuple[AudioSegment, LogProbs]]) -> Iterator[tuple[AudioSegment, LogProbs]]:
        """Yield the segments unchanged; report how far in the recording they reach."""
        for segment, log_probs in segments:
            self._on_progress(segment.end)
            yield segment, log_probs

    def _decode(self, item: tuple[AudioSegment, LogProbs]) -> tuple[Decoded, float]:
        """Decode a segment; return also the second at which it ends."""
        segment, log_probs = item
        return self._decoder.decode(log_probs, _loudness(segment), segment.start), segment.end


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


def _fulfil(future: "Future[Result]", function: Callable[..., Result], *arguments: object) -> None:
    try:
        future.set_result(function(*arguments))
    except BaseException as error:
        future.set_exception(error)


def _pop_done(waiting: "deque[Future[Result]]") -> Iterator[Result]:
    """Yield the results at the head of the queue that are done."""
    while waiting and waiting[0].done():
        yield waiting.popleft().result()


def _pop(waiting: "deque[Future[Result]]", *, all_but: int = 0) -> Iterator[Result]:
    """Yield results from the head of the queue; wait for them."""
    while len(waiting) > all_but:
        yield waiting.popleft().result()


def _as_audio_error(source: AudioSource, error: AsrError) -> AudioError:
    return error if isinstance(error, AudioError) else AudioError(f"{name_of(source) or 'audio'}: {error}")
