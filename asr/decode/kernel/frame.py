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
depends on its labels only (places in language model, tree of words and phrases), an entry what depends
on the frames (probabilities). An entry has two masses, since a label
repeats only after a blank; after two frames "a" has three alignments (`-` is the blank):

    a -    blank_mass: ends in blank; another "a" makes it "aa"
    a a    label_mass: ends in "a"; another "a" leaves it "a"
    - a    label_mass

The credit of a phrase that has begun (hotwords.py) is in no mass. It only lifts a prefix while the
beam is chosen: `standing` is the mass times the entry's `lift`. What falls too far behind is told by
the best mass without any lift, so a phrase that has begun never pushes others over that edge.

A frame can be taken again: until `form_beam`, it changes only caches and what the next attempt
computes anew. So the search may stop in it (WANTED) for gains that the interpreter has to fill in.

Nothing is allocated here, and what is pruned is decided by exact comparisons: with a full-width
beam and no limits the result is the exact sum over all alignments.
"""

# mypy: disable-error-code="no-any-return"
# Elements of arrays have no type that mypy knows; numba checks them.

import math

from asr.decode.kernel.expand import choose_tokens, propose
from asr.decode.kernel.memory import NONE, Search
from asr.decode.kernel.next_beam import form_beam
from asr.decode.kernel.scores import Scorer
from asr.jit import Array, jit

DONE, FULL, WANTED, DEAD, NOT_NORMALIZED = 0, 1, 2, 3, 4

# Rescale well before the largest mass nears the smallest double (2**-1022), so that prefixes
# down to e**-600 of the best keep full precision; and well before bonuses for words and
# phrases, which add up over a long recording, bring it near the largest (2**1024).
_SMALL, _LARGE = 2.0**-100, 2.0**100
_TINY = 2.0**-960
_TOLERANCE = 0.02  # on a frame's sum; 16-bit log probabilities are this far off at times


@jit
def advance(search: Search, fusion: Scorer, block: Array, first: int) -> tuple[int, int]:
    """Search on from frame `first` of a block.

    Args:
        search: The utterance's search.
        fusion: Language model, vocabulary and phrases.
        block: (T, V) float64 probabilities, blank first.
        first: The first frame of the block not searched yet.

    Returns:
        Why it stopped and at which frame: DONE after the last; FULL: the tree needs compaction
        before the frame; WANTED: the gains of `search.wanted` have to be filled in before it;
        DEAD: no prefix has any probability at the frame; NOT_NORMALIZED: the frame's
        probabilities do not sum to 1.
    """
    progress, limits = search.progress[0], search.limits[0]
    beam_size = search.entries.shape[1]
    for frame in range(first, len(block)):
        if progress.num_nodes + beam_size > len(search.nodes) or progress.num_marks + beam_size > len(search.marks):
            return FULL, frame
        probs = block[frame]
        if not abs(probs.sum() - 1) < _TOLERANCE:
            return NOT_NORMALIZED, frame
        if probs[0] >= limits.blank_skip:
            _skip_blank(search, probs[0])
        else:
            status = _take_frame(search, fusion, probs)
            if status != DONE:
                return status, frame
        progress.frame += 1
    return DONE, len(block)


@jit
def plant(search: Search, state: int, phrase: int) -> None:
    """Start with the empty prefix, whatever was searched before."""
    progress = search.progress[0]
    progress.log_scale = 0.0
    progress.frame = progress.side = progress.in_blanks = 0
    progress.num_marks = progress.num_proposals = progress.num_wanted = 0
    progress.num_nodes = progress.num_entries = 1
    progress.num_rows_free = len(search.free_rows)
    for row in range(len(search.free_rows)):
        search.free_rows[row] = row
    node = search.nodes[0]
    node.parent = node.child = node.sibling = node.row = node.state_after = node.ended = NONE
    node.token = node.slot = node.spelled = 0
    node.state, node.phrase = state, phrase
    node.gain = 1.0
    node.language = node.boost = 0.0
    node.word_gain = math.nan
    entry = search.entries[0, 0]
    entry.node = entry.token = 0
    entry.lift = 1.0
    entry.blank_mass = entry.blank_path = 1.0
    entry.label_mass = entry.label_path = 0.0
    entry.blank_mark = entry.label_mark = NONE


@jit
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


@jit
def _take_frame(search: Search, fusion: Scorer, probs: Array) -> int:
    progress = search.progress[0]
    largest = _carry_over(search, probs)
    _receive(search, probs)
    choose_tokens(search, fusion, probs, largest)
    propose(search, fusion, probs)
    if progress.num_wanted > 0:
        return WANTED
    progress.in_blanks = 0
    form_beam(search, fusion)
    if progress.num_entries == 0:
        return DEAD
    if progress.best < _SMALL or progress.best > _LARGE:
        _rescale(search)
    return DONE


@jit
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


@jit
def _flush(value: float) -> float:
    # Labels fade by a large factor with each blank frame; left to themselves they would become
    # denormal numbers, with which everything here takes ten times as long (measured).
    return value if value > _TINY else 0.0


@jit
def _receive(search: Search, probs: Array) -> None:
    """Add to each prefix what its parent, if it is in the beam, extends to; find what proposals have to exceed.

    That is the standing of a full beam's worst member, and a fraction of the best mass.
    """
    progress = search.progress[0]
    beam = search.entries[progress.side]
    best, worst = 0.0, math.inf
    for slot in range(progress.num_entries):
        entry = beam[slot]
        node = search.nodes[entry.node]
        if node.parent != NONE and search.nodes[node.parent].slot != NONE:
            _receive_from(beam, search.nodes[node.parent].slot, slot, probs[entry.token] * node.gain)
        mass = entry.next_blank_mass + entry.next_label_mass
        entry.standing = mass * entry.lift
        best = max(best, mass)
        worst = min(worst, entry.standing)
    progress.best = best
    progress.cut = best * search.limits[0].beam_ratio
    if progress.num_entries == len(beam):
        progress.cut = max(progress.cut, worst)


@jit
def _receive_from(beam: Array, parent_slot: int, slot: int, factor: float) -> None:
    parent, entry = beam[parent_slot], beam[slot]
    entry.next_kid = parent.first_kid
    parent.first_kid = slot
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


@jit
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
