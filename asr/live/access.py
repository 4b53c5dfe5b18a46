"""Access control: checks a request's host, origin, token and size, and passes on everything else.

A browser lets any page open a websocket to this machine and send it forms. So requests that name an origin are
accepted from the server's own page only, unless other origins are allowed. A server that listens on this machine alone
answers only to its local names, since a page's own domain may be made to point here (DNS rebinding).
"""

import asyncio
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asr.live.metrics import Metrics
from asr.live.settings import ServerSettings

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_OPEN_PATHS = ("/health", "/", "/page/")  # need no token: the page asks for it
_TYPES = {401: "authentication_error", 403: "permission_error"}


@dataclass(eq=False)
class RequestError(Exception):
    """A request that cannot be answered.

    Attributes:
        message: What was wrong and what to do.
        status: HTTP status of the response.
        param: Name of the field that is wrong.
        code: A word for programs.
        refusal: A word for the metrics; None if they do not count it.
    """

    message: str
    status: int = 400
    param: str | None = None
    code: str | None = None
    refusal: str | None = None

    def respond(self, metrics: Metrics) -> Response:
        """Count the refusal and return the error in the form of OpenAI's interface."""
        if self.refusal is not None:
            metrics.refusals.labels(self.refusal).inc()
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        error: dict[str, Any] = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        headers = {"retry-after": "1"} if self.status == 503 else None
        return Response(json.dumps({"error": error}), self.status, headers, "application/json")


class AccessControl:
    """ASGI middleware that refuses requests.

    The host check is not starlette's TrustedHostMiddleware, which cannot parse IPv6 addresses and answers in plain
    text: clients of this server expect every error in OpenAI's form.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] in ("http", "websocket"):
            limits = self._settings.limits
            size = limits.transcript_bytes if scope["path"].startswith("/subtitles/") else limits.upload_bytes
            try:
                self._check(scope, Headers(scope=scope), size)
            except RequestError as error:
                app = error.respond(self._metrics)
            if scope["type"] == "http":
                receive = _limit_body(receive, size, limits.idle_seconds)
        await app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers, size: int) -> None:
        """Raise RequestError if a request is refused."""
        settings, host = self._settings, headers.get("host", "")
        if settings.host in _LOOPBACK and _split(f"//{host}").hostname not in _LOOPBACK:
            reason = f"this server does not answer to the name {host[:100]!r}; use 127.0.0.1 or localhost"
            raise _refuse(reason, 403, "host")
        origin = headers.get("origin")
        if origin is not None and not (
            _split(origin).netloc == host != "" or {origin, "*"}.intersection(settings.origins)
        ):
            reason = f"pages from {origin[:100]} may not use this server; allow this origin when you start the server"
            raise _refuse(reason, 403, "origin")
        if settings.token is not None and not _shows_token(settings.token, scope, headers):
            raise _refuse("this server requires a token; send the header Authorization: Bearer TOKEN", 401, "token")
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > size:
            raise _too_large(size)


def _shows_token(expected: str, scope: Scope, headers: Headers) -> bool:
    path = scope["path"]
    if scope["type"] == "http" and (path in _OPEN_PATHS or path.startswith("/page/")):
        return True
    if headers.get("access-control-request-method") is not None and scope.get("method") == "OPTIONS":
        return True  # a browser asks before it sends the token
    token = headers.get("authorization", "").removeprefix("Bearer ").strip()
    if scope["type"] == "websocket" and not token:  # a page cannot set the headers of a websocket
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
    return hmac.compare_digest(token.encode(), expected.encode())


def _split(url: str) -> SplitResult:
    """Split an address into its parts; they are empty if it is malformed."""
    try:
        parts = urlsplit(url)
        parts.hostname  # noqa: B018 - some errors are only found here
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def _limit_body(receive: Receive, size: int, seconds: float) -> Receive:
    """Receive a request body while it stays within the limit and keeps arriving."""
    bytes_left = size
    patience: float | None = seconds

    async def receive_part() -> Message:
        nonlocal bytes_left, patience
        try:
            message = await asyncio.wait_for(receive(), patience)
        except asyncio.TimeoutError:
            raise _refuse(f"no more of the body arrived within {seconds:g} s; send it again", 408, "idle") from None
        bytes_left -= len(message.get("body", b""))
        if bytes_left < 0:
            raise _too_large(size)
        if not message.get("more_body", False):
            patience = None  # only the end of the connection can follow
        return message

    return receive_part


def _too_large(size: int) -> RequestError:
    return _refuse(f"the body is larger than {size} bytes; send it in parts, or a compressed file", 413, "upload")


def _refuse(reason: str, status: int, kind: str) -> RequestError:
    return RequestError(reason, status, code=kind, refusal=kind)
