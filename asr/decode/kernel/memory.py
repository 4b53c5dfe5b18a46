"""The buffers of a beam search: what its arrays hold, field by field.

Compiled code works on plain arrays of records. A search owns a tree of label prefixes (`NODE`), the backpointers that
give each token its frame (`BACKPOINTER`), prefixes that were left for better ones which continue in the same way
(`ALTERNATIVE`), and the beam itself (`HYPOTHESIS`). Probabilities are stored as probabilities, not logarithms: sums
over alignments are then additions, and the search spends no time on exponentials. They are rescaled by powers of two,
which is exact, long before they underflow.
"""

from typing import NamedTuple

import numpy as np

from asr.jit import Array

NONE = -1  # no node, backpointer, beam index, row or state
RESIZED = ("nodes", "backpointers", "alternatives")  # buffers of one length, which grows with the utterance

NODE = np.dtype(
    [
        ("parent", np.int32),
        ("token", np.int32),
        ("first_child", np.int32),  # the others follow by `next_sibling`
        ("next_sibling", np.int32),
        ("beam_index", np.int32),  # of its hypothesis, or NONE
        ("row", np.int32),  # cached gains of a token-level language model, or NONE
        ("state", np.int32),  # language model's, before the word that is being spelled
        ("state_after", np.int32),  # language model's, once that word has ended; valid with word_gain
        ("trie_node", np.int32),  # in the lexicon: 0 at the start of a word, NONE outside the lexicon
        ("phrase", np.int32),  # boosting state
        ("gain", np.float64),  # factor that language and boost put on entering this node
        ("language", np.float64),  # sum of the language gains from the root, natural log
        ("boost", np.float64),  # sum of the gains of complete phrases from the root, natural log
        ("word_gain", np.float64),  # gain of ending the word at `word_end`; NaN: not computed yet
        ("word_end", np.int32),  # a trie node
        ("first_alternative", np.int32),  # the others follow by `next`
        ("text", np.int64),  # a number that prefixes of the same words share, but hardly any others
    ],
    align=True,
)

# A prefix that left the beam because another one, the winner, is better and continues just as it would.
ALTERNATIVE = np.dtype(
    [
        ("winner", np.int32),  # a node
        ("node", np.int32),  # its own
        ("backpointer", np.int32),  # of its best alignment
        ("next", np.int32),  # alternative to the same winner
        ("frame", np.int32),  # after which they continue in the same way
        ("log_ratio", np.float64),  # natural log of its probability, divided by the winner's
    ],
    align=True,
)

# The best single alignment of a prefix, one backpointer per token.
BACKPOINTER = np.dtype([("previous", np.int32), ("frame", np.int32)], align=True)

# `p_*` sums all alignments of the prefix, `viterbi_*` is the best one; both are split by whether the
# last frame was blank or the prefix's last label, since only a blank lets a label repeat.
HYPOTHESIS = np.dtype(
    [
        ("node", np.int32),
        ("token", np.int32),
        ("pruning_boost", np.float64),  # factor for a phrase under way, while the beam is chosen; 1: none
        ("p_blank", np.float64),
        ("p_nonblank", np.float64),
        ("viterbi_blank", np.float64),
        ("viterbi_nonblank", np.float64),
        ("backpointer_blank", np.int32),
        ("backpointer_nonblank", np.int32),
        # the current frame
        ("p_total", np.float64),  # before it
        ("next_p_blank", np.float64),
        ("next_p_nonblank", np.float64),
        ("pruning_score", np.float64),  # their sum times `pruning_boost`: ranks the prefixes
        ("next_viterbi_blank", np.float64),
        ("next_viterbi_nonblank", np.float64),
        ("next_backpointer_blank", np.int32),
        ("enters", np.int32),  # 1: the best alignment enters the label at this frame
        ("enter_backpointer", np.int32),  # and this backpointer precedes it
        ("first_child", np.int32),  # beam indices of this prefix's extensions
        ("next_sibling", np.int32),
    ],
    align=True,
)

# An extension of a prefix that is not in the beam yet.
EXPANSION = np.dtype(
    [
        ("p_nonblank", np.float64),
        ("pruning_score", np.float64),
        ("language", np.float64),
        ("boost", np.float64),
        ("parent", np.int32),  # beam index
        ("token", np.int32),
    ],
    align=True,
)

