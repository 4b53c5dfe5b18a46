"""The live streams of a server: each client's websocket from its first message to the last reply.

Every message is answered before the next is taken, so a client that sends faster than the
network reads, or takes no replies, is slowed by its own connection and fills no memory.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from asr.errors import AsrError
from asr.live.engine import Engine
from asr.live.limits import Limits, Refusal
from asr.live.metrics import Metrics
from asr.live.vosk import Conversation, ReaderMaker, is_text

log = logging.getLogger(__name__)
_CLOSE_BYTES = 120  # of a reason that fit into a close frame


class Hub:
    """Talks with all clients.

    Args:
        engine: Reads their sound.
        make_reader: As for `Conversation`.
        limits: What is borne.
        metrics: Told what happens.
    """

    def __init__(self, engine: Engine, make_reader: ReaderMaker, limits: Limits, metrics: Metrics) -> None:
        self._engine = engine
        self._make_reader = make_reader
        self._limits = limits
        self._metrics = metrics
        self._closing = asyncio.Event()
        self._clients: set[asyncio.Task[Any]] = set()

    async def close(self, patience: float = 5.0) -> None:
        """Finish what is being said, send it, and let all clients go."""
        self._closing.set()
        if self._clients:
            await asyncio.wait(self._clients, timeout=patience)

    async def serve(self, websocket: WebSocket) -> None:
        """Talk with one client until it goes or is refused."""
        await websocket.accept()
        try:
            await self._converse(websocket)
            await websocket.close(1000)
        except WebSocketDisconnect:
            pass
        except Refusal as refusal:
            self._metrics.refusals.labels(refusal.kind).inc()
            await self._say_goodbye(websocket, refusal.code, refusal.reason)
        except AsrError as error:
            await self._say_goodbye(websocket, 1007, str(error))
        except Exception:
            self._metrics.errors.inc()
            log.exception("a live stream failed")
            await self._say_goodbye(websocket, 1011, "the server failed; its log tells why")

    async def _converse(self, websocket: WebSocket) -> None:
        if self._closing.is_set():
            raise Refusal("shutdown", 1012, "the server is shutting down; connect again later")
        if len(self._clients) >= self._limits.clients:
            raise Refusal("clients", 1013, f"{self._limits.clients} clients are connected already; try again later")
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        self._metrics.sessions.inc()
        self._metrics.clients.inc()
        conversation = Conversation(self._engine, self._make_reader)
        try:
            await _Talk(websocket, conversation, self._closing, self._limits, self._metrics).run()
        finally:
            self._metrics.utterances.inc(conversation.utterances)
            self._metrics.audio.labels("live").inc(conversation.seconds)
            self._metrics.clients.dec()
            self._clients.discard(task)

    async def _say_goodbye(self, websocket: WebSocket, code: int, reason: str) -> None:
        cut = reason.encode()[:_CLOSE_BYTES].decode(errors="ignore")
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, asyncio.TimeoutError):
            await asyncio.wait_for(websocket.close(code, cut), self._limits.idle_seconds)


class _Talk:
    """One client's messages, one after the other."""

    def __init__(
        self,
        websocket: WebSocket,
        conversation: Conversation,
        closing: asyncio.Event,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._websocket = websocket
        self._conversation = conversation
        self._closing = closing
        self._limits = limits
        self._metrics = metrics

    async def run(self) -> None:
        """Talk until the client has said that it is done, or must go."""
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            while not self._conversation.is_over:
                await self._answer(await self._next(closing))
                if self._conversation.seconds > self._limits.session_seconds:
                    await self._send(await self._conversation.finish())
                    raise Refusal(
                        "session", 1008, f"{self._limits.session_seconds:g} s of sound are the limit of a stream"
                    )
        finally:
            closing.cancel()

    async def _next(self, closing: "asyncio.Future[Any]") -> dict[str, Any]:
        """The next message of the client."""
        receiving = asyncio.ensure_future(self._websocket.receive())
        try:
            await asyncio.wait(
                {receiving, closing}, timeout=self._limits.idle_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if receiving.done():
                message: dict[str, Any] = dict(receiving.result())
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(message.get("code", 1005))
                return message
            if not closing.done():
                raise Refusal("idle", 1008, f"nothing came for {self._limits.idle_seconds:g} s; connect again to go on")
            await self._send(await self._conversation.finish())
            raise Refusal("shutdown", 1012, "the server is shutting down; connect again later")
        finally:
            receiving.cancel()

    async def _answer(self, message: dict[str, Any]) -> None:
        text, sound = message.get("text"), message.get("bytes")
        if sound is not None and is_text(sound):
            text = sound.decode()
        if text is not None:
            reply = await self._conversation.read(text)
            if reply is not None:
                await self._send(reply)
        elif sound is not None:
            await self._send(await self._timed(self._conversation.hear(sound)))

    async def _timed(self, hearing: Coroutine[Any, Any, str]) -> str:
        started = time.perf_counter()
        reply = await hearing
        self._metrics.latency.observe(time.perf_counter() - started)
        return reply

    async def _send(self, reply: str) -> None:
        try:
            await asyncio.wait_for(self._websocket.send_text(reply), self._limits.idle_seconds)
        except asyncio.TimeoutError:
            reason = f"no reply was taken for {self._limits.idle_seconds:g} s"
            raise Refusal("stalled", 1008, reason) from None
