"""Extensions of prefixes: which tokens are worth trying, and what they propose for the next beam.

`cut` is the standing that a proposal has to exceed to get into the next beam, as far as is known;
it rises while proposals come in. `bounds` say how much fusion can multiply a mass by at most, so
that what cannot reach the cut is skipped before any language model is asked.
"""

# mypy: disable-error-code="no-any-return"
# Elements of arrays have no type that mypy knows; numba checks them.

import math

from asr.decode.kernel.memory import NONE, Search
from asr.decode.kernel.next_beam import worst_of_beam
from asr.decode.kernel.scores import NO_MODEL, Scorer, language_gain
from asr.jit import Array, jit
from asr.select import nth_largest, sort_descending


@jit
def choose_tokens(search: Search, fusion: Scorer, probs: Array, largest: float) -> None:
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
    sort_descending(search.bounds, search.tokens, count)
    progress.num_tokens = count


@jit
def propose(search: Search, fusion: Scorer, probs: Array) -> None:
    """Extensions to prefixes that are not in the beam and exceed the cut."""
    progress = search.progress[0]
    beam = search.entries[progress.side]
    plain = fusion.level == NO_MODEL and not fusion.boosted
    progress.num_proposals = progress.num_wanted = 0
    if progress.num_tokens == 0:
        return
    furthest = max(fusion.start_bound, fusion.word_bound) * search.bounds[0]
    for slot in range(progress.num_entries):
        entry = beam[slot]
        if entry.mass * furthest <= progress.cut:
            continue
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
                _add_proposal(search, mass, mass, 0.0, 0.0, slot, token)
            elif not _weigh(search, fusion, slot, token, mass):
                break


@jit
def _weigh(search: Search, fusion: Scorer, slot: int, token: int, mass: float) -> bool:
    """Propose an extension under language model and boosting; False: their gains are not known yet."""
    progress = search.progress[0]
    node_id = search.entries[progress.side, slot].node
    boost = language = 0.0
    lift = 1.0
    if fusion.boosted:
        phrase = search.nodes[node_id].phrase
        boost = fusion.phrase_gains[phrase, token]
        lift = fusion.phrase_lift[fusion.phrase_next[phrase, token]]
    if fusion.level != NO_MODEL:
        language = language_gain(search, fusion, node_id, token)
        if math.isnan(language):
            search.wanted[progress.num_wanted] = node_id
            progress.num_wanted += 1
            return False
    if language + boost != 0:
        mass *= math.exp(language + boost)
    if mass * lift > progress.cut:
        _add_proposal(search, mass, mass * lift, language, boost, slot, token)
    return True


@jit
def _stamp_kids(search: Search, beam: Array, slot: int) -> None:
    """Mark the tokens by which a prefix grows into members of the beam."""
    progress = search.progress[0]
    progress.stamp += 1
    while slot != NONE:
        search.stamps[beam[slot].token] = progress.stamp
        slot = beam[slot].next_kid


@jit
def _add_proposal(
    search: Search, mass: float, standing: float, language: float, boost: float, slot: int, token: int
) -> None:
    progress, limits = search.progress[0], search.limits[0]
    if progress.num_proposals == len(search.proposals):
        _drop_proposals(search)
        if standing <= progress.cut:
            return
    proposal = search.proposals[progress.num_proposals]
    proposal.mass, proposal.standing = mass, standing
    proposal.language, proposal.boost = language, boost
    proposal.slot, proposal.token = slot, token
    progress.num_proposals += 1
    if mass > progress.best:
        progress.best = mass
        progress.cut = max(progress.cut, mass * limits.beam_ratio)


@jit
def _drop_proposals(search: Search) -> None:
    """Make room: keep only proposals that are in the next beam as things stand, and raise the cut to its worst."""
    progress = search.progress[0]
    beam_size = search.entries.shape[1]
    cut = worst_of_beam(search)
    ties = beam_size
    for index in range(progress.num_proposals):
        ties -= search.proposals[index].standing > cut
    kept = 0
    for index in range(progress.num_proposals):
        standing = search.proposals[index].standing
        if standing == cut:
            ties -= 1
        if standing > cut or (standing == cut and ties >= 0):
            search.proposals[kept] = search.proposals[index]
            kept += 1
    progress.num_proposals = kept
    progress.cut = max(progress.cut, cut)
