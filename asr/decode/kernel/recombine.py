"""Recombination: of prefixes that continue in the same way, only the best stays in the beam.

Prefixes in the same states (of the language model, the lexicon and the phrases) and with the same last token have the
same expansions and gains from then on, whatever the words before. As in the search of a graph (Ney & Ortmanns 2000),
the worse one becomes an alternative of the better one, and makes room for others. Whatever grows from the winner later
would have grown from the alternative as well, with a probability that is lower by the same factor; so the n best
hypotheses follow from the winners' and their alternatives, best first (Soong & Huang 1991).

    "the cat sat on th"    ─┐ winner          the same trigrams follow "sat on", so both
    "a cat sat on th"      ─┘ alternative     go on in the same way

Prefixes are compared once their parents have left the beam: until then these still add alignments to them. From then on
probabilities change by the same factors, except that those of a last blank and of a last label may still be divided
in another way for a few frames. While nothing is pruned, nothing is recombined, and sums stay exact.
"""

import math

from asr.decode.kernel.expand import best_backpointer, find_child
from asr.decode.kernel.memory import NONE, SearchBuffers
from asr.decode.kernel.scores import release_row
from asr.jit import Array, Record, jit


@jit
def recombine(search: SearchBuffers) -> None:
    """Replace the prefixes in the beam that continue in the same way by the best of them."""
    progress, classes = search.progress[0], search.classes
    beam = search.beams[progress.side]  # (beam_size,)
    # 1. An empty hash table, at most half of which is used.
    size = 2
    while size < 2 * progress.num_hypotheses:
        size *= 2
    for bucket in range(size):
        classes[bucket] = NONE
    # 2. Compare each prefix without a parent with the best one of its class so far.
    num_before = progress.num_hypotheses
    num_left = num_before
    for index in range(num_before):
        node_id = beam[index].node
        if search.nodes[node_id].beam_index == NONE or _has_parent(search, node_id):
            continue
        bucket = _find_bucket(search, beam, index, size - 1)
        other = classes[bucket]
        if other == NONE:
            classes[bucket] = index
        elif _probability(beam[index]) > _probability(beam[other]):
            classes[bucket] = index
            num_left -= _replace(search, beam, index, other)
        else:
            num_left -= _replace(search, beam, other, index)
    # 3. Close the gaps.
    if num_left < num_before:
        _close_gaps(search, beam)


@jit
def _has_parent(search: SearchBuffers, node_id: int) -> bool:
    """Return whether a prefix's parent is in the beam."""
    parent = search.nodes[node_id].parent
    return parent != NONE and search.nodes[parent].beam_index != NONE


@jit
def _find_bucket(search: SearchBuffers, beam: Array, index: int, mask: int) -> int:
    """Return the bucket of the prefixes that continue as this one does, or an empty one."""
    node = search.nodes[beam[index].node]
    bucket = (node.state * 40_503 + node.trie_node * 10_007 + node.phrase * 5_003 + node.token * 211) & mask
    while search.classes[bucket] != NONE:
        other = search.nodes[beam[search.classes[bucket]].node]
        is_same_word = other.state == node.state and other.trie_node == node.trie_node
        if is_same_word and other.phrase == node.phrase and other.token == node.token:
            return bucket
        bucket = (bucket + 1) & mask
    return bucket


@jit
def _replace(search: SearchBuffers, beam: Array, winner: int, loser: int) -> int:
    """Make a prefix an alternative of another one, with all that grew from both; returns how many leave the beam."""
    nodes, twins = search.nodes, search.twins
    twins[0, 0], twins[0, 1] = beam[winner].node, beam[loser].node
    count, num_dropped = 1, 0
    while count > 0:
        # 1. The worse one leaves the beam.
        count -= 1
        kept, dropped = twins[count, 0], twins[count, 1]
        _add_alternative(search, beam[nodes[kept].beam_index], beam[nodes[dropped].beam_index])
        nodes[dropped].beam_index = NONE
        release_row(search, dropped)
        num_dropped += 1
        # 2. So do its children, unless those of the other one are worse: these are compared by themselves.
        child = nodes[dropped].first_child
        while child != NONE:
            if nodes[child].beam_index != NONE:
                twin = find_child(search, kept, nodes[child].token)
                if twin != NONE and _is_better(search, beam, twin, child):
                    twins[count, 0], twins[count, 1] = twin, child
                    count += 1
            child = nodes[child].next_sibling
    return num_dropped


@jit
def _is_better(search: SearchBuffers, beam: Array, node_id: int, other_id: int) -> bool:
    """Return whether a prefix is in the beam and at least as probable as another one there."""
    index, other = search.nodes[node_id].beam_index, search.nodes[other_id].beam_index
    return index != NONE and _probability(beam[index]) >= _probability(beam[other])


@jit
def _probability(hypothesis: Record) -> float:
    return hypothesis.p_blank + hypothesis.p_nonblank


@jit
def _add_alternative(search: SearchBuffers, winner: Record, loser: Record) -> None:
    """Remember a prefix that a better one replaces, unless it is too far behind or has the same words."""
    progress, nodes, alternatives = search.progress[0], search.nodes, search.alternatives
    ratio = _probability(loser) / _probability(winner)
    if ratio < search.limits[0].beam_ratio or nodes[loser.node].text == nodes[winner.node].text:
        return
    # 1. One with the same words may be at least as good.
    log_ratio = math.log(ratio)
    alternative = nodes[winner.node].first_alternative
    while alternative != NONE:
        is_same = nodes[alternatives[alternative].node].text == nodes[loser.node].text
        if is_same and alternatives[alternative].log_ratio >= log_ratio:
            return
        alternative = alternatives[alternative].next
    # 2. Add it as the first of them.
    added = alternatives[progress.num_alternatives]
    added.winner, added.node, added.backpointer = winner.node, loser.node, best_backpointer(loser)
    added.next, added.frame, added.log_ratio = nodes[winner.node].first_alternative, progress.frame, log_ratio
    nodes[winner.node].first_alternative = progress.num_alternatives
    progress.num_alternatives += 1


@jit
def _close_gaps(search: SearchBuffers, beam: Array) -> None:
    progress, count = search.progress[0], 0
    for index in range(progress.num_hypotheses):
        node_id = beam[index].node
        if search.nodes[node_id].beam_index != NONE:
            beam[count] = beam[index]
            search.nodes[node_id].beam_index = count
            count += 1
    progress.num_hypotheses = count
