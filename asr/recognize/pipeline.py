"""Many recordings in, transcripts out in the same order: reading, network and decoding side by side.

    threads read audio ──► features ──► batches by length ──► network ──► threads decode ──► in order

A long recording is never held whole: it streams through the network piece by piece while what has
come out is decoded, so that memory does not grow with its length.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from asr.errors import AsrError, AudioError
from asr.recognize.boundaries import speech_levels
from asr.recognize.loudness import Levels, Meter
from asr.recognize.reading import Reading
from asr.recognize.spans import LogProbs, SpanCutter
from asr.recognize.transcript import Transcript
from asr.signal.audio import AudioSource, Waveform, name_of, stream_audio

if TYPE_CHECKING:
    from asr.recognize.recognizer import Recognizer

LONG_SECONDS = 60.0  # a longer recording goes alone, in pieces
BLOCK_SECONDS = 20.0  # of a long recording that are read at a time
MOST_BATCHES = 16  # that are read ahead, to be sorted by length

Result: TypeAlias = Transcript | AudioError
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Short:
    """A recording that goes through the network whole: its (T, F) features, its loudness and its seconds."""

    source: AudioSource
    features: Tensor
    levels: Levels
    duration: float


@dataclass(frozen=True)
class Long:
    """A recording that streams through the network; its waveform, of which so many seconds have been read."""

    source: AudioSource
    blocks: Iterator[Waveform]
    duration: float


Loaded: TypeAlias = Short | Long | AudioError
Promise: TypeAlias = "Future[Result]"


class Pipeline:
    """Carries recordings through a recogniser.

    Args:
        recognizer: Network and reader.
        batch_seconds: Speech, padding included, that goes through the network together.
        jobs: Threads that read audio, and as many that decode.
        heard: Told how many seconds of a long recording are through, which is the next whose result is due.
    """

    def __init__(
        self, recognizer: "Recognizer", *, batch_seconds: float, jobs: int, heard: Callable[[float], None] | None = None
    ) -> None:
        self._recognizer = recognizer
        self._batch_seconds = batch_seconds
        self._jobs = jobs
        self._heard = heard or (lambda seconds: None)

    def run(self, sources: Iterable[AudioSource]) -> Iterator[Result]:
        """Transcripts in the order of their sources; a recording that cannot be read comes out as its error."""
        with _pool(self._jobs) as readers, _pool(self._jobs) as decoders:
            waiting: deque[Promise] = deque()
            for window in self._windows(_ahead(readers, self._load, sources, count=2 * self._jobs)):
                promises: list[Promise] = [Future() for _ in window]
                yield from _take(waiting, all_but=len(window))  # what waits must not grow without bound
                waiting.extend(promises)
                for _ in self._work(window, promises, readers, decoders):
                    yield from _take_done(waiting)
            yield from _take(waiting)

    def _work(
        self,
        window: Sequence[Loaded],
        promises: Sequence[Promise],
        readers: ThreadPoolExecutor,
        decoders: ThreadPoolExecutor,
    ) -> Iterator[None]:
        """Keep the promises of a window, in steps between which results can be handed out."""
        shorts = []
        for loaded, promise in zip(window, promises, strict=True):
            if isinstance(loaded, AudioError):
                promise.set_result(loaded)
            elif isinstance(loaded, Short):
                shorts.append((loaded, promise))
        for batch in self._batches(shorts):
            self._recognize(batch, decoders)
            yield
        for loaded, promise in zip(window, promises, strict=True):
            if isinstance(loaded, Long):
                yield  # this takes long: first hand out what is before it
                promise.set_result(self._stream(loaded, readers, decoders))
                yield

    def _windows(self, recordings: Iterable[Loaded]) -> Iterator[list[Loaded]]:
        """Recordings that are sorted together: few at first, so that the first result comes soon."""
        window: list[Loaded] = []
        limit, seconds = self._batch_seconds, 0.0
        for loaded in recordings:
            window.append(loaded)
            seconds += 0.0 if isinstance(loaded, AudioError) else loaded.duration
            if seconds >= limit:
                yield window
                window, seconds = [], 0.0
                limit = min(2 * limit, MOST_BATCHES * self._batch_seconds)
        yield window

    def _load(self, source: AudioSource) -> Loaded:
        try:
            return self._open(source)
        except AudioError as error:
            return error

    def _open(self, source: AudioSource) -> Short | Long:
        rate = self._recognizer.sample_rate
        blocks = stream_audio(source, block_seconds=BLOCK_SECONDS, sample_rate=rate)
        head = [np.empty(0, dtype=np.float32)]
        for block in blocks:
            head.append(block)
            if sum(map(len, head)) > LONG_SECONDS * rate:
                return Long(source, chain(head, blocks), sum(map(len, head)) / rate)
        waveform = torch.from_numpy(np.concatenate(head))
        self._recognizer.check_length(waveform, name_of(source))
        levels = speech_levels(waveform.numpy(), rate)
        return Short(source, self._recognizer.extractor(waveform), levels, waveform.numel() / rate)

    def _batches(self, shorts: Iterable[tuple[Short, Promise]]) -> Iterator[list[tuple[Short, Promise]]]:
        """Recordings of about one length that fill the network, shortest first."""
        batch: list[tuple[Short, Promise]] = []
        for short, promise in sorted(shorts, key=lambda pair: pair[0].duration):
            if batch and (len(batch) + 1) * short.duration > self._batch_seconds:
                yield batch
                batch = []
            batch.append((short, promise))
        if batch:
            yield batch

    def _recognize(self, batch: Sequence[tuple[Short, Promise]], decoders: ThreadPoolExecutor) -> None:
        log_probs = self._recognizer.read_features([short.features for short, _ in batch])
        for (short, promise), own in zip(batch, log_probs, strict=True):
            decoders.submit(_keep, promise, self._read, short, own)

    def _read(self, short: Short, log_probs: LogProbs) -> Result:
        try:
            return self._transcript(short, self._recognizer.reader.read(log_probs, short.levels), short.duration)
        except AsrError as error:
            return _as_audio_error(short.source, error)

    def _stream(self, long: Long, readers: ThreadPoolExecutor, decoders: ThreadPoolExecutor) -> Result:
        """A long recording through the network, piece by piece."""
        reader = self._recognizer.reader
        cutter = SpanCutter(reader.frame_seconds)
        passed = Meter(_one_ahead(readers, long.blocks), self._recognizer.sample_rate, reader.frame_seconds)
        try:
            pieces = self._tell(self._recognizer.stream_log_probs(passed), passed)
            spans = chain((span for piece in pieces for span in cutter.feed(piece)), cutter.finish())
            work = ((span, passed.tape.take(span)) for span in spans)
            readings = list(_ahead(decoders, lambda item: reader.read_span(*item), work, count=2 * self._jobs))
        except AsrError as error:
            return _as_audio_error(long.source, error)
        return self._transcript(long, reader.join(readings), passed.seconds)

    def _tell(self, pieces: Iterable[LogProbs], passed: Meter) -> Iterator[LogProbs]:
        """The pieces as they are; how far they go in the recording is told."""
        for piece in pieces:
            self._heard(passed.seconds)
            yield piece

    def _transcript(self, recording: Short | Long, reading: Reading, duration: float) -> Transcript:
        return self._recognizer.make_transcript(reading, duration, name_of(recording.source))


@contextmanager
def _pool(size: int) -> Iterator[ThreadPoolExecutor]:
    """Threads; when nobody wants the results any more, what has not begun is dropped."""
    pool = ThreadPoolExecutor(size)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(
    pool: ThreadPoolExecutor, function: Callable[[_In], _Out], items: Iterable[_In], *, count: int
) -> Iterator[_Out]:
    """Results in the order of the items, so many of which are under way before the first is wanted."""
    underway: deque[Future[_Out]] = deque()
    for item in items:
        underway.append(pool.submit(function, item))
        if len(underway) > count:
            yield underway.popleft().result()
    while underway:
        yield underway.popleft().result()


def _one_ahead(pool: ThreadPoolExecutor, items: Iterator[_In]) -> Iterator[_In]:
    """The items of an iterator, of which one is always in the making."""
    nothing = object()
    coming: Future[object] = pool.submit(next, items, nothing)
    while (item := coming.result()) is not nothing:
        coming = pool.submit(next, items, nothing)
        yield cast(_In, item)


def _keep(promise: Promise, function: Callable[..., Result], *arguments: object) -> None:
    try:
        promise.set_result(function(*arguments))
    except BaseException as error:
        promise.set_exception(error)


def _take_done(waiting: deque[Promise]) -> Iterator[Result]:
    """Results at the head of the queue, as far as they are there."""
    while waiting and waiting[0].done():
        yield waiting.popleft().result()


def _take(waiting: deque[Promise], *, all_but: int = 0) -> Iterator[Result]:
    """Results from the head of the queue; waits for them."""
    while len(waiting) > all_but:
        yield waiting.popleft().result()


def _as_audio_error(source: AudioSource, error: AsrError) -> AudioError:
    return error if isinstance(error, AudioError) else AudioError(f"{name_of(source) or 'audio'}: {error}")
