"""Upkeep of a search's tree of prefixes, compiled: reading hypotheses out, and making room.

Compaction forgets prefixes that no member of the beam grew from, and cuts off at the root
what all members agree on: no later frame can change it. It never changes what is found.
"""

import math

import numpy as np

from asr.decode.kernel.memory import NONE, Search
from asr.decode.kernel.scores import release_row
from asr.jit import Array, jit, jit_allocating


@jit_allocating
def trace(search: Search, slot: int) -> tuple[Array, Array]:
    """Tokens of a beam member since the root, and the frame at which its best alignment enters each."""
    length = count_tokens(search, slot)
    tokens = np.empty(length, np.int32)
    frames = np.empty(length, np.int32)
    write_path(search, slot, tokens, frames)
    return tokens, frames


@jit
def count_tokens(search: Search, slot: int) -> int:
    """Tokens of a beam member since the root."""
    node_id = search.entries[search.progress[0].side, slot].node
    length = 0
    while search.nodes[node_id].parent != NONE:
        length += 1
        node_id = search.nodes[node_id].parent
    return length


@jit
def write_path(search: Search, slot: int, tokens: Array, frames: Array) -> None:
    """Fill (L,) arrays with what `trace` tells."""
    entry = search.entries[search.progress[0].side, slot]
    node_id = entry.node
    mark_id = entry.label_mark if entry.label_path >= entry.blank_path else entry.blank_mark
    for index in range(len(tokens) - 1, -1, -1):
        tokens[index] = search.nodes[node_id].token
        frames[index] = search.marks[mark_id].frame
        node_id = search.nodes[node_id].parent
        mark_id = search.marks[mark_id].previous


@jit_allocating
def compact(search: Search) -> tuple[Array, Array]:
    """Forget what no hypothesis needs; returns the tokens that all agree on, and their frames."""
    progress = search.progress[0]
    through = _count_through(search)
    root = 0
    for node_id in range(progress.num_nodes):
        if through[node_id] == progress.num_entries:
            root = node_id  # they form one path, numbered downwards
    tokens, frames = _settled(search, root)
    _compact_nodes(search, through, root)
    _compact_marks(search, len(tokens))
    return tokens, frames


@jit_allocating
def count_open(search: Search) -> int:
    """Tokens of the best hypothesis since the root."""
    return count_tokens(search, _best(search))


@jit_allocating
def agree(search: Search, num_open: int) -> None:
    """Drop hypotheses that differ from the best before its last `num_open` tokens.

    Alternatives that are about as probable would otherwise stay open for ever, long after
    anything heard or any language model could still decide between them.
    """
    progress = search.progress[0]
    beam = search.entries[progress.side]
    ancestor = beam[_best(search)].node
    for _ in range(min(num_open, count_open(search))):
        ancestor = search.nodes[ancestor].parent
    under = np.zeros(progress.num_nodes, np.bool_)
    for node_id in range(progress.num_nodes):
        parent = search.nodes[node_id].parent
        under[node_id] = node_id == ancestor or (parent != NONE and under[parent])
    count = 0
    for slot in range(progress.num_entries):
        node_id = beam[slot].node
        if under[node_id]:
            beam[count] = beam[slot]
            search.nodes[node_id].slot = count
            count += 1
        else:
            search.nodes[node_id].slot = NONE
            release_row(search, node_id)
    progress.num_entries = count


@jit_allocating
def forget_gains(search: Search) -> None:
    """Have every gain of the language model asked for again (its states are numbered anew)."""
    progress = search.progress[0]
    search.row_gains[:] = math.nan
    for node_id in range(progress.num_nodes):
        search.nodes[node_id].word_gain = math.nan


@jit_allocating
def _best(search: Search) -> int:
    progress = search.progress[0]
    beam = search.entries[progress.side]
    best = 0
    for slot in range(progress.num_entries):
        if beam[slot].blank_mass + beam[slot].label_mass > beam[best].blank_mass + beam[best].label_mass:
            best = slot
    return best


@jit_allocating
def _count_through(search: Search) -> Array:
    """How many members of the beam grew from each prefix; parents are numbered below children."""
    progress = search.progress[0]
    through = np.zeros(progress.num_nodes, np.int32)
    for slot in range(progress.num_entries):
        through[search.entries[progress.side, slot].node] += 1
    for node_id in range(progress.num_nodes - 1, 0, -1):
        parent = search.nodes[node_id].parent
        if parent != NONE:
            through[parent] += through[node_id]
    return through


@jit_allocating
def _settled(search: Search, root: int) -> tuple[Array, Array]:
    tokens, frames = trace(search, _best(search))
    depth = 0
    while search.nodes[root].parent != NONE:
        depth += 1
        root = search.nodes[root].parent
    return tokens[:depth].copy(), frames[:depth].copy()


@jit_allocating
def _compact_nodes(search: Search, through: Array, root: int) -> None:
    progress = search.progress[0]
    renumbered = np.full(progress.num_nodes, NONE, np.int32)
    count = 0
    for node_id in range(root, progress.num_nodes):
        if through[node_id] == 0:
            continue
        renumbered[node_id] = count
        search.nodes[count] = search.nodes[node_id]
        node = search.nodes[count]
        node.child = node.sibling = NONE
        if node_id == root:
            node.parent = NONE
        else:
            node.parent = renumbered[node.parent]
            parent = search.nodes[node.parent]
            node.sibling = parent.child
            parent.child = count
        count += 1
    progress.num_nodes = count
    for slot in range(progress.num_entries):
        entry = search.entries[progress.side, slot]
        entry.node = renumbered[entry.node]


@jit_allocating
def _compact_marks(search: Search, num_settled: int) -> None:
    """Keep the marks that the beam's alignments lead back to, short of the settled tokens."""
    progress = search.progress[0]
    used = np.zeros(progress.num_marks, np.bool_)
    for slot in range(progress.num_entries):
        entry = search.entries[progress.side, slot]
        for mark_id in (entry.label_mark, entry.blank_mark):
            if mark_id != NONE:
                used[mark_id] = True
    depth = np.ones(progress.num_marks, np.int32)
    for mark_id in range(progress.num_marks):
        previous = search.marks[mark_id].previous
        if previous != NONE:
            depth[mark_id] = depth[previous] + 1
    for mark_id in range(progress.num_marks - 1, -1, -1):
        previous = search.marks[mark_id].previous
        if used[mark_id] and previous != NONE:
            used[previous] = True
    renumbered = np.full(progress.num_marks + 1, NONE, np.int32)  # its last place is for NONE
    count = 0
    for mark_id in range(progress.num_marks):
        if used[mark_id] and depth[mark_id] > num_settled:
            renumbered[mark_id] = count
            search.marks[count].previous = renumbered[search.marks[mark_id].previous]
            search.marks[count].frame = search.marks[mark_id].frame
            count += 1
    progress.num_marks = count
    for slot in range(progress.num_entries):
        entry = search.entries[progress.side, slot]
        entry.label_mark = renumbered[entry.label_mark]
        entry.blank_mark = renumbered[entry.blank_mark]
