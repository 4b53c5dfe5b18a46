"""Many live streams, one network: blocks of audio in, partial results out.

All streams share a thread that owns the network. While it computes, blocks queue up; then it processes the next block
of every stream that has one, together: the busier it is, the larger its batches. The asyncio code around it never
waits for a computation. Knows nothing of protocols.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from asr.recognize.streaming.recognizer import MultiStreamRecognizer, split_into_blocks
from asr.recognize.streaming.recordings import RecordingRecognizer, RecordingStream
from asr.recognize.streaming.stream import Partial, SpeechStream
from asr.recognize.utterance import UtteranceDecoder
from asr.runtime.threads import map_in_threads
from asr.signal.resample import Resampler, Waveform

_Recognizer: TypeAlias = MultiStreamRecognizer | RecordingRecognizer
_Stream: TypeAlias = SpeechStream | RecordingStream
# If a block has waited this long, previews are left out for everyone: committed text comes first.
_LATE_SECONDS = 0.05


@dataclass
class _Job:
    """Audio that waits to be decoded."""

    stream: _Stream
    blocks: list[tuple[Waveform, bool]]  # those that remain, each with whether the stream ends after it
    latest: Partial  # what is known of the stream so far
    future: "Future[Partial]"  # receives it once all blocks are decoded
    since: float  # time.perf_counter() when the job arrived, or its previous block was decoded

    def complete(self, error: Exception | None) -> None:
        """Set the future to the result or an error."""
        with contextlib.suppress(InvalidStateError):  # the client has left
            self.future.set_exception(error) if error else self.future.set_result(self.latest)


class Engine:
    """Runs the network for any number of live streams.

    Args:
        recognizer: Decodes the streams; used by one thread only.
        on_batch: Called after each batch with its number of streams and the seconds that it took.

    Attributes:
        is_live: Whether text comes before a stream has ended.
    """

    def __init__(self, recognizer: _Recognizer, on_batch: Callable[[int, float], None] = lambda *_: None) -> None:
        self._recognizer: Any = recognizer  # its streams are its own
        self.is_live = recognizer.is_live
        self._on_batch = on_batch
        self._jobs: list[_Job] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)

    def __enter__(self) -> "Engine":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def start(
        self, sample_rate: float, *, utterance_decoder: UtteranceDecoder | None = None, start_seconds: float = 0.0
    ) -> "LiveStream":
        """Start a stream of samples at `sample_rate` Hz; see `MultiStreamRecognizer.start`."""
        resampler = Resampler(sample_rate, self._recognizer.recognizer.sample_rate)
        stream = self._recognizer.start(utterance_decoder, start_seconds=start_seconds)
        return LiveStream(self, stream, resampler, sample_rate)

    async def decode(self, stream: _Stream, samples: Waveform, latest: Partial, *, last: bool) -> Partial:
        """Decode (S,) samples at the model's rate; `latest` is what was known before."""
        blocks = split_into_blocks(samples, self._recognizer.recognizer.sample_rate, last=last)
        job = _Job(stream, blocks, latest, Future(), time.perf_counter())
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
        return await asyncio.wrap_future(job.future)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._stopped)
                if self._stopped:
                    break
                jobs, self._jobs = self._jobs, []
            self._process(jobs)
        for job in self._jobs:
            job.future.cancel()

    def _process(self, jobs: Sequence[_Job]) -> None:
        """Decode one block of each stream; their other blocks wait for the next batch."""
        started = time.perf_counter()
        batch = [job for job in jobs if not job.future.cancelled()]
        is_late = any(started - job.since > _LATE_SECONDS for job in batch)
        try:
            self._decode(batch, preview=not is_late)
        except Exception as error:  # of the network itself: no block was decoded
            for job in batch:
                job.complete(error)
        unfinished = [job for job in batch if job.blocks and not job.future.done()]
        for job in unfinished:
            job.since = time.perf_counter()  # a long message delays only its own sender
        with self._changed:
            self._jobs = unfinished + self._jobs
        self._on_batch(len(batch), time.perf_counter() - started)

    def _decode(self, batch: Sequence[_Job], *, preview: bool) -> None:
        map_in_threads(_feed, [job for job in batch if job.blocks])
        partials = self._recognizer.decode([job.stream for job in batch], preview=preview)
        for job, partial in zip(batch, partials, strict=True):
            if partial is not None:
                job.latest = partial.after(job.latest)
            if job.stream.error is not None:
                job.complete(job.stream.error)
            elif not job.blocks:
                job.complete(None)


def _feed(job: _Job) -> None:
    """Give a stream the next block of its job."""
    waveform, last = job.blocks.pop(0)
    job.stream.feed(waveform, last=last)


class LiveStream:
    """One live stream of an `Engine`, fed at `sample_rate` Hz."""

    def __init__(self, engine: Engine, stream: _Stream, resampler: Resampler, sample_rate: float) -> None:
        self.sample_rate = sample_rate
        self._engine = engine
        self._stream = stream
        self._resampler = resampler
        self._latest = Partial()

    async def feed(self, samples: Waveform) -> Partial:
        """Decode (S,) float32 samples; callers must wait for each block before they send the next.

        Returns:
            What is known now, with the utterances that ended in this block.
        """
        return await self._decode(self._resampler.feed(samples), last=False)

    async def finish(self) -> Partial:
        """End the stream: everything becomes final."""
        return await self._decode(self._resampler.finish(), last=True)

    async def _decode(self, resampled: Waveform, *, last: bool) -> Partial:
        partial = await self._engine.decode(self._stream, resampled, self._latest, last=last)
        self._latest = replace(partial, finals=(), closed=None)
        return partial
