"""The server: live streams on a websocket, files over HTTP, a web page to try both, and health checks.

Routes hold no logic: sessions.py serves live clients, openai_api.py transcribes files, subtitles_api.py formats
transcripts, and access.py decides who may use them.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from asr.config import HOST, PORT
from asr.errors import AsrError
from asr.live.access import LOOPBACK, AccessControl, BodyTimeout, BodyTooLarge
from asr.live.engine import Engine
from asr.live.limits import Limits
from asr.live.metrics import CONTENT_TYPE, Metrics
from asr.live.openai_api import RequestError, Transcriber
from asr.live.sessions import SessionManager
from asr.live.subtitles_api import SubtitleWriter
from asr.live.vosk import DecoderFactory
from asr.recognize.options import DecodingOptions, add_oov_words, build_decoder
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.recognizer import MultiStreamRecognizer
from asr.recognize.streaming.stream import StreamingOptions
from asr.recognize.utterance import UtteranceDecoder
from asr.reporter import SILENT, Reporter
from asr.text.normalize import normalize
from asr.transcript.transcript import DOUBTFUL

PAGE = Path(__file__).parent / "page"


@dataclass(frozen=True)
class ServerSettings:
    """Where a server listens, and to whom.

    Attributes:
        host, port: Address; 127.0.0.1 can be reached from this machine only.
        token: Token that clients must send; None if they need none.
        origins: Web pages that may use the server besides its own.
        limits: How much it accepts.
    """

    host: str = HOST
    port: int = PORT
    token: str | None = None
    origins: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)


def build_app(streaming: MultiStreamRecognizer, name: str, settings: ServerSettings) -> FastAPI:
    """Build the web application; `Server` runs it.

    Args:
        streaming: Recognises live streams; its recogniser transcribes files.
        name: The model's name for clients.
        settings: Who may use the server, and how much.
    """
    metrics = Metrics()
    engine = Engine(streaming, on_batch=metrics.count_batch)
    transcriber = Transcriber(streaming.recognizer, name, settings.limits, metrics)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        make_decoder = decoder_factory(streaming.recognizer)
        app.state.sessions = SessionManager(engine, make_decoder, settings.limits, metrics)
        app.state.transcriber = transcriber
        with engine:
            yield

    app = FastAPI(title="asr", lifespan=lifespan, openapi_url=None)
    _add_routes(app, transcriber, metrics)
    _add_page(app, name, SubtitleWriter(settings.limits, metrics))
    _add_errors(app, metrics, settings.limits.idle_seconds)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(
        AccessControl,  # added last, so it comes first
        metrics=metrics,
        token=settings.token,
        origins=settings.origins,
        hosts={*LOOPBACK, settings.host} if settings.host in LOOPBACK else None,
        upload_bytes=settings.limits.upload_bytes,
        idle_seconds=settings.limits.idle_seconds,
    )
    return app


def _add_routes(app: FastAPI, transcriber: Transcriber, metrics: Metrics) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok", "model": transcriber.name}

    @app.get("/metrics")
    async def expose() -> Response:
        return Response(metrics.expose(), media_type=CONTENT_TYPE)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": transcriber.models()}

    @app.get("/v1/models/{model}")
    async def one_model(model: str) -> dict[str, Any]:
        transcriber.check_model(model)
        return transcriber.models()[0]

    @app.post("/v1/audio/transcriptions")
    async def transcribe(request: Request) -> Response:
        return await transcriber.respond(request)

    @app.websocket("/{path:path}")  # Vosk's server listens on any path
    async def live(websocket: WebSocket) -> None:
        await app.state.sessions.serve(websocket)


def _add_page(app: FastAPI, name: str, subtitle_writer: SubtitleWriter) -> None:
    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/page/settings.json")
    async def page_settings() -> dict[str, Any]:
        return {"model": name, "doubtful": DOUBTFUL}

    @app.post("/subtitles/{style}")
    async def subtitles(request: Request, style: str) -> Response:
        return await subtitle_writer.respond(request, style)

    app.mount("/page", StaticFiles(directory=PAGE))


def _add_errors(app: FastAPI, metrics: Metrics, idle_seconds: float) -> None:
    """Answer every error in OpenAI's form, without a stack trace."""

    @app.exception_handler(RequestError)
    async def refuse(request: Request, error: RequestError) -> Response:
        return error.respond()

    @app.exception_handler(BodyTooLarge)
    async def refuse_size(request: Request, error: BodyTooLarge) -> Response:
        metrics.refusals.labels("upload").inc()
        return RequestError(
            "the body is larger than this server accepts; send a shorter or compressed file", status=413, code="upload"
        ).respond()

    @app.exception_handler(BodyTimeout)
    async def refuse_waiting(request: Request, error: BodyTimeout) -> Response:
        metrics.refusals.labels("idle").inc()
        reason = f"no more of the body arrived within {idle_seconds:g} s; send it again"
        return RequestError(reason, status=408, code="idle").respond()

    @app.exception_handler(ClientDisconnect)
    async def ignore_disconnect(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    @app.exception_handler(HTTPException)
    async def answer_http_error(request: Request, error: HTTPException) -> Response:
        return RequestError(str(error.detail), status=error.status_code).respond()

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> Response:
        metrics.errors.inc()
        return RequestError("internal server error; see the server's log", status=500).respond()


def decoder_factory(recognizer: Recognizer) -> DecoderFactory:
    """Return a function that makes decoders for phrases: for these words alone, or with a preference for them."""
    shared = recognizer.decoder

    def make(phrases: Sequence[str], open_vocabulary: bool) -> UtteranceDecoder:
        phrases = [normalize(phrase, recognizer.settings.normalizer) for phrase in phrases]
        words = sorted({word for phrase in phrases for word in phrase.split()})
        tokenizer = add_oov_words(recognizer.tokenizer, words)
        settings = recognizer.settings.decoder
        if open_vocabulary:
            model = shared.beam.language_model if shared.beam else None
            beam = build_decoder(tokenizer, settings, language_model=model, hotwords=phrases)
        else:
            beam = build_decoder(tokenizer, settings, vocabulary=words)
        return UtteranceDecoder(tokenizer, shared.timing, beam=beam, confidence=shared.confidence)

    return make


class Server(uvicorn.Server):
    """A uvicorn server that lets live clients finish before it closes their connections."""

    def __init__(self, app: FastAPI, settings: ServerSettings) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,
                ws="websockets-sansio",  # does not read from a client before its last message is answered
                ws_max_size=settings.limits.message_bytes,
                ws_per_message_deflate=False,  # audio hardly compresses
                timeout_graceful_shutdown=10,
                server_header=False,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish current utterances and short files, then close."""
        await asyncio.gather(self._app.state.sessions.close(), self._app.state.transcriber.close())
        await super().shutdown(sockets)


def run(
    model: str,
    settings: ServerSettings,
    streaming: StreamingOptions,
    *,
    device: str,
    decoding: DecodingOptions,
    reporter: Reporter = SILENT,
) -> None:
    """Run a server until SIGINT or SIGTERM, as `asr serve` does.

    Args:
        model: Name or folder.
        settings: Who may use the server, and how much.
        streaming: Latency and endpoints of live streams.
        device: Where the network runs.
        decoding: How text is decoded.
        reporter: Shows the address once the server is ready.

    Raises:
        AsrError: If there is no such model, or the address is not available.
    """
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns about each broken form, byte by byte
    listener = _listen(settings)
    streams = MultiStreamRecognizer(load_model(model, device=device, decoding=decoding), streaming)
    streams.warm_up()
    server = Server(build_app(streams, Path(model).resolve().name, settings), settings)
    # Before uvicorn handles the signal, and after it has closed everything and raises the signal again.
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    reporter.line(f"listening on http://{host}:{port} (web page) and ws://{host}:{port} (Vosk protocol)")
    with contextlib.closing(listener), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve([listener]))


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen()  # clients that connect while the model loads wait, and are not turned away
    except (OSError, OverflowError) as error:
        listener.close()
        address = f"{settings.host}:{settings.port}"
        raise AsrError(f"{address}: cannot be listened on ({error}); choose another host or port") from None
    return listener
