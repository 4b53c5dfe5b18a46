"""Prefix beam search over CTC probabilities (Graves 2012, chapter 7; Hannun et al. 2014), compiled.

A frame takes five steps: every prefix in the beam is carried over (blank, or its last label
again); prefixes whose parent is in the beam too receive what the parent extends to; the
tokens worth trying are found; extensions to prefixes that are not in the beam are proposed,
skipping all that cannot reach it; and the best of both form the next beam.

The data (layout.py), after the labels "a" and "b" were heard:

    nodes, a tree of prefixes          entries, the beam        marks, each the frame of a token
                                       (old and new half)       in a prefix's best alignment
        0 ""  ── 1 "a" ── 2 "ab"
          │        ╲                   slot 0  node 2 ──────────► mark 5: frame 9 ─► mark 1: frame 4
          │         3 "aa"             slot 1  node 1 ──────────► mark 1: frame 4
          ╰───── 4 "b"

Node 2 has slot 0 and node 1 slot 1; nodes 0, 3 and 4 have fallen out of the beam, so their
slot is NONE. They stay in the tree until it is compacted (tree.py): node 0 because others grew
from it, 3 and 4 because a prefix that comes back must be the same as before. A node holds what
depends on its labels only (places in language model, lexicon and phrases), an entry what depends
on the frames (probabilities). An entry has two masses, since a label
repeats only after a blank; after two frames "a" has three alignments (`-` is the blank):

    a -    blank_mass: ends in blank; another "a" makes it "aa"
    a a    label_mass: ends in "a"; another "a" leaves it "a"
    - a    label_mass

`cut` is the mass that a proposal has to exceed to get into the next beam, as far as is known;
it rises while proposals come in. `bounds` say how much fusion can multiply a mass by at most, so
that what cannot reach the cut is skipped before any language model is asked.

A frame can be taken again: until `_form_beam`, it changes only caches and what the next attempt
computes anew. So the search may stop in it (WANTED) for gains that the interpreter has to fill in.

Nothing is allocated here, and what is pruned is decided by exact comparisons: with a full-width
beam and no limits the result is the exact sum over all alignments.
"""

# mypy: disable-error-code="no-any-return"
# Elements of arrays have no type that mypy knows; numba checks them.

import math

from asr.compiled import Array, Record, compiled
from asr.decode.fusion import NO_MODEL, Fusion, enter_node, language_gain, release_row
from asr.decode.layout import NONE, Search
from asr.decode.ranking import nth_largest, sort_falling

DONE, FULL, WANTED, DEAD, NOT_NORMALIZED = 0, 1, 2, 3, 4

# Rescale well before the largest mass nears the smallest double (2**-1022), so that prefixes
# down to e**-600 of the best keep full precision; and well before bonuses for words and
# phrases, which add up over a long recording, bring it near the largest (2**1024).
_SMALL, _LARGE = 2.0**-100, 2.0**100
_TINY = 2.0**-960
_TOLERANCE = 0.02  # on a frame's sum; 16-bit log probabilities are this far off at times


@compiled
def advance(search: Search, fusion: Fusion, probs: Array, first: int) -> tuple[int, int]:
    """Search on from frame `first` of a block.

    Args:
        search: The utterance's search.
        fusion: Language model, vocabulary and phrases.
        probs: (T, V) probabilities, blank first.
        first: The first frame of the block not searched yet.

    Returns:
        Why it stopped and at which frame: DONE after the last; FULL: the tree needs compaction
        before the frame; WANTED: the gains of `search.wanted` have to be filled in before it;
        DEAD: no prefix has any probability at the frame; NOT_NORMALIZED: the frame's
        probabilities do not sum to 1.
    """
    progress, limits = search.progress[0], search.limits[0]
    beam_size = search.entries.shape[1]
    for frame in range(first, len(probs)):
        if progress.num_nodes + beam_size > len(search.nodes) or progress.num_marks + beam_size > len(search.marks):
            return FULL, frame
        if not abs(probs[frame].sum() - 1) < _TOLERANCE:
            return NOT_NORMALIZED, frame
        blank = probs[frame, 0]
        if blank >= limits.blank_skip:
            _skip_blank(search, blank)
        else:
            status = _take_frame(search, fusion, probs[frame])
            if status != DONE:
                return status, frame
        progress.frame += 1
    return DONE, len(probs)


