"""Token sequences in, batches of segments out, as truncated back-propagation reads them.

    text    abcdefghijkl    two streams:  a g     segments of three:  a g    d j
                                          b h                         b h    e k
                                          . .                         c i    f l

Each token's target is the one that follows; the first is read after the line break that every
text starts with. Knows nothing of networks.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

LINE_BREAK = 0  # the token that ends every line, and that every text starts after
IGNORED = -1  # target of padding


class Segment(NamedTuple):
    """What is read at once.

    Attributes:
        inputs: (T, B) tokens.
        targets: (T, B) the tokens that follow, `IGNORED` past a text's end.
        starts: Whether nothing was read before it; else it goes on where the segment before it ended.
    """

    inputs: Tensor
    targets: Tensor
    starts: bool

    @property
    def num_tokens(self) -> int:
        """Tokens that are predicted."""
        return int((self.targets != IGNORED).sum())


def arrange(
    lines: Sequence[Tensor], *, apart: bool, batch_size: int, length: int, seed: int | None = None
) -> Iterator[Segment]:
    """The segments of a text in lines; see `line_segments` where they stand apart, else `running_segments`."""
    if apart:
        return line_segments(lines, batch_size=batch_size, length=length, seed=seed)
    return running_segments(torch.cat(list(lines)), batch_size=batch_size, length=length)


def running_segments(tokens: Tensor, *, batch_size: int, length: int) -> Iterator[Segment]:
    """One long text, cut into streams that are read side by side.

    Args:
        tokens: (N,) the text.
        batch_size: B, streams; fewer where the text has fewer tokens.
        length: T of each segment; the last may be shorter.
    """
    batch_size = min(batch_size, len(tokens))
    steps = -(-len(tokens) // batch_size)
    padding = steps * batch_size - len(tokens)
    before = torch.cat([tokens.new_tensor([LINE_BREAK]), tokens[:-1], tokens.new_full((padding,), LINE_BREAK)])
    after = torch.cat([tokens, tokens.new_full((padding,), IGNORED)])
    inputs, targets = (one.view(batch_size, steps).t().contiguous() for one in (before, after))
    yield from _cut(inputs, targets, length)


def line_segments(lines: Sequence[Tensor], *, batch_size: int, length: int, seed: int | None) -> Iterator[Segment]:
    """Lines that know nothing of one another, those of about the same length side by side.

    Args:
        lines: (N,) tokens of each, its line break at the end.
        batch_size: B, lines.
        length: T of each segment; longer lines take several.
        seed: Of the order; None: by length, and lines of the same length as they came.
    """
    rng = random.Random(seed)
    ties = [0.0 if seed is None else rng.random() for _ in lines]
    order = sorted(range(len(lines)), key=lambda index: (len(lines[index]), ties[index]))
    batches = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    if seed is not None:
        rng.shuffle(batches)
    for batch in batches:
        targets = pad_sequence([lines[index] for index in batch], padding_value=IGNORED)
        inputs = torch.cat([targets.new_full((1, len(batch)), LINE_BREAK), targets[:-1]]).clamp(min=LINE_BREAK)
        yield from _cut(inputs, targets, length)


def _cut(inputs: Tensor, targets: Tensor, length: int) -> Iterator[Segment]:
    for first in range(0, len(inputs), length):
        last = first + length
        yield Segment(inputs[first:last].long(), targets[first:last].long(), starts=first == 0)
