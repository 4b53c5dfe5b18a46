"""The server: live streams on a websocket, files over HTTP, a web page to try both, and health checks.

It can speak the Wyoming protocol (wyoming/), on a port of its own.

Routes hold no logic: sessions.py serves live clients, openai_api.py transcribes files, subtitles_api.py formats
transcripts, and access.py decides who may use them.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from asr.errors import AsrError
from asr.live.access import AccessControl, RequestError
from asr.live.engine import Engine
from asr.live.metrics import CONTENT_TYPE, Metrics
from asr.live.openai_api import Transcriber
from asr.live.sessions import SessionManager
from asr.live.settings import ServerSettings
from asr.live.subtitles_api import SubtitleWriter
from asr.live.vosk import DecoderFactory
from asr.live.wyoming.announce import Announcement
from asr.recognize.options import DecodingOptions, add_oov_words, build_decoder, find_unspellable
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.recognizer import MultiStreamRecognizer
from asr.recognize.streaming.recordings import RecordingRecognizer, open_streams
from asr.recognize.streaming.stream import StreamingOptions
from asr.recognize.utterance import UtteranceDecoder
from asr.reporter import SILENT, Reporter
from asr.text.normalize import normalize
from asr.transcript.transcript import DOUBTFUL

log = logging.getLogger(__name__)
PAGE = Path(__file__).parent / "page"


class Server(uvicorn.Server):
    """A web server that lets live clients finish before it closes their connections.

    Args:
        streaming: Recognises live streams, or only whole recordings; its recogniser transcribes files.
        name: The model's name for clients.
        settings: Where it listens, to whom, and how much it accepts.
        wyoming: A socket that listens for Wyoming clients; None if there are none.
    """

    def __init__(
        self,
        streaming: MultiStreamRecognizer | RecordingRecognizer,
        name: str,
        settings: ServerSettings,
        wyoming: socket.socket | None = None,
    ) -> None:
        metrics, limits = Metrics(), settings.limits
        self._engine = Engine(streaming, on_batch=metrics.count_batch)
        make_decoder = decoder_factory(streaming.recognizer)
        self._sessions = SessionManager(self._engine, make_decoder, limits, metrics)
        self._wyoming_listener = wyoming
        if wyoming is not None:
            from asr.live.wyoming.server import WyomingServer, describe_model  # of an extra

            languages = [choose_language(streaming.recognizer, settings)]
            info, is_incremental = describe_model(name, languages), streaming.recognizer.decoder.writer is None
            self._wyoming = WyomingServer(
                self._engine, make_decoder, info, limits, metrics, is_incremental=is_incremental
            )
            self._announcement = Announcement(name, *wyoming.getsockname()[:2])
        self._is_announced = wyoming is not None and settings.announce
        names = settings.model_names
        self._transcriber = Transcriber(streaming.recognizer, name, limits, metrics, settings.channel, names)
        app = _Cors(_build_app(self._sessions, self._transcriber, settings, metrics), settings.origins)
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,
                ws="websockets-sansio",  # does not read from a client before its last message is answered
                ws_max_size=limits.message_bytes,
                ws_per_message_deflate=False,  # compression gains little on audio
                timeout_graceful_shutdown=10,
                server_header=False,
            )
        )

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `should_exit` is set."""
        with self._engine:
            if self._wyoming_listener is not None:
                await self._wyoming.start(self._wyoming_listener)
            if self._is_announced:
                await self._announcement.start()
            await super().serve(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish current utterances and short files, then close."""
        wyoming = [] if self._wyoming_listener is None else [self._announcement.close(), self._wyoming.close()]
        await asyncio.gather(self._sessions.close(), self._transcriber.close(), *wyoming)
        await super().shutdown(sockets)


class _Cors(CORSMiddleware):
    """Lets pages of allowed origins read every response, so it wraps all other middleware.

    Requests from other origins pass unchanged, and are refused within.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(app, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        serve = super().__call__ if origin is not None and self.is_allowed_origin(origin) else self.app
        await serve(scope, receive, send)


def _build_app(
    sessions: SessionManager, transcriber: Transcriber, settings: ServerSettings, metrics: Metrics
) -> Starlette:
    async def answer_error(request: Request, error: Exception) -> Response:
        """Answer in OpenAI's form, without a stack trace."""
        if isinstance(error, ClientDisconnect):
            return Response(status_code=400)  # nobody is there to read it
        if isinstance(error, HTTPException):
            error = RequestError(str(error.detail), error.status_code)
        elif not isinstance(error, RequestError):
            metrics.errors.inc()
            error = RequestError("internal server error; see the server's log", 500)
        return error.respond(metrics)

    def describe_model(request: Request) -> Response:
        transcriber.check_model(request.path_params["model"])
        return JSONResponse(transcriber.model)

    name = transcriber.model["id"]
    subtitle_writer = SubtitleWriter(settings.limits.uploads)
    return Starlette(
        routes=[
            Route("/health", lambda request: JSONResponse({"status": "ok", "model": name})),
            Route("/metrics", lambda request: Response(metrics.expose(), media_type=CONTENT_TYPE)),
            Route("/v1/models", lambda request: JSONResponse({"object": "list", "data": [transcriber.model]})),
            Route("/v1/models/{model:path}", describe_model),
            Route("/v1/audio/transcriptions", transcriber.respond, methods=["POST"]),
            Route("/", lambda request: FileResponse(PAGE / "index.html")),
            Route("/page/settings.json", lambda request: JSONResponse({"model": name, "doubtful": DOUBTFUL})),
            Route("/subtitles/{style}", subtitle_writer.respond, methods=["POST"]),
            WebSocketRoute("/{path:path}", sessions.serve),  # Vosk's server listens on any path
            Mount("/page", StaticFiles(directory=PAGE)),
        ],
        middleware=[Middleware(AccessControl, settings, metrics)],
        exception_handlers=dict.fromkeys((RequestError, ClientDisconnect, HTTPException, Exception), answer_error),
    )


def choose_language(recognizer: Recognizer, settings: ServerSettings) -> str:
    """Return the code of the language that is recognised, which Wyoming clients need.

    Raises:
        AsrError: If neither the settings nor the model's name one.
    """
    normalizer = recognizer.settings.normalizer
    language = settings.language or normalizer.language or normalizer.spell_out_numbers
    if language is None:
        raise AsrError(
            "the model does not say its language, which Home Assistant must know; set `language`, such as en"
        )
    return language


def decoder_factory(recognizer: Recognizer) -> DecoderFactory:
    """Return a function that makes decoders for phrases: for these words alone, or with a preference for them."""
    shared = recognizer.decoder

    def make(phrases: Sequence[str], open_vocabulary: bool) -> UtteranceDecoder:
        phrases = [normalize(phrase, recognizer.settings.normalizer) for phrase in phrases]
        words = sorted({word for phrase in phrases for word in phrase.split()})
        tokenizer = add_oov_words(recognizer.tokenizer, words)
        settings = recognizer.settings.decoder
        if unspellable := [word for word in words if find_unspellable(word, tokenizer)]:
            log.warning("phrase list: passed over, because the model cannot spell them: %s", " ".join(unspellable))
        if open_vocabulary:
            # A phrase without one of its words would be another phrase.
            phrases = [phrase for phrase in dict.fromkeys(phrases) if set(phrase.split()).isdisjoint(unspellable)]
            model = shared.beam.language_model if shared.beam else None
            beam = build_decoder(tokenizer, settings, language_model=model, hotwords=phrases)
        else:
            beam = build_decoder(tokenizer, settings, vocabulary=words)
        return UtteranceDecoder(tokenizer, shared.timing, beam=beam, confidence=shared.confidence, writer=shared.writer)

    return make


def run(
    model: str,
    settings: ServerSettings,
    streaming: StreamingOptions,
    *,
    device: str = "auto",
    precision: str = "auto",
    decoding: DecodingOptions,
    reporter: Reporter = SILENT,
) -> None:
    """Run a server until SIGINT or SIGTERM, as `asr serve` does.

    Args:
        model: Name or folder.
        settings: Who may use the server, and how much.
        streaming: Latency and endpoints of live streams.
        device: Where the network runs.
        precision: What it computes with; see `Recognizer`.
        decoding: How text is decoded.
        reporter: Shows the address once the server is ready.

    Raises:
        AsrError: If there is no such model, or the address is not available.
    """
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns about each broken form, byte by byte
    if settings.wyoming is not None:
        import asr.live.wyoming.server  # noqa: F401  at once, since its package may be missing

        if settings.token is not None:
            reporter.line("Wyoming clients need no token: their protocol has none", "warning")
    listener = listen(settings.host, settings.port)
    wyoming = None if settings.wyoming is None else listen(*settings.wyoming)
    recognizer = load_model(model, device=device, precision=precision, decoding=decoding)
    streams = open_streams(recognizer, streaming)
    streams.warm_up()
    server = Server(streams, Path(model).resolve().name, settings, wyoming)
    # Before uvicorn handles the signal, and after it has closed everything and raises the signal again.
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
    address = _name_address(listener)
    if streams.is_live:
        reporter.line(f"listening on http://{address} (web page) and ws://{address} (Vosk protocol)")
    else:
        reporter.line("this model needs whole recordings: live streams are refused, files are welcome", "warning")
        reporter.line(f"listening on http://{address} (web page)")
    if wyoming is not None:
        reporter.line(f"listening on tcp://{_name_address(wyoming)} (Wyoming protocol)")
    with contextlib.closing(listener), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve([listener]))


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens; clients may connect before they are served.

    Raises:
        AsrError: If the address is not available.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    if os.name == "posix":  # on Windows it would let two servers listen on one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # clients that connect while the model loads wait, and are not turned away
    except (OSError, OverflowError) as error:
        listener.close()
        raise AsrError(f"{host}:{port}: cannot be listened on ({error}); choose another host or port") from None
    return listener


def _name_address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
