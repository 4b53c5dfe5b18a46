"""Prefix beam search over CTC probabilities (Graves 2012, chapter 7; Hannun et al. 2014), compiled.

The data (memory.py), after the labels "a" and "b":

    nodes, a tree of prefixes          beams, the hypotheses    backpointers, each the frame of a
                                       (current and next)       token in a prefix's best alignment
        0 ""  ── 1 "a" ── 2 "ab"
          │        ╲                   0: node 2 ─────────────► 5: frame 9 ─► 1: frame 4
          │         3 "aa"             1: node 1 ─────────────► 1: frame 4
          ╰───── 4 "b"

Node 2 has beam index 0 and node 1 beam index 1; nodes 0, 3 and 4 have fallen out of the beam, so
their beam index is NONE. They stay in the tree until it is compacted (prefix_tree.py): node 0 because
others grew from it, 3 and 4 because a prefix that comes back must be the same as before. A node holds
what depends on its labels only (states of the language model, lexicon and phrases), a hypothesis what
depends on the frames (probabilities). A hypothesis has two probabilities, since a label repeats only
after a blank; after two frames "a" has three alignments (`-` is the blank):

    a -    p_blank: ends in blank; another "a" makes it "aa"
    a a    p_nonblank: ends in "a"; another "a" leaves it "a"
    - a    p_nonblank

The credit of a phrase under way (scorer/hotwords.py) is in neither probability. It only raises the
`pruning_score` by which the beam is chosen. The beam threshold is applied to unboosted probabilities,
so a phrase under way never prunes other prefixes that way.

A frame can be searched again: until `form_beam`, it changes only caches and what the next attempt
computes again. So the search may stop in it (PENDING) for gains that the interpreter has to fill in.

Nothing is allocated here, and pruning is decided by exact comparisons: with a full-width
beam and no limits the result is the exact sum over all alignments. Where prefixes are pruned, those that continue in
the same way are recombined (recombine.py).
"""

import math

from asr.decode.kernel.expand import before_label, expand, form_beam, select_tokens
from asr.decode.kernel.memory import NONE, SearchBuffers
from asr.decode.kernel.recombine import recombine
from asr.decode.kernel.scores import NO_MODEL, Scorer
from asr.jit import Array, jit

DONE, FULL, PENDING, DEAD, NOT_NORMALIZED = 0, 1, 2, 3, 4

# Rescale well before the largest probability nears the smallest double (2**-1022), so that prefixes
# down to e**-600 of the best keep full precision; and well before bonuses for words and
# phrases, which add up over a long recording, bring it near the largest (2**1024).
_SMALL, _LARGE = 2.0**-100, 2.0**100
_TINY = 2.0**-960
_TOLERANCE = 0.02  # on a frame's sum; 16-bit log probabilities are this far off at times


@jit
def search_frames(search: SearchBuffers, scorer: Scorer, block: Array, first: int) -> tuple[int, int]:
    """Search the frames of a block (T, V) of float64 probabilities, blank first, from the frame `first` on.

    Returns:
        Why it stopped and at which frame: DONE after the last; FULL: the tree needs compaction
        before the frame; PENDING: the gains of `search.pending` have to be filled in before it;
        DEAD: no prefix has any probability at the frame; NOT_NORMALIZED: the frame's
        probabilities do not sum to 1.
    """
    progress, limits = search.progress[0], search.limits[0]
    beam_size = search.beams.shape[1]
    for frame in range(first, len(block)):
        num_nodes, num_backpointers = progress.num_nodes + beam_size, progress.num_backpointers + beam_size
        num_alternatives = progress.num_alternatives + beam_size
        if max(num_nodes, num_backpointers, num_alternatives) > len(search.nodes):
            return FULL, frame
        probs = block[frame]  # (V,)
        if not abs(probs.sum() - 1) < _TOLERANCE:
            return NOT_NORMALIZED, frame
        if probs[0] >= limits.blank_skip:
            _skip_blank(search, probs[0])
        else:
            status = _search_frame(search, scorer, probs)
            if status != DONE:
                return status, frame
        progress.frame += 1
    return DONE, len(block)


