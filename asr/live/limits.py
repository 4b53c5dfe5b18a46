"""What a server bears, and how it says no."""

from dataclasses import dataclass

from asr.config import LIVE_STREAMS


@dataclass(frozen=True)
class Limits:
    """How much one server takes on.

    Attributes:
        clients: Live streams at a time.
        message_bytes: Of one websocket message.
        session_seconds: Of sound in one stream.
        idle_seconds: Without a message or a part of a file, or without taking a reply, after which a client is dropped.
        upload_bytes: Of one file.
        upload_seconds: Of sound in one file.
        uploads: Files that wait or are transcribed at a time.
    """

    clients: int = LIVE_STREAMS
    message_bytes: int = 1 << 20
    session_seconds: float = 3600.0
    idle_seconds: float = 60.0
    upload_bytes: int = 100 << 20
    upload_seconds: float = 6 * 3600.0
    uploads: int = 8


class Refusal(Exception):
    """Something that a client may not do.

    Args:
        kind: A word for the metrics.
        code: Close code of a websocket (RFC 6455, section 7.4).
        reason: For people; what was wrong and what to do.
    """

    def __init__(self, kind: str, code: int, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.code = code
        self.reason = reason
