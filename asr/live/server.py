"""The server: live streams on a websocket, files over HTTP, a page to try both, and its own health.

Routes hold no logic: hub.py talks with live clients, transcriptions.py answers for files,
guard.py decides who may come in.
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
from rich.console import Console
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from asr.config import HOST, PORT
from asr.errors import AsrError
from asr.live.access import LOOPBACK, Guard, TooLarge, TooSlow
from asr.live.engine import Engine
from asr.live.limits import Limits
from asr.live.metrics import CONTENT_TYPE, Metrics
from asr.live.openai_api import RequestError, Transcriber
from asr.live.sessions import Hub
from asr.live.vosk import ReaderMaker
from asr.recognize.options import DecodingOptions, add_oov_words, build_decoder
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.endpoints import Endpoints
from asr.recognize.streaming.recognizer import StreamReader
from asr.recognize.utterance import UtteranceDecoder
from asr.text.normalize import normalize

PAGE = Path(__file__).parent / "page"


@dataclass(frozen=True)
class ServerSettings:
    """Where and for whom a server is.

    Attributes:
        host, port: Address; 127.0.0.1 is heard on this machine only.
        token: What clients must show; None: nothing.
        origins: Web pages that may use it beside its own.
        limits: What it bears.
    """

    host: str = HOST
    port: int = PORT
    token: str | None = None
    origins: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)


def build_app(reader: StreamReader, name: str, settings: ServerSettings) -> FastAPI:
    """The web application; `Server` runs it.

    Args:
        reader: Reads live streams; its recogniser transcribes files.
        name: Of the model.
        settings: For whom it is.
    """
    metrics = Metrics()
    engine = Engine(reader, watch=metrics.count_round)
    transcriber = Transcriber(reader.recognizer, name, settings.limits, metrics)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.hub = Hub(engine, reader_maker(reader.recognizer), settings.limits, metrics)
        app.state.transcriber = transcriber
        with engine:
            yield

    app = FastAPI(title="asr", lifespan=lifespan, openapi_url=None)
    _add_routes(app, transcriber, metrics)
    _add_errors(app, metrics, settings.limits.idle_seconds)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(
        Guard,  # added last, so it comes first
        metrics=metrics,
        token=settings.token,
        origins=settings.origins,
        hosts={*LOOPBACK, settings.host} if settings.host in LOOPBACK else None,
        upload_bytes=settings.limits.upload_bytes,
        idle_seconds=settings.limits.idle_seconds,
    )
    return app


def _add_routes(app: FastAPI, transcriber: Transcriber, metrics: Metrics) -> None:
    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

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
        await app.state.hub.serve(websocket)

    app.mount("/page", StaticFiles(directory=PAGE))


def _add_errors(app: FastAPI, metrics: Metrics, idle_seconds: float) -> None:
    """Every error in OpenAI's form, none with a stack trace."""

    @app.exception_handler(RequestError)
    async def refuse(request: Request, error: RequestError) -> Response:
        return error.respond()

    @app.exception_handler(TooLarge)
    async def refuse_size(request: Request, error: TooLarge) -> Response:
        metrics.refusals.labels("upload").inc()
        return RequestError("the body is larger than this server takes", status=413, code="upload").respond()

    @app.exception_handler(TooSlow)
    async def refuse_waiting(request: Request, error: TooSlow) -> Response:
        metrics.refusals.labels("idle").inc()
        reason = f"nothing more of the body came for {idle_seconds:g} s; send it again"
        return RequestError(reason, status=408, code="idle").respond()

    @app.exception_handler(ClientDisconnect)
    async def part(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    @app.exception_handler(HTTPException)
    async def tell(request: Request, error: HTTPException) -> Response:
        return RequestError(str(error.detail), status=error.status_code).respond()

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> Response:
        metrics.errors.inc()
        return RequestError("the server failed; its log tells why", status=500).respond()


def reader_maker(recognizer: Recognizer) -> ReaderMaker:
    """Makes readers for the phrases that a client expects: these words alone, or these rather than others."""
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
    """Uvicorn that lets live clients finish before it closes their connections."""

    def __init__(self, app: FastAPI, settings: ServerSettings) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,
                ws="websockets-sansio",  # stops reading from a client whose message is not answered yet
                ws_max_size=settings.limits.message_bytes,
                ws_per_message_deflate=False,  # sound does not shrink by it
                timeout_graceful_shutdown=10,
                server_header=False,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish open utterances and short files, then close."""
        await asyncio.gather(self._app.state.hub.close(), self._app.state.transcriber.close())
        await super().shutdown(sockets)


def run(
    model: str,
    settings: ServerSettings,
    *,
    chunk: float,
    right: float,
    endpoints: Endpoints,
    device: str,
    decoding: DecodingOptions,
    console: Console,
) -> None:
    """What `asr serve` does: run a server until SIGINT or SIGTERM.

    Args:
        model: Name or folder.
        settings: Where and for whom it is.
        chunk, right: Latency of live streams in seconds, as for `StreamReader`.
        endpoints: When an utterance ends.
        device: Where the network runs.
        decoding: How text is found.
        console: Told the address.

    Raises:
        AsrError: If there is no such model, or the address cannot be had.
    """
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of each broken form, byte by byte
    listener = _listen(settings)
    recognizer = load_model(model, device=device, decoding=decoding)
    reader = StreamReader(recognizer, chunk=chunk, right=right, endpoints=endpoints)
    reader.warm_up()
    server = Server(build_app(reader, Path(model).resolve().name, settings), settings)
    # Until uvicorn handles it, and again when all is closed and uvicorn raises it once more.
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    console.print(
        f"listening on http://{host}:{port} (a page) and ws://{host}:{port} (Vosk's protocol)", highlight=False
    )
    with contextlib.closing(listener), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve([listener]))


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen()  # from now on clients wait, until all is loaded, rather than being turned away
    except (OSError, OverflowError) as error:
        listener.close()
        raise AsrError(
            f"{settings.host}:{settings.port} cannot be listened on ({error}); take another --host or --port"
        ) from None
    return listener