@jit
def init_search(search: SearchBuffers, state: int, phrase: int) -> None:
    """Begin with the empty prefix, whatever was searched before."""
    # 1. Counters and free rows.
    progress = search.progress[0]
    progress.log_scale = 0.0
    progress.frame = progress.side = progress.in_blanks = 0
    progress.num_backpointers = progress.num_alternatives = progress.num_expansions = progress.num_pending = 0
    progress.num_nodes = progress.num_hypotheses = 1
    progress.num_free_rows = len(search.free_rows)
    for row in range(len(search.free_rows)):
        search.free_rows[row] = row
    # 2. The tree's root: the empty prefix.
    root = search.nodes[0]
    root.parent = root.first_child = root.next_sibling = root.row = root.state_after = root.word_end = NONE
    root.first_alternative = NONE
    root.token = root.beam_index = root.trie_node = root.text = 0
    root.state, root.phrase = state, phrase
    root.gain = 1.0
    root.language = root.boost = 0.0
    root.word_gain = math.nan
    # 3. Its hypothesis, which ends in blank.
    hypothesis = search.beams[0, 0]
    hypothesis.node = hypothesis.token = 0
    hypothesis.pruning_boost = 1.0
    hypothesis.p_blank = hypothesis.viterbi_blank = 1.0
    hypothesis.p_nonblank = hypothesis.viterbi_nonblank = 0.0
    hypothesis.backpointer_blank = hypothesis.backpointer_nonblank = NONE


@jit
def _skip_blank(search: SearchBuffers, p_blank: float) -> None:
    """Treat the frame as blank for certain: every hypothesis ends in blank then, and the beam's order stays."""
    progress = search.progress[0]
    progress.log_scale += math.log(p_blank)
    if progress.in_blanks:
        return
    for index in range(progress.num_hypotheses):
        hypothesis = search.beams[progress.side, index]
        hypothesis.p_blank += hypothesis.p_nonblank
        if hypothesis.viterbi_nonblank >= hypothesis.viterbi_blank:
            hypothesis.viterbi_blank = hypothesis.viterbi_nonblank
            hypothesis.backpointer_blank = hypothesis.backpointer_nonblank
        hypothesis.p_nonblank = hypothesis.viterbi_nonblank = 0.0
    progress.in_blanks = 1


@jit
def _search_frame(search: SearchBuffers, scorer: Scorer, probs: Array) -> int:
    progress = search.progress[0]
    # 1. Extend every prefix of the beam by blank or its last label again; the prefix stays the same.
    largest = _extend_by_blank_or_repeat(search, probs)
    # 2. Add what parents in the beam extend to; set the threshold that expansions must exceed.
    _merge_from_parents(search, probs)
    # 3. Select the tokens that can bring a prefix above it.
    select_tokens(search, scorer, probs, largest)
    # 4. Expand prefixes to those that are not in the beam yet.
    expand(search, scorer, probs)
    if progress.num_pending > 0:
        return PENDING
    # 5. Prune: the best of both form the next beam.
    progress.in_blanks = 0
    form_beam(search, scorer)
    if progress.num_hypotheses == 0:
        return DEAD
    # 6. Of prefixes that continue in the same way, keep the best.
    if scorer.lm_level != NO_MODEL and not scorer.lm.is_external:
        recombine(search)
    # 7. Keep probabilities within the range of doubles.
    if progress.best_p < _SMALL or progress.best_p > _LARGE:
        _rescale(search)
    return DONE


@jit
def _extend_by_blank_or_repeat(search: SearchBuffers, probs: Array) -> float:
    """Extend every prefix by blank and by its own last label; returns the largest probability before the frame."""
    progress = search.progress[0]
    largest = 0.0
    for index in range(progress.num_hypotheses):
        hypothesis = search.beams[progress.side, index]
        # 1. Sums of all alignments: blank extends all of them, the label those that end in it.
        hypothesis.p_total = hypothesis.p_blank + hypothesis.p_nonblank
        largest = max(largest, hypothesis.p_total)
        hypothesis.next_p_blank = _flush(hypothesis.p_total * probs[0])
        hypothesis.next_p_nonblank = _flush(hypothesis.p_nonblank * probs[hypothesis.token])
        # 2. The best alignment of each kind, and its backpointer.
        if hypothesis.viterbi_nonblank >= hypothesis.viterbi_blank:
            hypothesis.next_viterbi_blank = _flush(hypothesis.viterbi_nonblank * probs[0])
            hypothesis.next_backpointer_blank = hypothesis.backpointer_nonblank
        else:
            hypothesis.next_viterbi_blank = _flush(hypothesis.viterbi_blank * probs[0])
            hypothesis.next_backpointer_blank = hypothesis.backpointer_blank
        hypothesis.next_viterbi_nonblank = _flush(hypothesis.viterbi_nonblank * probs[hypothesis.token])
        # 3. Forget the frame before: `_merge_from_parent` sets both again.
        hypothesis.enters = 0
        hypothesis.first_child = NONE
    return largest


