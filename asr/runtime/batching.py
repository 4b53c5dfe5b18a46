"""Which items go through the network together."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


def make_batches(
    items: Iterable[_Item], seconds: Callable[[_Item], float], batch_seconds: float
) -> Iterator[list[_Item]]:
    """Group neighbours into batches, each as large as fits with padding to its longest item; at least one item.

    Args:
        items: Best sorted by length, which keeps padding short.
        seconds: Returns the length of an item.
        batch_seconds: Most speech in a batch, padding included.
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