@compiled
def plant(search: Search, state: int, phrase: int) -> None:
    """Start with the empty prefix."""
    progress = search.progress[0]
    progress.num_nodes = 1
    progress.num_entries = 1
    node = search.nodes[0]
    node.parent = node.child = node.sibling = node.row = node.state_after = NONE
    node.token = node.slot = node.spelled = 0
    node.state, node.phrase = state, phrase
    node.gain = 1.0
    node.language = node.boost = 0.0
    node.word_gain = math.nan
    entry = search.entries[0, 0]
    entry.node = entry.token = 0
    entry.blank_mass = entry.blank_path = 1.0
    entry.label_mass = entry.label_path = 0.0
    entry.blank_mark = entry.label_mark = NONE


@compiled
def _skip_blank(search: Search, blank: float) -> None:
    """Take the frame as blank for certain: labels end there, and the beam's order stays."""
    progress = search.progress[0]
    progress.log_scale += math.log(blank)
    if progress.in_blanks:
        return
    for slot in range(progress.num_entries):
        entry = search.entries[progress.side, slot]
        entry.blank_mass += entry.label_mass
        if entry.label_path >= entry.blank_path:
            entry.blank_path = entry.label_path
            entry.blank_mark = entry.label_mark
        entry.label_mass = entry.label_path = 0.0
    progress.in_blanks = 1


@compiled
def _take_frame(search: Search, fusion: Fusion, probs: Array) -> int:
    progress, limits = search.progress[0], search.limits[0]
    largest = _carry_over(search, probs)
    _receive(search, probs)
    _set_cut(search, limits.beam_ratio)
    _choose_tokens(search, fusion, probs, largest)
    _propose(search, fusion, probs)
    if progress.num_wanted > 0:
        return WANTED
    progress.in_blanks = 0
    _form_beam(search, fusion)
    if progress.num_entries == 0:
        return DEAD
    if progress.best < _SMALL or progress.best > _LARGE:
        _rescale(search)
    return DONE


@compiled
def _carry_over(search: Search, probs: Array) -> float:
    """Extend every prefix by blank and by its own last label; the largest mass before the frame."""
    progress = search.progress[0]
    largest = 0.0
    for slot in range(progress.num_entries):
        entry = search.entries[progress.side, slot]
        entry.mass = entry.blank_mass + entry.label_mass
        largest = max(largest, entry.mass)
        entry.next_blank_mass = _flush(entry.mass * probs[0])
        entry.next_label_mass = _flush(entry.label_mass * probs[entry.token])
        if entry.label_path >= entry.blank_path:
            entry.next_blank_path = _flush(entry.label_path * probs[0])
            entry.next_blank_mark = entry.label_mark
        else:
            entry.next_blank_path = _flush(entry.blank_path * probs[0])
            entry.next_blank_mark = entry.blank_mark
        entry.next_label_path = _flush(entry.label_path * probs[entry.token])
        entry.enters = 0
        entry.first_kid = NONE
    return largest


@compiled
def _flush(value: float) -> float:
    # Labels fade by a large factor with each blank frame; left to themselves they would become
    # denormal numbers, with which everything here takes ten times as long (measured).
    return value if value > _TINY else 0.0


@compiled
def _receive(search: Search, probs: Array) -> None:
    """Add to each prefix what its parent, if it is in the beam, extends to."""
    progress = search.progress[0]
    beam = search.entries[progress.side]
    for slot in range(progress.num_entries):
        entry = beam[slot]
        node = search.nodes[entry.node]
        if node.parent == NONE or search.nodes[node.parent].slot == NONE:
            continue
        parent_slot = search.nodes[node.parent].slot
        parent = beam[parent_slot]
        entry.next_kid = parent.first_kid
        parent.first_kid = slot
        factor = probs[entry.token] * node.gain
        mass, path, mark = parent.mass, parent.label_path, parent.label_mark
        if parent.token == entry.token:  # a label repeats only after a blank
            mass, path, mark = parent.blank_mass, parent.blank_path, parent.blank_mark
        elif parent.blank_path > path:
            path, mark = parent.blank_path, parent.blank_mark
        entry.next_label_mass += mass * factor
        if path * factor > entry.next_label_path:
            entry.next_label_path = path * factor
            entry.enters = 1
            entry.enter_mark = mark


@compiled
def _set_cut(search: Search, beam_ratio: float) -> None:
    """What a proposal has to exceed: a full beam's worst member, and a fraction of the best."""
    progress = search.progress[0]
    best, worst = 0.0, math.inf
    for slot in range(progress.num_entries):
        entry = search.entries[progress.side, slot]
        mass = entry.next_blank_mass + entry.next_label_mass
        best = max(best, mass)
        worst = min(worst, mass)
    progress.best = best
    progress.cut = best * beam_ratio
    if progress.num_entries == search.entries.shape[1]:
        progress.cut = max(progress.cut, worst)


