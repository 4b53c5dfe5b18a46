"""The websocket clients of a server, each from its first message to its last reply.

Every message is answered before the next is read. So a client that sends faster than the network computes, or does
not read its replies, is slowed down by its own connection and fills no memory.
"""

import asyncio
import contextlib
import logging
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from asr.errors import AsrError
from asr.live.engine import Engine
from asr.live.metrics import Metrics
from asr.live.settings import Limits
from asr.live.vosk import DecoderFactory, Refusal, VoskStream, is_text

log = logging.getLogger(__name__)
_CLOSE_BYTES = 120  # of a reason; a close frame holds no more


class SessionManager:
    """Serves all websocket clients.

    Args:
        engine: Decodes their audio.
        make_decoder: As for `VoskStream`.
        limits: How much is accepted.
        metrics: Counts what happens.
    """

    def __init__(self, engine: Engine, make_decoder: DecoderFactory, limits: Limits, metrics: Metrics) -> None:
        self._engine = engine
        self._make_decoder = make_decoder
        self._limits = limits
        self._metrics = metrics
        self._closing = asyncio.Event()
        self._clients: set[asyncio.Task[Any]] = set()

    async def close(self, patience: float = 5.0) -> None:
        """Finish all streams, send their last results and disconnect the clients."""
        self._closing.set()
        if self._clients:
            await asyncio.wait(self._clients, timeout=patience)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one client until it leaves or is refused."""
        await websocket.accept()
        try:
            await self._run_session(websocket)
            await websocket.close(1000)
        except WebSocketDisconnect:
            pass
        except Refusal as refusal:
            self._metrics.refusals.labels(refusal.kind).inc()
            await self._close_with_reason(websocket, refusal.code, refusal.reason)
        except AsrError as error:
            await self._close_with_reason(websocket, 1007, str(error))
        except Exception:
            self._metrics.errors.inc()
            log.exception("a live stream failed")
            await self._close_with_reason(websocket, 1011, "internal server error; see the server's log")

    async def _run_session(self, websocket: WebSocket) -> None:
        if self._closing.is_set():
            raise _shutting_down()
        if not self._engine.is_live:
            raise Refusal(
                "recordings", 1008, "this model needs whole recordings: POST files to /v1/audio/transcriptions"
            )
        if len(self._clients) >= self._limits.clients:
            raise Refusal("clients", 1013, f"{self._limits.clients} clients are connected already; try again later")
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a session must run in an asyncio task")
        self._clients.add(task)
        self._metrics.sessions.inc()
        stream = VoskStream(self._engine, self._make_decoder)
        try:
            with self._metrics.clients.track_inprogress():
                await self._answer_messages(websocket, stream)
        finally:
            self._metrics.utterances.inc(stream.utterances)
            self._metrics.audio.labels("live").inc(stream.seconds)
            self._clients.discard(task)

    async def _answer_messages(self, websocket: WebSocket, stream: VoskStream) -> None:
        """Answer messages until the client is done, or must be disconnected."""
        limit = self._limits.session_seconds
        refusal = None
        while refusal is None and not stream.is_over:
            message = await self._next_message(websocket)
            if message is None:
                refusal = _shutting_down()
            elif (reply := await self._answer(stream, message)) is not None:
                await self._send(websocket, reply)
            if stream.seconds > limit:
                reason = f"the limit of a stream is {limit:g} s of audio; connect again to continue"
                refusal = Refusal("session", 1008, reason)
        if refusal is not None:
            await self._send(websocket, await stream.finish())
            raise refusal

    async def _next_message(self, websocket: WebSocket) -> dict[str, Any] | None:
        """Return the client's next message, or None if the server shuts down first."""
        receiving = asyncio.ensure_future(websocket.receive())
        closing = asyncio.ensure_future(self._closing.wait())
        seconds = self._limits.idle_seconds
        try:
            await asyncio.wait({receiving, closing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                message: dict[str, Any] = dict(receiving.result())
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(message.get("code", 1005))
                return message
            if not closing.done():
                raise Refusal("idle", 1008, f"no message for {seconds:g} s; connect again to continue")
            return None
        finally:
            receiving.cancel()
            closing.cancel()

    async def _answer(self, stream: VoskStream, message: dict[str, Any]) -> str | None:
        text, pcm = message.get("text"), message.get("bytes")
        if pcm is not None and is_text(pcm):
            text = pcm.decode()
        if text is not None:
            return await stream.handle_text(text)
        if pcm is None:
            return None
        with self._metrics.latency.time():
            return await stream.feed(pcm)

    async def _send(self, websocket: WebSocket, reply: str) -> None:
        try:
            await asyncio.wait_for(websocket.send_text(reply), self._limits.idle_seconds)
        except asyncio.TimeoutError:
            reason = f"the client read no reply for {self._limits.idle_seconds:g} s"
            raise Refusal("stalled", 1008, reason) from None

    async def _close_with_reason(self, websocket: WebSocket, code: int, reason: str) -> None:
        shortened = reason.encode()[:_CLOSE_BYTES].decode(errors="ignore")
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, asyncio.TimeoutError):
            await asyncio.wait_for(websocket.close(code, shortened), self._limits.idle_seconds)


def _shutting_down() -> Refusal:
    return Refusal("shutdown", 1012, "the server is shutting down; connect again later")
