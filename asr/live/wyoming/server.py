"""The Wyoming protocol, by which Home Assistant reaches speech recognisers: audio in over TCP, transcripts out.

A client asks `describe` and gets `info`; or it sends `transcribe`, `audio-start`, `audio-chunk`s and `audio-stop`, and
gets `transcript-start`, `transcript-chunk`s while it speaks, the whole `transcript` and `transcript-stop`. The chunks
joined are the transcript. The protocol knows no passwords, so it belongs in a network that is trusted.
"""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Sequence
from typing import Any

import numpy as np
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
from wyoming.ping import Ping, Pong

from asr import __version__
from asr.errors import AsrError
from asr.live.engine import Engine, LiveStream
from asr.live.metrics import Metrics
from asr.live.settings import Limits
from asr.live.vosk import MAX_CHARACTERS, MAX_PHRASES, SAMPLE_RATES, DecoderFactory
from asr.recognize.streaming.recognizer import to_waveform
from asr.recognize.streaming.stream import Partial
from asr.recognize.utterance import UtteranceDecoder
from asr.signal.resample import Waveform

log = logging.getLogger(__name__)
_MOST_CHANNELS = 8
_WIDTHS = {2: "<i2", 4: "<i4"}  # bytes of a sample, and how numpy calls them


class Refusal(Exception):
    """Something that a client may not do.

    Args:
        kind: A word for programs and the metrics.
        reason: What was wrong and what to do.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


async def read_event(source: asyncio.StreamReader, most_bytes: int) -> Event | None:
    """Read an event; None at the end of the connection.

    The package's own reader accepts events of any size, which would let a client fill the memory.

    Raises:
        Refusal: If it is no event, or larger than `most_bytes`.
    """
    try:
        line = await source.readline()
        if not line.strip():
            return None
        header = json.loads(line)
        sizes = [int(header.get(key) or 0) for key in ("data_length", "payload_length")]
        if min(sizes) < 0 or sum(sizes) > most_bytes:
            raise Refusal("message", f"an event may hold {most_bytes} bytes; send shorter chunks")
        extra, payload = [await source.readexactly(size) for size in sizes]
        data = (header.get("data") or {}) | (json.loads(extra) if extra else {})
        return Event(str(header["type"]), data, payload or None)
    except asyncio.IncompleteReadError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Refusal("message", "this is no event of the Wyoming protocol") from None


def to_mono(chunk: AudioChunk) -> Waveform:
    """Return the samples of a chunk as (S,) floats, the mean of its channels. Raises Refusal for other formats."""
    if chunk.width not in _WIDTHS or not 1 <= chunk.channels <= _MOST_CHANNELS:
        raise Refusal("audio", f"audio must have 2 or 4 bytes per sample and 1 to {_MOST_CHANNELS} channels")
    if not SAMPLE_RATES[0] <= chunk.rate <= SAMPLE_RATES[1]:
        raise Refusal("audio", f"the sample rate must be {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz")
    if len(chunk.audio) % (chunk.width * chunk.channels):
        raise Refusal("audio", "a chunk of audio must hold whole samples of all channels")
    samples = to_waveform(np.frombuffer(chunk.audio, _WIDTHS[chunk.width]).astype(f"i{chunk.width}"))
    return samples.reshape(-1, chunk.channels).mean(1, dtype=np.float32)


class TranscriptStream:
    """One request: audio in, events out.

    Args:
        engine: Decodes the audio.
        decoder: Of the request's own; None: that of the model.
        is_incremental: Whether text is sent before its utterance has ended. Text that is written out changes then.

    Attributes:
        seconds: Audio received so far.
        utterances: How many have ended.
    """

    def __init__(self, engine: Engine, decoder: UtteranceDecoder | None, *, is_incremental: bool) -> None:
        self._engine = engine
        self._decoder = decoder
        self._is_incremental = is_incremental
        self._stream: LiveStream | None = None
        self._texts: list[str] = []  # of the utterances that have ended
        self._sent = ""
        self.seconds = 0.0
        self.utterances = 0

    async def feed(self, chunk: AudioChunk) -> list[Eventable]:
        """Decode a chunk; return the text that is new, if any. Raises Refusal if its format is not supported."""
        samples = to_mono(chunk)
        if self._stream is None:
            self._stream = self._engine.start(chunk.rate, utterance_decoder=self._decoder)
        elif chunk.rate != self._stream.sample_rate:
            raise Refusal("audio", "the sample rate changed within a recording; send audio-stop before")
        self.seconds += len(samples) / chunk.rate
        return self._report(await self._stream.feed(samples))

    async def finish(self) -> list[Eventable]:
        """End the audio; return the last events."""
        rest = [] if self._stream is None else self._report(await self._stream.finish())
        return [*rest, Transcript(" ".join(self._texts)), TranscriptStop()]

    def _report(self, partial: Partial) -> list[Eventable]:
        self._texts += [segment.text for segment in partial.finals]
        if partial.closed is not None:
            self._texts[-1] = partial.closed.text
        self.utterances += len(partial.finals)
        committed = " ".join(self._texts)
        if self._is_incremental:
            committed = _join(committed, partial.committed.strip())
        if not committed.startswith(self._sent) or committed == self._sent:
            return []
        new, self._sent = committed[len(self._sent) :], committed
        return [TranscriptChunk(new)]


def _join(before: str, after: str) -> str:
    return f"{before} {after}" if before and after else before or after


class WyomingServer:
    """Serves all Wyoming clients.

    Args:
        engine: Decodes their audio.
        make_decoder: Makes the decoder for names and terms that a client expects.
        info: What `describe` is answered with.
        limits: How much is accepted.
        metrics: Counts what happens.
        is_incremental: As for `TranscriptStream`.

    Attributes:
        closing: Set once no more audio is accepted.
    """

    def __init__(
        self,
        engine: Engine,
        make_decoder: DecoderFactory,
        info: Info,
        limits: Limits,
        metrics: Metrics,
        *,
        is_incremental: bool,
    ) -> None:
        self.engine = engine
        self.make_decoder = make_decoder
        self.info = info
        self.limits = limits
        self.metrics = metrics
        self.is_incremental = is_incremental
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[Any]] = set()
        self.closing = asyncio.Event()

    async def start(self, listener: socket.socket) -> None:
        """Accept clients from now on."""
        self._server = await asyncio.start_server(self._serve, sock=listener)

    async def close(self, patience: float = 5.0) -> None:
        """Finish the open recordings, send their transcripts and disconnect the clients."""
        self.closing.set()
        if self._server is not None:
            self._server.close()
        if self._clients:
            await asyncio.wait(self._clients, timeout=patience)

    async def _serve(self, source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it leaves or is refused."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a client must be served in an asyncio task")
        self._clients.add(task)
        session = _Session(self, source, writer)
        try:
            if len(self._clients) > self.limits.clients:
                raise Refusal("clients", f"{self.limits.clients} clients are connected already; try again later")
            await session.answer_events()
        except Refusal as refusal:
            self.metrics.refusals.labels(refusal.kind).inc()
            await session.send([Error(str(refusal), refusal.kind)])
        except AsrError as error:
            await session.send([Error(str(error), "audio")])
        except (ConnectionError, asyncio.TimeoutError):
            pass  # the client has left, or does not read
        except Exception:
            self.metrics.errors.inc()
            log.exception("a Wyoming client failed")
            await session.send([Error("internal server error; see the server's log", "internal")])
        finally:
            session.count()
            self._clients.discard(task)
            writer.close()


class _Session:
    """One connection."""

    def __init__(self, server: WyomingServer, source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._source = source
        self._writer = writer
        self._decoder: UtteranceDecoder | None = None  # for the next recording
        self._stream: TranscriptStream | None = None

    async def answer_events(self) -> None:
        """Answer events until the client is done, or the server shuts down."""
        while (event := await self._next_event()) is not None:
            await self._send(await self._answer(event))
        if self._stream is not None and self._server.closing.is_set():
            await self._send(await self._stream.finish())

    async def _next_event(self) -> Event | None:
        """Return the next event; None at the end of the connection or of the server."""
        limits = self._server.limits
        receiving = asyncio.ensure_future(read_event(self._source, limits.message_bytes))
        closing = asyncio.ensure_future(self._server.closing.wait())
        try:
            await asyncio.wait({receiving, closing}, timeout=limits.idle_seconds, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                return receiving.result()
            if closing.done():
                return None
            raise Refusal("idle", f"no event for {limits.idle_seconds:g} s; connect again to continue")
        finally:
            receiving.cancel()
            closing.cancel()

    async def _answer(self, event: Event) -> Sequence[Eventable]:
        """Return the events that answer one; events of other services are passed over."""
        try:
            if Describe.is_type(event.type):
                return [self._server.info]
            if Ping.is_type(event.type):
                return [Pong(Ping.from_event(event).text)]
            if Transcribe.is_type(event.type):
                self._decoder = await self._prepare(Transcribe.from_event(event))
            elif AudioStart.is_type(event.type):
                return await self._begin()
            elif AudioChunk.is_type(event.type):
                began = [] if self._stream else await self._begin()
                return [*began, *await self._feed(AudioChunk.from_event(event))]
            elif AudioStop.is_type(event.type):
                began = [] if self._stream else await self._begin()
                return [*began, *await self._finish()]
        except (KeyError, TypeError, ValueError):
            raise Refusal("message", f"the event {event.type[:40]!r} lacks data, or its data are not valid") from None
        return []

    async def _prepare(self, request: Transcribe) -> UtteranceDecoder | None:
        """Make the decoder of a request that names what may be said."""
        named = (getattr(request, "transcript_names", None), getattr(request, "transcript_terms", None))
        phrases = [str(phrase) for phrases in named for phrase in phrases or ()]
        if len(phrases) > MAX_PHRASES or sum(map(len, phrases)) > MAX_CHARACTERS:
            raise Refusal("message", f"a request may name {MAX_PHRASES} phrases, {MAX_CHARACTERS} characters in total")
        return await asyncio.to_thread(self._server.make_decoder, phrases, True) if phrases else None

    async def _begin(self) -> list[Eventable]:
        self.count()
        server = self._server
        self._stream = TranscriptStream(server.engine, self._decoder, is_incremental=server.is_incremental)
        server.metrics.sessions.inc()
        return [TranscriptStart()]

    async def _feed(self, chunk: AudioChunk) -> list[Eventable]:
        if self._stream is None:
            raise RuntimeError("audio before its stream")
        with self._server.metrics.latency.time():
            events = await self._stream.feed(chunk)
        limit = self._server.limits.session_seconds
        if self._stream.seconds > limit:
            await self._send([*events, *await self._finish()])
            raise Refusal("session", f"the limit of a recording is {limit:g} s; connect again to continue")
        return events

    async def _finish(self) -> list[Eventable]:
        if self._stream is None:
            raise RuntimeError("an end before its stream")
        events = await self._stream.finish()
        self.count()
        self._stream = self._decoder = None
        return events

    def count(self) -> None:
        """Add the open recording to the metrics."""
        if self._stream is not None:
            self._server.metrics.utterances.inc(self._stream.utterances)
            self._server.metrics.audio.labels("live").inc(self._stream.seconds)

    async def _send(self, events: Sequence[Eventable]) -> None:
        """Send events. Raises TimeoutError if the client does not read them."""
        for event in events:
            writing = async_write_event(event.event(), self._writer)
            await asyncio.wait_for(writing, self._server.limits.idle_seconds)

    async def send(self, events: Sequence[Eventable]) -> None:
        """Send events to a client that may have left."""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await self._send(events)


def describe_model(name: str, languages: Sequence[str]) -> Info:
    """Return what Home Assistant learns of this server: one program with one model."""
    attribution = Attribution("asr", "")
    model = AsrModel(name, attribution, True, f"asr model {name}", None, list(languages))
    program = AsrProgram("asr", attribution, True, "an open speech recogniser on CTC", __version__, [model])
    # Older versions of the package lack these fields.
    program.supports_transcript_streaming = True
    return Info(asr=[program])
