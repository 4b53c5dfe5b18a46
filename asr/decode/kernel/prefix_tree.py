"""Upkeep of a search's tree of prefixes, compiled: tracing hypotheses back, and making room.

Compaction drops prefixes that no member of the beam grew from, nor any alternative (recombine.py), and cuts off at the
root the tokens that all agree on: no later frame can change them. It never changes the result, unless improbable
alternatives are dropped on purpose.
"""

import math

import numpy as np

from asr.decode.kernel.expand import best_backpointer
from asr.decode.kernel.memory import NONE, SearchBuffers
from asr.decode.kernel.scores import TokenTables, release_row
from asr.jit import Array, jit


def trace_back(search: SearchBuffers, index: int) -> tuple[Array, Array]:
    """Return the tokens of a beam member since the root, and the frame where its best alignment enters each."""
    paths = np.empty((2, int(search.progress["num_nodes"][0])), np.int32)
    length = _trace_back(search, index, paths)
    return paths[0, :length], paths[1, :length]


def compact(
    search: SearchBuffers, tokens: TokenTables, *, whole_words: bool, least: float = -math.inf, oldest: int = 0
) -> tuple[Array, Array]:
    """Drop what no hypothesis needs; returns the tokens that all agree on, and their frames.

    Args:
        search: What to compact.
        tokens: How tokens spell words.
        whole_words: The tokens end where a word does. A lexicon needs that: an utterance may break off within a word
            that is not allowed, and then has to lose all of it.
        least: Alternatives whose log ratio is lower do not count; those that disagree with the others are dropped.
        oldest: Nor do those of an earlier frame.
    """
    num_nodes, num_backpointers = (int(search.progress[field][0]) for field in ("num_nodes", "num_backpointers"))
    paths, scratch = np.empty((2, num_nodes), np.int32), np.empty((4, max(num_nodes, num_backpointers) + 1), np.int32)
    length = _compact(search, tokens, paths, scratch, whole_words, float(least), oldest)
    return paths[0, :length], paths[1, :length]


def drop_divergent(search: SearchBuffers, max_open: int) -> bool:
    """Drop hypotheses that differ from the best in old tokens; False: it has at most `max_open` since the root.

    Old are those before the last half of `max_open`. Alternatives that are about equally probable would otherwise
    stay open for ever, long after any sound or language model could still decide between them.
    """
    return _drop_divergent(search, max_open, np.empty(int(search.progress["num_nodes"][0]), np.bool_))


def clear_gains(search: SearchBuffers) -> None:
    """Have every gain of the language model computed again, since its states are renumbered."""
    search.row_gains[:] = math.nan
    search.nodes["word_gain"][: int(search.progress["num_nodes"][0])] = math.nan


@jit
def _trace_back(search: SearchBuffers, index: int, paths: Array) -> int:
    """Write the path of a beam member to the beginning of `paths` (2, N); return its length."""
    length = count_tokens(search, search.beams[search.progress[0].side, index].node)
    write_path(search, index, paths[0, :length], paths[1, :length])
    return length


@jit
def count_tokens(search: SearchBuffers, node_id: int) -> int:
    """Count the tokens of a prefix since the root."""
    length = 0
    while search.nodes[node_id].parent != NONE:
        length += 1
        node_id = search.nodes[node_id].parent
    return length


@jit
def write_path(search: SearchBuffers, index: int, tokens: Array, frames: Array) -> None:
    """Fill (L,) arrays with the tokens and frames of `trace_back`."""
    # 1. The end of its best alignment.
    hypothesis = search.beams[search.progress[0].side, index]
    node_id, backpointer = hypothesis.node, best_backpointer(hypothesis)
    # 2. Follow parents and backpointers to the root.
    for position in range(len(tokens) - 1, -1, -1):
        tokens[position] = search.nodes[node_id].token
        frames[position] = search.backpointers[backpointer].frame
        node_id = search.nodes[node_id].parent
        backpointer = search.backpointers[backpointer].previous


