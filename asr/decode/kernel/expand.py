"""Expansion and pruning: prefixes that are not in the beam yet, and the next beam from these and the present ones.

`threshold` is the pruning score that an expansion has to exceed to get into the next beam, as far as
is known; it rises while expansions come in. The scorer's bounds say by how much it can multiply a
probability at most, so that tokens out of reach are skipped before any language model is asked.
Pruning is decided by exact comparisons, ties by the order in which prefixes come.
"""

import math

from asr.decode.kernel.memory import NONE, SearchBuffers
from asr.decode.kernel.scores import NO_MODEL, Scorer, init_node, language_gain, release_row
from asr.jit import Array, Record, jit
from asr.select import nth_largest, sort_descending


@jit
def select_tokens(search: SearchBuffers, scorer: Scorer, probs: Array, largest: float) -> None:
    """Select the tokens that can bring a prefix above the threshold, by falling bound."""
    progress, limits = search.progress[0], search.limits[0]
    floor = limits.token_floor
    reach = largest * max(scorer.bounds.word_start, scorer.bounds.in_word)
    # 1. The floor, or the probability of the last of the `max_tokens` most probable tokens.
    if limits.max_tokens < len(probs) - 1:
        for token in range(1, len(probs)):
            search.token_scratch[token - 1] = probs[token]
        floor = max(floor, nth_largest(search.token_scratch, len(probs) - 1, limits.max_tokens))
    # 2. Tokens above it that are within reach, by falling bound.
    count = 0
    for token in range(1, len(probs)):
        bound = probs[token] * scorer.bounds.tokens[token]
        if probs[token] >= floor and bound * reach > progress.threshold:
            search.tokens[count] = token
            search.token_bounds[count] = bound
            count += 1
    sort_descending(search.token_bounds, search.tokens, count)
    progress.num_tokens = count


@jit
def expand(search: SearchBuffers, scorer: Scorer, probs: Array) -> None:
    """Collect expansions to prefixes that are not in the beam and exceed the threshold."""
    progress, bounds = search.progress[0], scorer.bounds
    beam = search.beams[progress.side]  # (beam_size,)
    is_plain = scorer.lm_level == NO_MODEL and not scorer.phrases.is_boosted
    progress.num_expansions = progress.num_pending = 0
    if progress.num_tokens == 0:
        return
    furthest = max(bounds.word_start, bounds.in_word) * search.token_bounds[0]
    for index in range(progress.num_hypotheses):
        # 1. Skip prefixes that even the best token cannot bring above the threshold.
        hypothesis = beam[index]
        if hypothesis.p_total * furthest <= progress.threshold:
            continue
        reach = bounds.word_start if search.nodes[hypothesis.node].trie_node == 0 else bounds.in_word
        if hypothesis.p_total * reach * search.token_bounds[0] <= progress.threshold:
            continue
        # 2. Mark the tokens that lead to prefixes in the beam: those are merged already.
        _stamp_children(search, beam, hypothesis.first_child)
        # 3. Try the other tokens, the most promising first.
        for rank in range(progress.num_tokens):
            if hypothesis.p_total * reach * search.token_bounds[rank] <= progress.threshold:
                break
            token = search.tokens[rank]
            p_nonblank = (hypothesis.p_blank if token == hypothesis.token else hypothesis.p_total) * probs[token]
            is_out_of_reach = p_nonblank * reach * bounds.tokens[token] <= progress.threshold
            if is_out_of_reach or search.stamps[token] == progress.stamp:
                continue
            if is_plain:
                _add_expansion(search, p_nonblank, p_nonblank, 0.0, 0.0, index, token)
            elif not _score_expansion(search, scorer, index, token, p_nonblank):
                break


@jit
def _score_expansion(search: SearchBuffers, scorer: Scorer, parent: int, token: int, p_nonblank: float) -> bool:
    """Add an expansion with its language and boost gains; False: these are not known yet."""
    # 1. The gain of boosted phrases.
    progress, phrases = search.progress[0], scorer.phrases
    node_id = search.beams[progress.side, parent].node
    boost = language = 0.0
    pruning_boost = 1.0
    if phrases.is_boosted:
        phrase = search.nodes[node_id].phrase
        boost = phrases.gains[phrase, token]
        pruning_boost = phrases.pruning_boost[phrases.next_state[phrase, token]]
    # 2. The language model's, which may have to wait for the interpreter.
    if scorer.lm_level != NO_MODEL:
        language = language_gain(search, scorer, node_id, token)
        if math.isnan(language):
            search.pending[progress.num_pending] = node_id
            progress.num_pending += 1
            return False
    # 3. Add the expansion if both leave it above the threshold.
    if language + boost != 0:
        p_nonblank *= math.exp(language + boost)
    if p_nonblank * pruning_boost > progress.threshold:
        _add_expansion(search, p_nonblank, p_nonblank * pruning_boost, language, boost, parent, token)
    return True


