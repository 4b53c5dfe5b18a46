"""Many recordings in, transcripts out in the same order: reading, network and decoding side by side.

    threads read audio ──► stretches ──► batches by length ──► network ──► threads decode ──► in order

A long recording is never held whole: its stretches go through the network as they come while those
before are decoded, so that memory does not grow with its length.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from asr.errors import AsrError, AudioError
from asr.recognize.utterance import Decoded, LogProbs
from asr.recognize.word_boundaries import Levels, speech_levels
from asr.runtime.batching import make_batches
from asr.signal.audio import AudioSource, Waveform, name_of, stream_audio
from asr.signal.segment import AudioSegment
from asr.transcript.transcript import Transcript

if TYPE_CHECKING:
    from asr.recognize.recognizer import Recognizer

LONG_SECONDS = 60.0  # a longer recording goes alone
BLOCK_SECONDS = 20.0  # of a long recording that are read at a time
MOST_BATCHES = 16  # that are read ahead, to be sorted by length

Result: TypeAlias = Transcript | AudioError
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Piece:
    """A stretch of a short recording: its place and length in seconds, (T, F) features and loudness."""

    start: float
    seconds: float
    features: Tensor
    levels: Levels


@dataclass(frozen=True)
class Short:
    """A recording that is held whole, and its seconds."""

    source: AudioSource
    pieces: list[Piece]
    duration: float


@dataclass(frozen=True)
class Long:
    """A recording that is read as it goes through the network; its waveform, so many seconds of which are there."""

    source: AudioSource
    blocks: Iterator[Waveform]
    duration: float


Loaded: TypeAlias = Short | Long | AudioError
Promise: TypeAlias = "Future[Result]"


@dataclass
class Gathering:
    """A short recording whose pieces go through the network, in whatever batches; their readings by their start."""

    short: Short
    promise: Promise
    readings: dict[float, "Future[Decoded]"] = field(default_factory=dict)


class Pipeline:
    """Carries recordings through a recogniser.

    Args:
        recognizer: Network and reader.
        batch_seconds: Speech, padding included, that goes through the network together.
        jobs: Threads that read audio, and as many that decode.
        on_progress: Told how many seconds of a long recording are through, which is the next whose result is due.
    """

    def __init__(
        self,
        recognizer: "Recognizer",
        *,
        batch_seconds: float,
        jobs: int,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        self._recognizer = recognizer
        self._batch_seconds = batch_seconds
        self._jobs = jobs
        self._on_progress = on_progress or (lambda seconds: None)

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
                shorts.append(Gathering(loaded, promise))
        pieces = [(piece, whole) for whole in shorts for piece in whole.short.pieces]
        pieces.sort(key=lambda pair: pair[0].seconds)
        for batch in make_batches(pieces, lambda pair: pair[0].seconds, self._batch_seconds):
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
        waveform = np.concatenate(head)
        self._recognizer.check_length(len(waveform), name_of(source))
        pieces = [self._measure(stretch) for stretch in self._recognizer.cut([waveform])]
        return Short(source, pieces, len(waveform) / rate)

    def _measure(self, stretch: AudioSegment) -> Piece:
        start = self._recognizer.start_of(stretch)
        features = self._recognizer.extractor(torch.from_numpy(stretch.waveform))
        return Piece(start, self._recognizer.end_of(stretch) - start, features, self._levels(stretch))

    def _recognize(self, batch: Sequence[tuple[Piece, Gathering]], decoders: ThreadPoolExecutor) -> None:
        log_probs = self._recognizer.read_features([piece.features for piece, _ in batch])
        for (piece, whole), own in zip(batch, log_probs, strict=True):
            reading = decoders.submit(self._recognizer.reader.read, own, piece.levels, piece.start)
            whole.readings[piece.start] = reading
            if len(whole.readings) == len(whole.short.pieces):
                # Threads take up work in its order: these readings are all begun when this one waits for them.
                decoders.submit(_keep, whole.promise, self._gather, whole)

    def _gather(self, whole: Gathering) -> Result:
        try:
            readings = [reading.result() for _, reading in sorted(whole.readings.items())]
        except AsrError as error:
            return _as_audio_error(whole.short.source, error)
        return self._transcript(whole.short, readings, whole.short.duration)

    def _stream(self, long: Long, readers: ThreadPoolExecutor, decoders: ThreadPoolExecutor) -> Result:
        """A long recording through the network, stretch by stretch."""
        blocks = _one_ahead(readers, long.blocks)
        work = self._tell(self._recognizer.stream_log_probs(blocks, batch_seconds=self._batch_seconds))
        try:
            found = list(_ahead(decoders, self._read, work, count=2 * self._jobs))
        except AsrError as error:
            return _as_audio_error(long.source, error)
        return self._transcript(long, [reading for reading, _ in found], found[-1][1])

    def _tell(self, work: Iterable[tuple[AudioSegment, LogProbs]]) -> Iterator[tuple[AudioSegment, LogProbs]]:
        """Stretches as they are; how far they go in the recording is told."""
        for stretch, log_probs in work:
            self._on_progress(self._recognizer.end_of(stretch))
            yield stretch, log_probs

    def _read(self, item: tuple[AudioSegment, LogProbs]) -> tuple[Decoded, float]:
        """The reading of a stretch, and the second at which it ends."""
        stretch, log_probs = item
        start, end = self._recognizer.start_of(stretch), self._recognizer.end_of(stretch)
        return self._recognizer.reader.read(log_probs, self._levels(stretch), start), end

    def _levels(self, stretch: AudioSegment) -> Levels:
        return speech_levels(stretch.waveform, self._recognizer.sample_rate)

    def _transcript(self, recording: Short | Long, readings: Sequence[Decoded], duration: float) -> Transcript:
        reading = self._recognizer.reader.join(readings)
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