@compiled
def _choose_tokens(search: Search, fusion: Fusion, probs: Array, largest: float) -> None:
    """Tokens that can bring a prefix above the cut, by falling bound."""
    progress, limits = search.progress[0], search.limits[0]
    floor = limits.token_floor
    reach = largest * max(fusion.start_bound, fusion.word_bound)
    if limits.max_tokens < len(probs) - 1:
        for token in range(1, len(probs)):
            search.token_ranks[token - 1] = probs[token]
        floor = max(floor, nth_largest(search.token_ranks, len(probs) - 1, limits.max_tokens))
    count = 0
    for token in range(1, len(probs)):
        bound = probs[token] * fusion.bounds[token]
        if probs[token] >= floor and bound * reach > progress.cut:
            search.tokens[count] = token
            search.bounds[count] = bound
            count += 1
    sort_falling(search.bounds, search.tokens, count)
    progress.num_tokens = count


@compiled
def _propose(search: Search, fusion: Fusion, probs: Array) -> None:
    """Extensions to prefixes that are not in the beam and exceed the cut."""
    progress = search.progress[0]
    beam = search.entries[progress.side]
    plain = fusion.level == NO_MODEL and not fusion.boosted
    progress.num_proposals = progress.num_wanted = 0
    if progress.num_tokens == 0:
        return
    for slot in range(progress.num_entries):
        entry = beam[slot]
        reach = fusion.start_bound if search.nodes[entry.node].spelled == 0 else fusion.word_bound
        if entry.mass * reach * search.bounds[0] <= progress.cut:
            continue
        _stamp_kids(search, beam, entry.first_kid)
        for index in range(progress.num_tokens):
            if entry.mass * reach * search.bounds[index] <= progress.cut:
                break
            token = search.tokens[index]
            mass = (entry.blank_mass if token == entry.token else entry.mass) * probs[token]
            if mass * reach * fusion.bounds[token] <= progress.cut or search.stamps[token] == progress.stamp:
                continue
            if plain:
                _add_proposal(search, mass, 0.0, 0.0, slot, token)
            elif not _weigh(search, fusion, slot, token, mass):
                break


@compiled
def _weigh(search: Search, fusion: Fusion, slot: int, token: int, mass: float) -> bool:
    """Propose an extension under language model and boosting; False: their gains are not known yet."""
    progress = search.progress[0]
    node_id = search.entries[progress.side, slot].node
    boost = language = 0.0
    if fusion.boosted:
        boost = fusion.phrase_gains[search.nodes[node_id].phrase, token]
    if fusion.level != NO_MODEL:
        language = language_gain(search, fusion, node_id, token)
        if math.isnan(language):
            search.wanted[progress.num_wanted] = node_id
            progress.num_wanted += 1
            return False
    if language + boost != 0:
        mass *= math.exp(language + boost)
    if mass > progress.cut:
        _add_proposal(search, mass, language, boost, slot, token)
    return True


@compiled
def _stamp_kids(search: Search, beam: Array, slot: int) -> None:
    """Mark the tokens by which a prefix grows into members of the beam."""
    progress = search.progress[0]
    progress.stamp += 1
    while slot != NONE:
        search.stamps[beam[slot].token] = progress.stamp
        slot = beam[slot].next_kid


@compiled
def _add_proposal(search: Search, mass: float, language: float, boost: float, slot: int, token: int) -> None:
    progress, limits = search.progress[0], search.limits[0]
    if progress.num_proposals == len(search.proposals):
        _drop_proposals(search)
        if mass <= progress.cut:
            return
    proposal = search.proposals[progress.num_proposals]
    proposal.mass, proposal.language, proposal.boost = mass, language, boost
    proposal.slot, proposal.token = slot, token
    progress.num_proposals += 1
    if mass > progress.best:
        progress.best = mass
        progress.cut = max(progress.cut, mass * limits.beam_ratio)


@compiled
def _drop_proposals(search: Search) -> None:
    """Make room: keep only proposals that are in the next beam as things stand, and raise the cut to its worst."""
    progress = search.progress[0]
    beam_size = search.entries.shape[1]
    cut = _worst_of_beam(search)
    ties = beam_size
    for index in range(progress.num_proposals):
        ties -= search.proposals[index].mass > cut
    kept = 0
    for index in range(progress.num_proposals):
        mass = search.proposals[index].mass
        if mass == cut:
            ties -= 1
        if mass > cut or (mass == cut and ties >= 0):
            search.proposals[kept] = search.proposals[index]
            kept += 1
    progress.num_proposals = kept
    progress.cut = max(progress.cut, cut)


