"""The next beam: the best of the prefixes carried over and of those proposed.

What is pruned is decided by exact comparisons, ties by the order in which prefixes come.
"""

# mypy: disable-error-code="no-any-return"
# Elements of arrays have no type that mypy knows; numba checks them.

import math

from asr.decode.kernel.memory import NONE, Search
from asr.decode.kernel.scores import Scorer, enter_node, release_row
from asr.jit import Array, Record, jit
from asr.select import nth_largest


@jit
def form_beam(search: Search, fusion: Scorer) -> None:
    """Keep the best of the carried-over and the proposed prefixes."""
    progress, limits = search.progress[0], search.limits[0]
    beam_size = search.entries.shape[1]
    worst = worst_of_beam(search)
    cut = max(worst, progress.best * limits.beam_ratio)
    old, new = search.entries[progress.side], search.entries[1 - progress.side]
    # Places for those that equal the cut.
    free = beam_size - _count_above(search, cut) if worst > 0 else beam_size
    count = 0
    for slot in range(progress.num_entries):
        standing = old[slot].standing
        free -= standing == cut
        if standing > cut or (standing == cut and standing > 0 and free >= 0):
            _carry_entry(search, old[slot], new[count])
            search.nodes[new[count].node].slot = count
            count += 1
        else:
            search.nodes[old[slot].node].slot = NONE
    kept = count
    for index in range(progress.num_proposals):
        proposal = search.proposals[index]
        free -= proposal.standing == cut
        if proposal.standing > cut or (proposal.standing == cut and free >= 0):
            _open_entry(search, fusion, proposal, old[proposal.slot], new[count])
            search.nodes[new[count].node].slot = count
            count += 1
    if kept < progress.num_entries and len(search.free_rows) > 0:
        _release_dropped(search, old)
    progress.num_entries = count
    progress.side = 1 - progress.side


@jit
def worst_of_beam(search: Search) -> float:
    """Standing of the last prefix of the next beam, 0 where all fit."""
    progress = search.progress[0]
    beam_size = search.entries.shape[1]
    count = progress.num_entries + progress.num_proposals
    if count <= beam_size:
        return 0.0
    for slot in range(progress.num_entries):
        search.ranks[slot] = search.entries[progress.side, slot].standing
    for index in range(progress.num_proposals):
        search.ranks[progress.num_entries + index] = search.proposals[index].standing
    return nth_largest(search.ranks, count, beam_size)


@jit
def _count_above(search: Search, cut: float) -> int:
    progress = search.progress[0]
    count = 0
    for slot in range(progress.num_entries):
        count += search.entries[progress.side, slot].standing > cut
    for index in range(progress.num_proposals):
        count += search.proposals[index].standing > cut
    return count


@jit
def _carry_entry(search: Search, old: Record, new: Record) -> None:
    new.node, new.token, new.lift = old.node, old.token, old.lift
    new.blank_mass, new.label_mass = old.next_blank_mass, old.next_label_mass
    new.blank_path, new.label_path = old.next_blank_path, old.next_label_path
    new.blank_mark = old.next_blank_mark
    new.label_mark = _add_mark(search, old.enter_mark) if old.enters else old.label_mark


@jit
def _open_entry(search: Search, fusion: Scorer, proposal: Record, parent: Record, new: Record) -> None:
    """Turn a proposal into a member of the beam."""
    new.node = _find_or_add_node(search, fusion, parent.node, proposal)
    new.token = proposal.token
    new.lift = fusion.phrase_lift[search.nodes[new.node].phrase]
    path, mark, parent_mass = parent.label_path, parent.label_mark, parent.mass
    if proposal.token == parent.token:
        path, mark, parent_mass = parent.blank_path, parent.blank_mark, parent.blank_mass
    elif parent.blank_path > path:
        path, mark = parent.blank_path, parent.blank_mark
    new.blank_mass = new.blank_path = 0.0
    new.label_mass = proposal.mass
    new.label_path = path * (proposal.mass / parent_mass)
    new.label_mark = _add_mark(search, mark)
    new.blank_mark = new.label_mark


@jit
def _find_or_add_node(search: Search, fusion: Scorer, parent_id: int, proposal: Record) -> int:
    """The prefix in the tree; one that fell out of the beam and returns is the same as before."""
    parent = search.nodes[parent_id]
    node_id = parent.child
    while node_id != NONE:
        if search.nodes[node_id].token == proposal.token:
            return node_id
        node_id = search.nodes[node_id].sibling
    progress = search.progress[0]
    node_id = progress.num_nodes
    progress.num_nodes += 1
    node = search.nodes[node_id]
    node.parent, node.token = parent_id, proposal.token
    node.child, node.sibling = NONE, parent.child
    parent.child = node_id
    node.gain = math.exp(proposal.language + proposal.boost)
    node.language = parent.language + proposal.language
    node.boost = parent.boost + proposal.boost
    enter_node(search, fusion, parent_id, proposal.token, node_id)
    return node_id


@jit
def _add_mark(search: Search, previous: int) -> int:
    progress = search.progress[0]
    mark_id = progress.num_marks
    progress.num_marks += 1
    search.marks[mark_id].previous = previous
    search.marks[mark_id].frame = progress.frame
    return mark_id


@jit
def _release_dropped(search: Search, old: Array) -> None:
    # Only now: proposals of a dropped prefix still needed its cached gains.
    for slot in range(search.progress[0].num_entries):
        if search.nodes[old[slot].node].slot == NONE:
            release_row(search, old[slot].node)
