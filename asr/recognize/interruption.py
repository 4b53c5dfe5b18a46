"""Stopping a job at once, and for sure, when the user or the machine asks for it."""

import signal
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, SIGINT and SIGTERM raise KeyboardInterrupt.

    Outputs are written whole or not at all, so that a job may stop anywhere. Anywhere but where libsndfile calls
    back to read from a Python file: an exception there would be printed and forgotten. It is then raised by `watch`.
    """

    def __init__(self) -> None:
        self._received = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        try:
            self._previous = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        except ValueError:  # only the main thread may set handlers; elsewhere the caller keeps its own
            self._previous = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def watch(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Hand items on, but raise KeyboardInterrupt once a signal came."""
        for item in items:
            if self._received:
                raise KeyboardInterrupt
            yield item

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = True
        while frame is not None:
            if frame.f_globals.get("__name__") == "soundfile":
                return
            frame = frame.f_back
        raise KeyboardInterrupt
