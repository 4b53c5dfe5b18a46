"""Settings of a server: where it listens, to whom, and how much it accepts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asr.config import HOST, LIVE_STREAMS, PORT

if TYPE_CHECKING:
    from asr.signal.channels import ChannelChoice

_FALSE = {"", "0", "false", "no", "none", "null", "off"}  # of a client's values that are texts


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
        uploads: Files, or transcripts, waiting or being processed at a time.
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


@dataclass(frozen=True)
class ServerSettings:
    """Where a server listens, and to whom.

    Attributes:
        host, port: Address; 127.0.0.1 can be reached from this machine only.
        token: Bearer token that clients must send; None if they need none.
        origins: Web pages that may use the server besides its own, such as "https://example.org"; "*" allows all.
        limits: How much it accepts.
        channel: The channel of files that is transcribed: their mean, one, or each by itself.
        model_names: What clients may call the model besides its name, such as "large-v3"; "*" stands for anything.
        wyoming: Host and port at which it also speaks the Wyoming protocol; None if it does not.
        announce: Whether the Wyoming server is announced in the local network, if the package zeroconf is installed.
        language: Code of the language that Wyoming clients are told; None: that of the model's settings.
    """

    host: str = HOST
    port: int = PORT
    token: str | None = None
    origins: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    channel: "ChannelChoice" = "mix"
    model_names: Sequence[str] = ()
    wyoming: tuple[str, int] | None = None
    announce: bool = True
    language: str | None = None


def is_true(value: object) -> bool:
    """Return whether a value of a client means yes; "false" and its like do not."""
    return str(value).strip().lower() not in _FALSE if isinstance(value, str) else bool(value)