@jit
def _compact(
    search: SearchBuffers,
    tokens: TokenTables,
    paths: Array,
    scratch: Array,
    whole_words: bool,
    least: float,
    oldest: int,
) -> int:
    """Compact; write committed tokens and their frames to `paths` (2, N), and return their number."""
    # 1. The last prefix that all hypotheses share becomes the root.
    is_needed, counts, renumbered = scratch[0], scratch[1], scratch[2]
    _mark_needed(search, is_needed, scratch[3])
    _count_hypotheses(search, is_needed, counts, least, oldest)
    root = _find_shared(search, tokens, counts, whole_words)
    # 2. The tokens before it are committed.
    _trace_back(search, _find_best(search), paths)
    length = count_tokens(search, root)
    # 3. The rest is renumbered.
    _compact_nodes(search, is_needed, renumbered, root)
    _compact_alternatives(search, renumbered)
    _compact_backpointers(search, length, scratch)
    return length


@jit
def _drop_divergent(search: SearchBuffers, max_open: int, descends: Array) -> bool:
    progress = search.progress[0]
    beam = search.beams[progress.side]  # (beam_size,)
    # 1. The best hypothesis' ancestor that the others must share.
    ancestor = beam[_find_best(search)].node
    if count_tokens(search, ancestor) <= max_open:
        return False
    for _ in range(max_open // 2):
        ancestor = search.nodes[ancestor].parent
    # 2. The prefixes that grew from it.
    for node_id in range(progress.num_nodes):
        parent = search.nodes[node_id].parent
        descends[node_id] = node_id == ancestor or (parent != NONE and descends[parent])
    # 3. Only their hypotheses stay.
    count = 0
    for index in range(progress.num_hypotheses):
        node_id = beam[index].node
        if descends[node_id]:
            beam[count] = beam[index]
            search.nodes[node_id].beam_index = count
            count += 1
        else:
            search.nodes[node_id].beam_index = NONE
            release_row(search, node_id)
    progress.num_hypotheses = count
    return True


@jit
def _find_best(search: SearchBuffers) -> int:
    progress = search.progress[0]
    beam, best = search.beams[progress.side], 0
    for index in range(1, progress.num_hypotheses):
        if beam[index].p_blank + beam[index].p_nonblank > beam[best].p_blank + beam[best].p_nonblank:
            best = index
    return best


@jit
def _mark_needed(search: SearchBuffers, is_needed: Array, stack: Array) -> None:
    """Mark the prefixes from which the beam grew, those of its alternatives, and so on."""
    progress, nodes, alternatives = search.progress[0], search.nodes, search.alternatives
    for node_id in range(progress.num_nodes):
        is_needed[node_id] = 0
    for index in range(progress.num_hypotheses):
        # 1. The member of the beam; its path waits until it is marked up to one that is marked already.
        stack[0] = search.beams[progress.side, index].node
        count = 1
        while count > 0:
            count -= 1
            node_id = stack[count]
            # 2. Alternatives to prefixes on the path wait as well; each is marked at once, so that it waits once.
            while node_id != NONE and is_needed[node_id] != 1:
                is_needed[node_id] = 1
                alternative = nodes[node_id].first_alternative
                while alternative != NONE:
                    other = alternatives[alternative].node
                    if is_needed[other] == 0:
                        is_needed[other] = 2
                        stack[count] = other
                        count += 1
                    alternative = alternatives[alternative].next
                node_id = nodes[node_id].parent


@jit
def _count_hypotheses(search: SearchBuffers, is_needed: Array, counts: Array, least: float, oldest: int) -> None:
    """Count the members of the beam and the alternatives that count from each prefix; see `compact`."""
    progress, nodes, alternatives = search.progress[0], search.nodes, search.alternatives
    # 1. Those that end there.
    for node_id in range(progress.num_nodes):
        counts[node_id] = 0
    for index in range(progress.num_hypotheses):
        counts[search.beams[progress.side, index].node] += 1
    for index in range(progress.num_alternatives):
        alternative = alternatives[index]
        if is_needed[alternative.winner] and alternative.log_ratio >= least and alternative.frame >= oldest:
            counts[alternative.node] += 1
    # 2. Those of its children, from the last to the first; parents have lower numbers than children.
    for node_id in range(progress.num_nodes - 1, 0, -1):
        if nodes[node_id].parent != NONE:
            counts[nodes[node_id].parent] += counts[node_id]


@jit
def _find_shared(search: SearchBuffers, tokens: TokenTables, counts: Array, whole_words: bool) -> int:
    """Return the last prefix from which all hypotheses grew, or the last of these at the end of a word."""
    nodes, shared = search.nodes, 0
    for node_id in range(1, search.progress[0].num_nodes):
        if counts[node_id] < counts[0]:
            continue
        # Those from which all grew form one path, numbered downwards.
        if not whole_words or nodes[node_id].trie_node == 0:
            shared = node_id
        elif tokens.starts_word[nodes[node_id].token]:
            shared = nodes[node_id].parent
    return shared


@jit
def _compact_nodes(search: SearchBuffers, is_needed: Array, renumbered: Array, root: int) -> None:
    """Move the prefixes from the root on that are needed to the front; `renumbered` is NONE for the others."""
    progress = search.progress[0]
    # 1. Move them, and link them again.
    count = 0
    for node_id in range(progress.num_nodes):
        parent_id = search.nodes[node_id].parent
        descends = node_id == root or (node_id > root and parent_id != NONE and renumbered[parent_id] != NONE)
        renumbered[node_id] = NONE
        if not descends or not is_needed[node_id]:
            continue
        renumbered[node_id] = count
        search.nodes[count] = search.nodes[node_id]
        node = search.nodes[count]
        node.first_child = node.next_sibling = node.first_alternative = NONE
        node.parent = NONE
        if node_id != root:
            node.parent = renumbered[parent_id]
            parent = search.nodes[node.parent]
            node.next_sibling = parent.first_child
            parent.first_child = count
        count += 1
    progress.num_nodes = count
    # 2. Renumber them in the beam.
    for index in range(progress.num_hypotheses):
        hypothesis = search.beams[progress.side, index]
        hypothesis.node = renumbered[hypothesis.node]


@jit
def _compact_alternatives(search: SearchBuffers, renumbered: Array) -> None:
    """Keep the alternatives of prefixes that stay, unless they are dropped themselves."""
    progress, alternatives, count = search.progress[0], search.alternatives, 0
    for index in range(progress.num_alternatives):
        winner, node_id = renumbered[alternatives[index].winner], renumbered[alternatives[index].node]
        if winner == NONE or node_id == NONE:
            continue
        alternatives[count] = alternatives[index]
        alternative = alternatives[count]
        alternative.winner, alternative.node = winner, node_id
        alternative.next = search.nodes[winner].first_alternative
        search.nodes[winner].first_alternative = count
        count += 1
    progress.num_alternatives = count


@jit
def _compact_backpointers(search: SearchBuffers, num_committed: int, scratch: Array) -> None:
    """Keep the backpointers of best alignments, except those of the committed tokens."""
    progress, backpointers = search.progress[0], search.backpointers
    is_used, depth, renumbered = scratch[0], scratch[1], scratch[2]
    # 1. Those that the beam and its alternatives refer to.
    for backpointer in range(progress.num_backpointers):
        is_used[backpointer] = 0
    for index in range(progress.num_alternatives):
        is_used[search.alternatives[index].backpointer] = 1
    for index in range(progress.num_hypotheses):
        hypothesis = search.beams[progress.side, index]
        for backpointer in (hypothesis.backpointer_nonblank, hypothesis.backpointer_blank):
            if backpointer != NONE:
                is_used[backpointer] = 1
    # 2. The number of each one's token.
    for backpointer in range(progress.num_backpointers):
        previous = backpointers[backpointer].previous
        depth[backpointer] = depth[previous] + 1 if previous != NONE else 1
    # 3. Those that used ones lead back to.
    for backpointer in range(progress.num_backpointers - 1, -1, -1):
        previous = backpointers[backpointer].previous
        if is_used[backpointer] and previous != NONE:
            is_used[previous] = 1
    # 4. Move them to the front, and renumber them in the beam and the alternatives.
    renumbered[NONE] = NONE  # the last element, which no backpointer has
    count = 0
    for backpointer in range(progress.num_backpointers):
        renumbered[backpointer] = NONE
        if is_used[backpointer] and depth[backpointer] > num_committed:
            renumbered[backpointer] = count
            backpointers[count].previous = renumbered[backpointers[backpointer].previous]
            backpointers[count].frame = backpointers[backpointer].frame
            count += 1
    progress.num_backpointers = count
    for index in range(progress.num_hypotheses):
        hypothesis = search.beams[progress.side, index]
        hypothesis.backpointer_nonblank = renumbered[hypothesis.backpointer_nonblank]
        hypothesis.backpointer_blank = renumbered[hypothesis.backpointer_blank]
    for index in range(progress.num_alternatives):
        search.alternatives[index].backpointer = renumbered[search.alternatives[index].backpointer]
