"""A long recording on its way through several workers, as the driver sees it: which parts are read and decoded."""

from dataclasses import dataclass, field
from typing import Any

from asr.cluster.units import Item
from asr.cluster.worker import PartInfo


@dataclass
class Split:
    """The parts of one recording.

    Attributes:
        item: The recording.
        worker: The one that reads it; None until there is one.
        requested: Whether that worker has been asked for the next part.
        next_number: Of the next part to be read.
        infos: Of the parts that have been read.
        decoded: References to what was decoded of each part; None while a worker decodes it.
    """

    item: Item
    worker: Any = None
    requested: bool = False
    next_number: int = 0
    infos: dict[int, PartInfo] = field(default_factory=dict)
    decoded: dict[int, Any] = field(default_factory=dict)

    @property
    def is_read(self) -> bool:
        """Whether all parts have been read."""
        return self.next_number > 0 and self.infos[self.next_number - 1].is_last

    @property
    def is_decoded(self) -> bool:
        """Whether all parts have been read and decoded."""
        return self.is_read and all(self.decoded.get(number) is not None for number in self.infos)

    def add(self, info: PartInfo) -> bool:
        """Note a part that was read; return whether it has still to be decoded."""
        self.infos[info.number] = info
        self.next_number = info.number + 1
        self.requested = False
        return info.number not in self.decoded

    def restart(self) -> None:
        """Read it again from its beginning, since the parts lay on a machine that died; keep what was decoded."""
        self.worker, self.requested, self.next_number = None, False, 0
        self.decoded = {number: result for number, result in self.decoded.items() if result is not None}