@jit
def _stamp_children(search: SearchBuffers, beam: Array, child: int) -> None:
    """Mark the tokens that extend a prefix to members of the beam."""
    progress = search.progress[0]
    progress.stamp += 1
    while child != NONE:
        search.stamps[beam[child].token] = progress.stamp
        child = beam[child].next_sibling


@jit
def _add_expansion(
    search: SearchBuffers, p_nonblank: float, score: float, language: float, boost: float, parent: int, token: int
) -> None:
    """Add an expansion with this pruning score."""
    # 1. Make room if there is none.
    progress, limits = search.progress[0], search.limits[0]
    if progress.num_expansions == len(search.expansions):
        _drop_expansions(search)
        if score <= progress.threshold:
            return
    # 2. Append the expansion.
    expansion = search.expansions[progress.num_expansions]
    expansion.p_nonblank, expansion.pruning_score = p_nonblank, score
    expansion.language, expansion.boost = language, boost
    expansion.parent, expansion.token = parent, token
    progress.num_expansions += 1
    # 3. A new best probability raises the threshold.
    if p_nonblank > progress.best_p:
        progress.best_p = p_nonblank
        progress.threshold = max(progress.threshold, p_nonblank * limits.beam_ratio)


@jit
def _drop_expansions(search: SearchBuffers) -> None:
    """Make room: keep only expansions that would be in the next beam, and raise the threshold to its worst."""
    progress = search.progress[0]
    beam_size = search.beams.shape[1]
    # 1. The pruning score of the next beam's worst member, and how many expansions that equal it fit.
    threshold = _worst_of_next_beam(search)
    ties = beam_size
    for index in range(progress.num_expansions):
        ties -= search.expansions[index].pruning_score > threshold
    # 2. Keep the expansions above it and the first of the equal ones.
    count = 0
    for index in range(progress.num_expansions):
        pruning_score = search.expansions[index].pruning_score
        if pruning_score == threshold:
            ties -= 1
        if pruning_score > threshold or (pruning_score == threshold and ties >= 0):
            search.expansions[count] = search.expansions[index]
            count += 1
    # 3. Raise the threshold.
    progress.num_expansions = count
    progress.threshold = max(progress.threshold, threshold)


@jit
def form_beam(search: SearchBuffers, scorer: Scorer) -> None:
    """Prune: the best of the present and the new prefixes become the beam."""
    progress, limits = search.progress[0], search.limits[0]
    beam_size = search.beams.shape[1]
    # 1. The pruning score that the next beam's worst member has, and how many that equal it still fit.
    worst = _worst_of_next_beam(search)
    threshold = max(worst, progress.best_p * limits.beam_ratio)
    old, new = search.beams[progress.side], search.beams[1 - progress.side]  # (beam_size,) each
    ties = beam_size - _count_above(search, threshold) if worst > 0 else beam_size
    # 2. Copy the present prefixes that stay.
    count = 0
    for index in range(progress.num_hypotheses):
        pruning_score = old[index].pruning_score
        ties -= pruning_score == threshold
        if pruning_score > threshold or (pruning_score == threshold and pruning_score > 0 and ties >= 0):
            _keep_hypothesis(search, old[index], new[count])
            search.nodes[new[count].node].beam_index = count
            count += 1
        else:
            search.nodes[old[index].node].beam_index = NONE
    num_kept = count
    # 3. Add the new ones.
    for index in range(progress.num_expansions):
        expansion = search.expansions[index]
        ties -= expansion.pruning_score == threshold
        if expansion.pruning_score > threshold or (expansion.pruning_score == threshold and ties >= 0):
            _add_hypothesis(search, scorer, expansion, old[expansion.parent], new[count])
            search.nodes[new[count].node].beam_index = count
            count += 1
    # 4. Free the cached gains of the pruned ones, which their expansions needed until now.
    if num_kept < progress.num_hypotheses and len(search.free_rows) > 0:
        for index in range(progress.num_hypotheses):
            if search.nodes[old[index].node].beam_index == NONE:
                release_row(search, old[index].node)
    progress.num_hypotheses = count
    progress.side = 1 - progress.side


