"""Access control: checks a request's host, origin, token and size, and passes on everything else.

A browser lets any page open a websocket to this machine and send it forms. So requests that name an origin are
accepted from the server's own page only, unless other origins are allowed. A server that listens on this machine alone
answers only to its local names, since a page's own domain may be made to point here (DNS rebinding).
"""

import asyncio
import hmac
import json
from collections.abc import Collection
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asr.live.metrics import Metrics

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OPEN_PATHS = ("/health", "/", "/page/")  # need no token: the page asks for it


class AccessControl:
    """ASGI middleware that refuses requests.

    The host check is not starlette's TrustedHostMiddleware, which cannot parse IPv6 addresses and answers in plain
    text: clients of this server expect every error in OpenAI's form.

    Args:
        app: The application behind it.
        metrics: Counts refusals.
        token: Bearer token that clients must send; None if they need none.
        origins: Web pages that may use the server besides its own, such as "https://example.org"; "*" allows all.
        hosts: Names to which the server answers; None for any.
        upload_bytes: Size of the largest request body.
        idle_seconds: Longest wait for a part of it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        token: str | None,
        origins: Collection[str],
        hosts: Collection[str] | None,
        upload_bytes: int,
        idle_seconds: float,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._token = token
        self._origins = origins
        self._hosts = hosts
        self._upload_bytes = upload_bytes
        self._idle_seconds = idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif (refusal := self._refuse(scope, Headers(scope=scope))) is not None:
            status, kind, reason = refusal
            self._metrics.refusals.labels(kind).inc()
            await _answer(scope, send, status, error_body(reason, kind=_TYPES[status], code=kind))
        elif scope["type"] == "http":
            await self._app(scope, _LimitedBody(receive, self._upload_bytes, self._idle_seconds), send)
        else:
            await self._app(scope, receive, send)

    def _refuse(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        """Return status, kind and reason if a request is refused."""
        host = headers.get("host", "")
        if self._hosts is not None and _split(f"//{host}").hostname not in self._hosts:
            return 403, "host", f"this server does not answer to the name {host[:100]!r}; use 127.0.0.1 or localhost"
        origin = headers.get("origin")
        if origin is not None and not self._allows(origin, host):
            reason = f"pages from {origin[:100]} may not use this server; allow this origin when you start the server"
            return 403, "origin", reason
        if not self._shows_token(scope, headers):
            return 401, "token", "this server requires a token; send the header Authorization: Bearer TOKEN"
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._upload_bytes:
            reason = f"the body is larger than {self._upload_bytes} bytes; send a shorter or compressed file"
            return 413, "upload", reason
        return None

    def _allows(self, origin: str, host: str) -> bool:
        return _split(origin).netloc == host != "" or bool({origin, "*"} & set(self._origins))

    def _shows_token(self, scope: Scope, headers: Headers) -> bool:
        path = scope["path"]
        if self._token is None or (scope["type"] == "http" and (path in _OPEN_PATHS or path.startswith("/page/"))):
            return True
        if headers.get("access-control-request-method") is not None and scope.get("method") == "OPTIONS":
            return True  # a browser asks before it sends the token
        token = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if scope["type"] == "websocket" and not token:  # a page cannot set the headers of a websocket
            token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return hmac.compare_digest(token.encode(), self._token.encode())


def _split(url: str) -> SplitResult:
    """Split an address into its parts; they are empty if it is malformed."""
    try:
        parts = urlsplit(url)
        parts.hostname  # noqa: B018 - some errors are only found here
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


class BodyTooLarge(Exception):
    """A request body that grows beyond the limit without having declared its size."""


class BodyTimeout(Exception):
    """A request body that stopped arriving."""


class _LimitedBody:
    """Receives a request body while it stays within the limit and keeps arriving."""

    def __init__(self, receive: Receive, limit: int, patience: float) -> None:
        self._receive = receive
        self._bytes_left = limit
        self._patience: float | None = patience

    async def __call__(self) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), self._patience)
        except asyncio.TimeoutError:
            raise BodyTimeout from None
        self._bytes_left -= len(message.get("body", b""))
        if self._bytes_left < 0:
            raise BodyTooLarge
        if not message.get("more_body", False):
            self._patience = None  # only the end of the connection can follow
        return message


_TYPES = {401: "authentication_error", 403: "permission_error", 413: "invalid_request_error"}


def error_body(message: str, *, kind: str, code: str | None = None, param: str | None = None) -> bytes:
    """Write an error as OpenAI's interface does."""
    error: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": code}
    return json.dumps({"error": error}).encode()


async def _answer(scope: Scope, send: Send, status: int, body: bytes) -> None:
    prefix = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{prefix}.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body})
