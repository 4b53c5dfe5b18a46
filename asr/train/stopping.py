"""Stopping a run between two steps, when the user or the machine asks for it."""

import signal
from types import FrameType, TracebackType
from typing import Any

import torch
from lightning.fabric import Fabric

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Remembers SIGINT and SIGTERM while it is entered; a second one acts at once.

    Args:
        fabric: To agree with the other processes of the run: all stop at the same step.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopRequest":
        try:
            self._previous = {number: signal.signal(number, self._remember) for number in SIGNALS}
        except ValueError:  # only the main thread may set handlers; elsewhere the caller keeps its own
            self._previous = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def agreed(self) -> bool:
        """Whether any process was asked to stop. Every process must call it after the same step."""
        if self._fabric.world_size == 1:
            return self._requested
        flag = torch.tensor(float(self._requested), device=self._fabric.device)
        return bool(self._fabric.all_reduce(flag, reduce_op="sum") > 0)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._requested = True
        signal.signal(number, self._previous[signal.Signals(number)])
