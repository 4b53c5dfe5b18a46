"""What goes through the network together."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


def make_batches(
    items: Iterable[_Item], seconds: Callable[[_Item], float], batch_seconds: float
) -> Iterator[list[_Item]]:
    """Neighbours together, as many as fit with padding to the longest of them; at least one.

    Args:
        items: Best by length: then there is little padding.
        seconds: The length of an item.
        batch_seconds: Room for speech and padding.
    """
    batch: list[_Item] = []
    longest = 0.0
    for item in items:
        longest = max(longest, seconds(item))
        if batch and (len(batch) + 1) * longest > batch_seconds:
            yield batch
            batch, longest = [], seconds(item)
        batch.append(item)
    if batch:
        yield batch
