"""Lines of tokens in, the tree of their prefixes out: what several lines begin with is processed once.

The hypotheses of an utterance differ in a few words. With three of them, and `/` for the line break that comes first:

    /abc        depth  0 1 2 3
    /abd               / a b c       nodes 0 1 2 3
    /ae                      d                   4
                         e                   5

Knows nothing of networks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asr.language.rnn.bptt import LINE_BREAK
from asr.weights import Array


class Run(NamedTuple):
    """Nodes of successive depths; each has one child, except those of the last depth."""

    parents: Array  # (B,) of the first depth: positions in the last depth of the run before
    tokens: Array  # (T, B)


class PrefixTree(NamedTuple):
    """The prefixes of lines. Nodes are numbered in the order of the runs, depth by depth."""

    runs: list[Run]
    # Of all tokens of all lines, line breaks included:
    nodes: Array  # (M,) the node that the token follows
    targets: Array  # (M,) the token
    lines: Array  # (M,) the line


def build_prefix_tree(lines: Sequence[Sequence[int]]) -> PrefixTree:
    """Build the tree of lines, at least one, each without its line break."""
    by_depth = [{(0, LINE_BREAK): 0}]  # (position of the parent, token): position
    predictions = []
    for number, line in enumerate(lines):
        position = 0
        for depth, token in enumerate([*line, LINE_BREAK]):
            predictions.append((depth, position, token, number))
            if depth == len(line):
                break
            if depth + 1 == len(by_depth):
                by_depth.append({})
            children = by_depth[depth + 1]
            position = children.setdefault((position, token), len(children))
    first_nodes = np.cumsum([0, *map(len, by_depth)])
    depths, positions, targets, numbers = np.array(predictions).T
    runs = _join_runs([np.array(list(children)).T for children in by_depth])
    return PrefixTree(runs, first_nodes[depths] + positions, targets, numbers)


def _join_runs(by_depth: Sequence[Array]) -> list[Run]:
    """Join depths, each with the parents and tokens (2, B) of its nodes, as long as every node has one child."""
    firsts = [
        depth
        for depth, (parents, _) in enumerate(by_depth)
        if depth == 0 or not np.array_equal(parents, np.arange(by_depth[depth - 1].shape[1]))
    ]
    ends = [*firsts[1:], len(by_depth)]
    return [
        Run(by_depth[first][0], np.stack([tokens for _, tokens in by_depth[first:end]]))
        for first, end in zip(firsts, ends, strict=True)
    ]