@jit
def _flush(value: float) -> float:
    # Labels fade by a large factor with each blank frame; left to themselves they would become
    # denormal numbers, which make everything here ten times slower (measured).
    return value if value > _TINY else 0.0


@jit
def _merge_from_parents(search: SearchBuffers, probs: Array) -> None:
    """Add to each prefix what its parent, if it is in the beam, extends to; set the threshold for expansions.

    That is the pruning score of a full beam's worst member, or a fraction of the best probability if that is more.
    """
    progress = search.progress[0]
    beam = search.beams[progress.side]  # (beam_size,)
    best, worst = 0.0, math.inf
    for index in range(progress.num_hypotheses):
        # 1. Merge what the parent extends to.
        hypothesis = beam[index]
        node = search.nodes[hypothesis.node]
        if node.parent != NONE and search.nodes[node.parent].beam_index != NONE:
            _merge_from_parent(beam, search.nodes[node.parent].beam_index, index, probs[hypothesis.token] * node.gain)
        # 2. The pruning score.
        p_total = hypothesis.next_p_blank + hypothesis.next_p_nonblank
        hypothesis.pruning_score = p_total * hypothesis.pruning_boost
        best = max(best, p_total)
        worst = min(worst, hypothesis.pruning_score)
    # 3. The threshold.
    progress.best_p = best
    progress.threshold = best * search.limits[0].beam_ratio
    if progress.num_hypotheses == len(beam):
        progress.threshold = max(progress.threshold, worst)


@jit
def _merge_from_parent(beam: Array, parent_index: int, index: int, factor: float) -> None:
    # 1. List it among the parent's children in the beam.
    parent, hypothesis = beam[parent_index], beam[index]
    hypothesis.next_sibling = parent.first_child
    parent.first_child = index
    # 2. Add the parent's alignments; the better of both best ones stays.
    p_parent, viterbi, backpointer = before_label(parent, hypothesis.token)
    hypothesis.next_p_nonblank += p_parent * factor
    if viterbi * factor > hypothesis.next_viterbi_nonblank:
        hypothesis.next_viterbi_nonblank = viterbi * factor
        hypothesis.enters = 1
        hypothesis.enter_backpointer = backpointer


@jit
def _rescale(search: SearchBuffers) -> None:
    """Scale sums and best alignments back to about 1, each by its own power of two.

    Best alignments are only compared with one another, and fall ever further behind the sums, so no
    common scale would serve both.
    """
    # 1. The powers of two that bring the largest sum and the best alignment close to 1.
    progress = search.progress[0]
    best_viterbi = 0.0
    for index in range(progress.num_hypotheses):
        hypothesis = search.beams[progress.side, index]
        best_viterbi = max(best_viterbi, hypothesis.viterbi_blank, hypothesis.viterbi_nonblank)
    factor, exponent = _scale_to_one(progress.best_p)
    viterbi_factor, _ = _scale_to_one(best_viterbi)
    # 2. Scale.
    for index in range(progress.num_hypotheses):
        hypothesis = search.beams[progress.side, index]
        hypothesis.p_blank *= factor
        hypothesis.p_nonblank *= factor
        hypothesis.viterbi_blank *= viterbi_factor
        hypothesis.viterbi_nonblank *= viterbi_factor
    progress.log_scale -= exponent * math.log(2.0)


@jit
def _scale_to_one(value: float) -> tuple[float, int]:
    """Return the power of two that brings a positive value to 1/2 or more and below 1, and its exponent."""
    factor, exponent = 1.0, 0
    while 0 < value * factor < 0.5:
        factor *= 2.0
        exponent += 1
    while value * factor >= 1:
        factor *= 0.5
        exponent -= 1
    return factor, exponent
