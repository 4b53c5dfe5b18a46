"""Token sequences in, batches of segments out, for truncated back-propagation through time.

    text    abcdefghijkl    two streams:  a g     segments of three:  a g    d j
                                          b h                         b h    e k
                                          . .                         c i    f l

Each token's target is the one that follows. A line break, which every text starts with, comes before the first.
Knows nothing of networks.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from asr.weights import Array

LINE_BREAK = 0  # the token that ends every line and begins every text
IGNORED = -1  # the target of padding


class Segment(NamedTuple):
    """What the network processes at once."""

    inputs: Array  # (T, B) int64 tokens
    targets: Array  # (T, B) int64 the tokens that follow, `IGNORED` past a text's end
    starts: bool  # whether it begins a text; otherwise it continues the segment before it

    @property
    def num_tokens(self) -> int:
        """The number of tokens that are predicted."""
        return int((self.targets != IGNORED).sum())


def make_segments(
    lines: Sequence[Array], *, independent: bool, batch_size: int, length: int, seed: int | None = None
) -> Iterator[Segment]:
    """Return the `sentence_segments` of independent lines, else the `continuous_segments` of their text."""
    if independent:
        return sentence_segments(lines, batch_size=batch_size, length=length, seed=seed)
    return continuous_segments(np.concatenate(lines), batch_size=batch_size, length=length)


def continuous_segments(tokens: Array, *, batch_size: int, length: int) -> Iterator[Segment]:
    """Yield segments of `length` steps of a text (N,), cut into `batch_size` streams, or fewer if N is smaller."""
    batch_size = min(batch_size, len(tokens))
    steps = -(-len(tokens) // batch_size)
    padding = steps * batch_size - len(tokens)
    before = np.concatenate([[LINE_BREAK], tokens[:-1], np.full(padding, LINE_BREAK)])
    after = np.concatenate([tokens, np.full(padding, IGNORED)])
    inputs, targets = (stream.reshape(batch_size, steps).T for stream in (before, after))  # (steps, B)
    yield from _cut(inputs, targets, length)


def sentence_segments(lines: Sequence[Array], *, batch_size: int, length: int, seed: int | None) -> Iterator[Segment]:
    """Yield segments of independent lines of tokens; a batch has lines of similar length, and long ones take several.

    The order is random; if `seed` is None, lines come by length, and those of equal length in their order.
    """
    rng = random.Random(seed)
    ties = [0.0 if seed is None else rng.random() for _ in lines]
    order = sorted(range(len(lines)), key=lambda index: (len(lines[index]), ties[index]))
    batches = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    if seed is not None:
        rng.shuffle(batches)
    for batch in batches:
        targets = np.full((max(len(lines[index]) for index in batch), len(batch)), IGNORED)
        for column, index in enumerate(batch):
            targets[: len(lines[index]), column] = lines[index]
        first_inputs = np.full((1, len(batch)), LINE_BREAK)
        inputs = np.concatenate([first_inputs, np.maximum(targets[:-1], LINE_BREAK)])
        yield from _cut(inputs, targets, length)


def _cut(inputs: Array, targets: Array, length: int) -> Iterator[Segment]:
    for first in range(0, len(inputs), length):
        last = first + length
        own_inputs, own_targets = (np.ascontiguousarray(part[first:last], np.int64) for part in (inputs, targets))
        yield Segment(own_inputs, own_targets, starts=first == 0)