@compiled
def _worst_of_beam(search: Search) -> float:
    """Mass of the last prefix of the next beam, 0 where all fit."""
    progress = search.progress[0]
    beam_size = search.entries.shape[1]
    count = progress.num_entries + progress.num_proposals
    if count <= beam_size:
        return 0.0
    for slot in range(progress.num_entries):
        entry = search.entries[progress.side, slot]
        search.ranks[slot] = entry.next_blank_mass + entry.next_label_mass
    for index in range(progress.num_proposals):
        search.ranks[progress.num_entries + index] = search.proposals[index].mass
    return nth_largest(search.ranks, count, beam_size)


@compiled
def _form_beam(search: Search, fusion: Fusion) -> None:
    """Keep the best of the carried-over and the proposed prefixes."""
    progress, limits = search.progress[0], search.limits[0]
    beam_size = search.entries.shape[1]
    worst = _worst_of_beam(search)
    cut = max(worst, progress.best * limits.beam_ratio)
    old, new = search.entries[progress.side], search.entries[1 - progress.side]
    free = beam_size - _count_above(search, cut)  # places for those that equal the cut
    count = 0
    for slot in range(progress.num_entries):
        mass = old[slot].next_blank_mass + old[slot].next_label_mass
        free -= mass == cut
        if mass > cut or (mass == cut and mass > 0 and free >= 0):
            _carry_entry(search, old[slot], new[count])
            search.nodes[new[count].node].slot = count
            count += 1
        else:
            search.nodes[old[slot].node].slot = NONE
    kept = count
    for index in range(progress.num_proposals):
        proposal = search.proposals[index]
        free -= proposal.mass == cut
        if proposal.mass > cut or (proposal.mass == cut and free >= 0):
            _open_entry(search, fusion, proposal, old[proposal.slot], new[count])
            search.nodes[new[count].node].slot = count
            count += 1
    if kept < progress.num_entries:
        _release_dropped(search, old)
    progress.num_entries = count
    progress.side = 1 - progress.side


@compiled
def _count_above(search: Search, cut: float) -> int:
    progress = search.progress[0]
    count = 0
    for slot in range(progress.num_entries):
        entry = search.entries[progress.side, slot]
        count += entry.next_blank_mass + entry.next_label_mass > cut
    for index in range(progress.num_proposals):
        count += search.proposals[index].mass > cut
    return count


@compiled
def _carry_entry(search: Search, old: Record, new: Record) -> None:
    new.node, new.token = old.node, old.token
    new.blank_mass, new.label_mass = old.next_blank_mass, old.next_label_mass
    new.blank_path, new.label_path = old.next_blank_path, old.next_label_path
    new.blank_mark = old.next_blank_mark
    new.label_mark = _add_mark(search, old.enter_mark) if old.enters else old.label_mark


@compiled
def _open_entry(search: Search, fusion: Fusion, proposal: Record, parent: Record, new: Record) -> None:
    """Turn a proposal into a member of the beam."""
    new.node = _find_or_add_node(search, fusion, parent.node, proposal)
    new.token = proposal.token
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


@compiled
def _find_or_add_node(search: Search, fusion: Fusion, parent_id: int, proposal: Record) -> int:
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


@compiled
def _add_mark(search: Search, previous: int) -> int:
    progress = search.progress[0]
    mark_id = progress.num_marks
    progress.num_marks += 1
    search.marks[mark_id].previous = previous
    search.marks[mark_id].frame = progress.frame
    return mark_id


@compiled
def _release_dropped(search: Search, old: Array) -> None:
    # Only now: proposals of a dropped prefix still needed its cached gains.
    for slot in range(search.progress[0].num_entries):
        if search.nodes[old[slot].node].slot == NONE:
            release_row(search, old[slot].node)


@compiled
def _rescale(search: Search) -> None:
    """Bring masses and paths, each by a power of two of their own, near 1 again.

    Paths are only compared with one another, and fall behind the sums for ever, so that no
    common scale would serve both.
    """
    progress = search.progress[0]
    best_path = 0.0
    for slot in range(progress.num_entries):
        entry = search.entries[progress.side, slot]
        best_path = max(best_path, entry.blank_path, entry.label_path)
    exponent = -math.frexp(progress.best)[1]
    path_exponent = -math.frexp(best_path)[1]
    for slot in range(progress.num_entries):
        entry = search.entries[progress.side, slot]
        entry.blank_mass = math.ldexp(entry.blank_mass, exponent)
        entry.label_mass = math.ldexp(entry.label_mass, exponent)
        entry.blank_path = math.ldexp(entry.blank_path, path_exponent)
        entry.label_path = math.ldexp(entry.label_path, path_exponent)
    progress.log_scale -= exponent * math.log(2.0)