@jit
def _worst_of_next_beam(search: SearchBuffers) -> float:
    """Return the pruning score of the last prefix of the next beam, 0 if all fit."""
    progress = search.progress[0]
    beam_size = search.beams.shape[1]
    count = progress.num_hypotheses + progress.num_expansions
    if count <= beam_size:
        return 0.0
    for index in range(progress.num_hypotheses):
        search.score_scratch[index] = search.beams[progress.side, index].pruning_score
    for index in range(progress.num_expansions):
        search.score_scratch[progress.num_hypotheses + index] = search.expansions[index].pruning_score
    return nth_largest(search.score_scratch, count, beam_size)


@jit
def _count_above(search: SearchBuffers, threshold: float) -> int:
    """Count the pruning scores that `_worst_of_next_beam` has collected."""
    count = 0
    for index in range(search.progress[0].num_hypotheses + search.progress[0].num_expansions):
        count += search.score_scratch[index] > threshold
    return count


@jit
def before_label(parent: Record, token: int) -> tuple[float, float, int]:
    """Return the summed probability, the best one and its backpointer of the alignments that a token can extend."""
    if token == parent.token:  # a label repeats only after a blank
        return parent.p_blank, parent.viterbi_blank, parent.backpointer_blank
    if parent.viterbi_blank > parent.viterbi_nonblank:
        return parent.p_total, parent.viterbi_blank, parent.backpointer_blank
    return parent.p_total, parent.viterbi_nonblank, parent.backpointer_nonblank


@jit
def best_backpointer(hypothesis: Record) -> int:
    """Return the backpointer of the last token in a prefix's best alignment."""
    is_label_best = hypothesis.viterbi_nonblank >= hypothesis.viterbi_blank
    return hypothesis.backpointer_nonblank if is_label_best else hypothesis.backpointer_blank


@jit
def _keep_hypothesis(search: SearchBuffers, old: Record, new: Record) -> None:
    new.node, new.token, new.pruning_boost = old.node, old.token, old.pruning_boost
    new.p_blank, new.p_nonblank = old.next_p_blank, old.next_p_nonblank
    new.viterbi_blank, new.viterbi_nonblank = old.next_viterbi_blank, old.next_viterbi_nonblank
    new.backpointer_blank = old.next_backpointer_blank
    new.backpointer_nonblank = (
        _add_backpointer(search, old.enter_backpointer) if old.enters else old.backpointer_nonblank
    )


@jit
def _add_hypothesis(search: SearchBuffers, scorer: Scorer, expansion: Record, parent: Record, new: Record) -> None:
    """Turn an expansion into a member of the beam."""
    new.node = _find_or_add_node(search, scorer, parent.node, expansion)
    new.token = expansion.token
    new.pruning_boost = scorer.phrases.pruning_boost[search.nodes[new.node].phrase]
    p_parent, viterbi, backpointer = before_label(parent, expansion.token)
    new.p_blank = new.viterbi_blank = 0.0
    new.p_nonblank = expansion.p_nonblank
    new.viterbi_nonblank = viterbi * (expansion.p_nonblank / p_parent)
    new.backpointer_nonblank = _add_backpointer(search, backpointer)
    new.backpointer_blank = new.backpointer_nonblank


@jit
def find_child(search: SearchBuffers, node_id: int, token: int) -> int:
    """Return the extension of a prefix by a token, or NONE."""
    child = search.nodes[node_id].first_child
    while child != NONE and search.nodes[child].token != token:
        child = search.nodes[child].next_sibling
    return child


@jit
def _find_or_add_node(search: SearchBuffers, scorer: Scorer, parent_id: int, expansion: Record) -> int:
    """Return the prefix in the tree; one that fell out of the beam and comes back is the same as before."""
    # 1. Look for the token among the parent's children.
    parent = search.nodes[parent_id]
    node_id = find_child(search, parent_id, expansion.token)
    if node_id != NONE:
        return node_id
    # 2. Add it as the first of them.
    progress = search.progress[0]
    node_id = progress.num_nodes
    progress.num_nodes += 1
    node = search.nodes[node_id]
    node.parent, node.token = parent_id, expansion.token
    node.first_child, node.next_sibling = NONE, parent.first_child
    node.first_alternative = NONE
    parent.first_child = node_id
    # 3. Set its gains and states.
    node.gain = math.exp(expansion.language + expansion.boost)
    node.language = parent.language + expansion.language
    node.boost = parent.boost + expansion.boost
    init_node(search, scorer, parent_id, expansion.token, node_id)
    return node_id


@jit
def _add_backpointer(search: SearchBuffers, previous: int) -> int:
    progress = search.progress[0]
    backpointer = progress.num_backpointers
    progress.num_backpointers += 1
    search.backpointers[backpointer].previous = previous
    search.backpointers[backpointer].frame = progress.frame
    return backpointer