PROGRESS = np.dtype(
    [
        ("log_scale", np.float64),  # natural log of the factor that restores the true probabilities
        ("best_p", np.float64),  # largest probability in the beam
        ("threshold", np.float64),  # the pruning score of expansions must exceed it
        ("frame", np.int64),
        ("stamp", np.int64),  # of the prefix that is being expanded
        ("num_nodes", np.int32),
        ("num_backpointers", np.int32),
        ("num_alternatives", np.int32),
        ("num_hypotheses", np.int32),
        ("num_expansions", np.int32),
        ("num_tokens", np.int32),  # worth trying at this frame
        ("num_free_rows", np.int32),
        ("num_pending", np.int32),
        ("side", np.int32),  # which half of `beams` is the beam
        ("in_blanks", np.int32),  # 1: the frame before was skipped as blank
    ],
    align=True,
)

LIMITS = np.dtype(
    [
        ("beam_ratio", np.float64),  # least probability, as a fraction of the best
        ("token_floor", np.float64),  # least probability of a token that extends a prefix
        ("blank_skip", np.float64),  # frames with a blank at least this probable are skipped
        ("max_tokens", np.int64),  # tokens per frame that may extend a prefix
    ],
    align=True,
)


class SearchBuffers(NamedTuple):
    """One utterance's search; compiled code takes all of it."""

    progress: Array  # (1,) PROGRESS
    limits: Array  # (1,) LIMITS
    nodes: Array  # (N,) NODE
    backpointers: Array  # (M,) BACKPOINTER
    alternatives: Array  # (A,) ALTERNATIVE
    beams: Array  # (2, beam_size) HYPOTHESIS
    expansions: Array  # (E,) EXPANSION
    score_scratch: Array  # (beam_size + E,) float64
    token_scratch: Array  # (V,) float64
    tokens: Array  # (V,) int32, this frame's, by falling bound
    stamps: Array  # (V,) int64, the current stamp for tokens that lead to members of the beam
    token_bounds: Array  # (V,) float64, the most that a token can multiply a probability by
    row_gains: Array  # (R, V) float64 gains of a token-level language model; NaN: not computed yet
    row_states: Array  # (R, V) int32 language model states after them
    free_rows: Array  # (R,) int32 stack
    pending: Array  # (beam_size,) int32 nodes whose gains the interpreter must fill in
    classes: Array  # (C,) int32 hash table of beam indices, while prefixes are recombined
    twins: Array  # (beam_size, 2) int32 stack of nodes, while prefixes are recombined


def new_buffers(beam_size: int, vocab_size: int, limits: Array, num_rows: int, num_nodes: int) -> SearchBuffers:
    """Allocate the buffers of a search, which `init_search` then begins.

    `num_rows` is 0, or beam_size if a language model scores every token; `num_nodes` is the number of prefixes that
    fit before the tree has to be compacted, and of backpointers and alternatives.
    """
    num_expansions = 4 * beam_size + 64
    return SearchBuffers(
        progress=np.zeros(1, PROGRESS),
        limits=limits,
        nodes=np.empty(num_nodes, NODE),
        backpointers=np.empty(num_nodes, BACKPOINTER),
        alternatives=np.empty(num_nodes, ALTERNATIVE),
        beams=np.empty((2, beam_size), HYPOTHESIS),
        expansions=np.empty(num_expansions, EXPANSION),
        score_scratch=np.empty(beam_size + num_expansions),
        token_scratch=np.empty(vocab_size),
        tokens=np.empty(vocab_size, np.int32),
        stamps=np.zeros(vocab_size, np.int64),
        token_bounds=np.empty(vocab_size),
        row_gains=np.full((num_rows, vocab_size), np.nan),
        row_states=np.zeros((num_rows, vocab_size), np.int32),
        free_rows=np.empty(num_rows, np.int32),
        pending=np.empty(beam_size, np.int32),
        classes=np.empty(4 * beam_size, np.int32),
        twins=np.empty((beam_size, 2), np.int32),
    )


def copy_search(search: SearchBuffers) -> SearchBuffers:
    """Copy a search: of the tree and the backpointers only what is in use, which saves most of the time."""
    progress, copied = search.progress[0], {}
    for name in RESIZED:
        array, used = getattr(search, name), progress[f"num_{name}"]
        copied[name] = np.empty_like(array)
        copied[name][:used] = array[:used]
    others = {name: array.copy() for name, array in search._asdict().items() if name not in copied}
    return SearchBuffers(**others, **copied)
