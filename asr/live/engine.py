"""Many live streams, one network: blocks of sound in, what is known of each stream out.

All streams share a thread that owns the network. While it reads, blocks gather; then it reads
whatever has come, of all streams together: the busier it is, the larger its batches. Asyncio
around it never waits for a computation. Knows nothing of protocols.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asr.recognize.streaming.recognizer import Partial, SpeechStream, StreamReader, cut_blocks
from asr.recognize.utterance import UtteranceDecoder
from asr.signal.resample import Resampler, Samples

# Where a block has waited so long already, nobody gets a preview: settled text comes first.
_LATE_SECONDS = 0.05


@dataclass
class _Job:
    """Sound that waits to be read, and what is known of its stream meanwhile."""

    stream: SpeechStream
    blocks: list[tuple[Tensor, bool]]
    known: Partial
    future: "Future[Partial]"
    since: float  # when it came, or its last block was read; by time.perf_counter


class Engine:
    """Runs the network for any number of sessions.

    Args:
        reader: Reads the streams; used by one thread only.
        num_threads: Of torch within that thread.
        watch: Told after each round how many streams it read and how many seconds it took.
    """

    def __init__(
        self,
        reader: StreamReader,
        *,
        num_threads: int = 1,
        watch: Callable[[int, float], None] = lambda streams, seconds: None,
    ) -> None:
        self._watch = watch
        self._reader = reader
        self._preview = reader.preview
        self._num_threads = num_threads
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
        self, sample_rate: float, *, text_reader: UtteranceDecoder | None = None, start_seconds: float = 0.0
    ) -> "Session":
        """A new stream of samples at so many Hz.

        Args:
            sample_rate: Hz.
            text_reader: One of its own; None: the recogniser's.
            start_seconds: Added to the times of its words.
        """
        resampler = Resampler(sample_rate, self._reader.recognizer.sample_rate)
        return Session(self, self._reader.start(text_reader, start_seconds=start_seconds), resampler, sample_rate)

    async def read(self, stream: SpeechStream, samples: Samples, known: Partial, *, last: bool) -> Partial:
        """Have (S,) samples at the model's rate read; `known` is what was known before."""
        blocks = cut_blocks(samples, self._reader.recognizer.sample_rate, last=last)
        job = _Job(stream, blocks, known, Future(), time.perf_counter())
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
        return await asyncio.wrap_future(job.future)

    def _run(self) -> None:
        torch.set_num_threads(self._num_threads)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._stopped)
                if self._stopped:
                    break
                jobs, self._jobs = self._jobs, []
            self._round(jobs)
        for job in self._jobs:
            job.future.cancel()

    def _round(self, jobs: Sequence[_Job]) -> None:
        """Read a block of each stream that waits; what is left of their blocks waits for the next round."""
        started = time.perf_counter()
        waiting = [job for job in jobs if not job.future.cancelled()]
        is_late = any(started - job.since > _LATE_SECONDS for job in waiting)
        self._reader.preview = self._preview and not is_late
        try:
            self._read(waiting)
        except Exception as error:  # of the network itself: nobody's block was read
            for job in waiting:
                _fail(job.future, error)
        unread = [job for job in waiting if job.blocks and not job.future.done()]
        for job in unread:
            job.since = time.perf_counter()  # a long message makes nobody late but its own sender
        with self._changed:
            self._jobs = unread + self._jobs
        self._watch(len(waiting), time.perf_counter() - started)

    def _read(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            if job.blocks:
                waveform, last = job.blocks.pop(0)
                job.stream.put(waveform, last=last)
        for job, partial in zip(jobs, self._reader.read([job.stream for job in jobs]), strict=True):
            if partial is not None:
                job.known = replace(partial, finals=(*job.known.finals, *partial.finals))
            if job.stream.error is not None:
                _fail(job.future, job.stream.error)
            elif not job.blocks:
                _answer(job.future, job.known)


class Session:
    """One live stream.

    Attributes:
        known: What was known last.
        sample_rate: Hz of what it is fed.
    """

    def __init__(self, engine: Engine, stream: SpeechStream, resampler: Resampler, sample_rate: float) -> None:
        self.sample_rate = sample_rate
        self._engine = engine
        self._stream = stream
        self._resampler = resampler
        self.known = Partial()

    async def feed(self, samples: Samples, *, last: bool = False) -> Partial:
        """Have (S,) float32 samples read; a session waits for each block before it sends the next.

        Returns:
            What is known now, with the utterances that ended in this block.
        """
        resampled = self._resampler.feed(samples, last=last)
        partial = await self._engine.read(self._stream, resampled, self.known, last=last)
        self.known = replace(partial, finals=())
        return partial

    async def finish(self) -> Partial:
        """No more sound comes: everything is final."""
        return await self.feed(np.empty(0, np.float32), last=True)


def _fail(future: "Future[Any]", error: Exception) -> None:
    if not future.done() and future.set_running_or_notify_cancel():
        future.set_exception(error)


def _answer(future: "Future[Any]", result: object) -> None:
    if future.set_running_or_notify_cancel():
        future.set_result(result)
