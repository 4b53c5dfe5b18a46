"""Server limits and refusals."""

from dataclasses import dataclass

from asr.config import LIVE_STREAMS


@dataclass(frozen=True)
class Limits:
    """How much one server accepts.

    Attributes:
        clients: Live streams at a time.
        message_bytes: Size of a websocket message.
        session_seconds: Audio in one stream.
        idle_seconds: Time without a message, a part of an upload or reading a reply after which a client is
            disconnected.
        upload_bytes: Size of a file.
        upload_seconds: Audio in one file.
        uploads: Files waiting or being transcribed at a time.
        transcript_bytes: Size of a transcript that is to be formatted.
    """

    clients: int = LIVE_STREAMS
    message_bytes: int = 1 << 20
    session_seconds: float = 3600.0
    idle_seconds: float = 60.0
    upload_bytes: int = 100 << 20
    upload_seconds: float = 6 * 3600.0
    uploads: int = 8
    transcript_bytes: int = 4 << 20


class Refusal(Exception):
    """Something that a client may not do.

    Args:
        kind: A word for the metrics.
        code: Close code of a websocket (RFC 6455, section 7.4).
        reason: What was wrong and what to do.
    """

    def __init__(self, kind: str, code: int, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.code = code
        self.reason = reason
