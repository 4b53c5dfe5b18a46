"""Who may talk to the server: host, origin, token and size of what comes in; all else it passes on.

A browser lets any page open a websocket to this machine and send it forms. So requests that name
an origin are taken from the server's own page only, unless others are allowed; and a server that
listens to this machine alone answers only to its names, since another name may be made to point here.
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


class Guard:
    """ASGI middleware that refuses what must not come in.

    Args:
        app: What is guarded.
        metrics: Counts refusals.
        token: Bearer token that clients must show; None: none.
        origins: Pages that may use the server beside its own, such as "https://example.org"; "*": all.
        hosts: Names to which the server answers; None: any.
        upload_bytes: Largest body of a request.
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
            await self._app(scope, _Body(receive, self._upload_bytes, self._idle_seconds), send)
        else:
            await self._app(scope, receive, send)

    def _refuse(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        """Status, a word and a reason, where a request must not come in."""
        host = headers.get("host", "")
        if self._hosts is not None and _split(f"//{host}").hostname not in self._hosts:
            return 403, "host", f"this server does not answer to the name {host[:100]!r}; use 127.0.0.1 or localhost"
        origin = headers.get("origin")
        if origin is not None and not self._allows(origin, host):
            return 403, "origin", f"pages of {origin[:100]} may not use this server; start it with --allow-origin"
        if not self._shows_token(scope, headers):
            return 401, "token", "this server wants a token; send the header Authorization: Bearer TOKEN"
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._upload_bytes:
            return (
                413,
                "upload",
                f"the body is larger than {self._upload_bytes} bytes; send a shorter or compressed file",
            )
        return None

    def _allows(self, origin: str, host: str) -> bool:
        return _split(origin).netloc == host != "" or bool({origin, "*"} & set(self._origins))

    def _shows_token(self, scope: Scope, headers: Headers) -> bool:
        path = scope["path"]
        if self._token is None or (scope["type"] == "http" and (path in _OPEN_PATHS or path.startswith("/page/"))):
            return True
        if headers.get("access-control-request-method") is not None and scope.get("method") == "OPTIONS":
            return True  # a browser asks before it sends the token
        shown = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if scope["type"] == "websocket" and not shown:  # a page cannot set headers there
            shown = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return hmac.compare_digest(shown.encode(), self._token.encode())


def _split(url: str) -> SplitResult:
    """The parts of an address; of one that makes no sense, none."""
    try:
        parts = urlsplit(url)
        parts.hostname  # noqa: B018 - some nonsense is only found here
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


class TooLarge(Exception):
    """A body that grows beyond the limit without having said so."""


class TooSlow(Exception):
    """A body of which nothing more comes."""


class _Body:
    """Receives a body as long as it keeps within the limit, and keeps coming."""

    def __init__(self, receive: Receive, limit: int, patience: float) -> None:
        self._receive = receive
        self._left = limit
        self._patience: float | None = patience

    async def __call__(self) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), self._patience)
        except asyncio.TimeoutError:
            raise TooSlow from None
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise TooLarge
        if not message.get("more_body", False):
            self._patience = None  # from now on only the end of the connection is waited for
        return message


_TYPES = {401: "authentication_error", 403: "permission_error", 413: "invalid_request_error"}


def error_body(message: str, *, kind: str, code: str | None = None, param: str | None = None) -> bytes:
    """An error as OpenAI's interface tells it."""
    error: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": code}
    return json.dumps({"error": error}).encode()


async def _answer(scope: Scope, send: Send, status: int, body: bytes) -> None:
    prefix = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{prefix}.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body})
