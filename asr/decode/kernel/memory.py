"""The memory of a beam search: what its arrays hold, field by field.

Compiled code works on plain arrays of records. A search owns a tree of label prefixes
(`NODE`), the alignments that give each token its frame (`MARK`) and the beam itself
(`ENTRY`). Masses are probabilities, not logarithms: sums over alignments are then additions,
and the search spends no time on exponentials. They are rescaled by powers of two, which is
exact, long before they underflow.
"""

from typing import NamedTuple

import numpy as np

from asr.jit import Array

NONE = -1  # no node, mark, slot, row or state

NODE = np.dtype(
    [
        ("parent", np.int32),
        ("token", np.int32),
        ("child", np.int32),  # first child; the others follow by `sibling`
        ("sibling", np.int32),
        ("slot", np.int32),  # place in the beam, or NONE
        ("row", np.int32),  # cached gains of a token-level language model, or NONE
        ("state", np.int32),  # language model's, before the word that is being spelled
        ("state_after", np.int32),  # language model's, once that word has ended; valid with word_gain
        ("spelled", np.int32),  # place in the tree of words: 0 at a word's start, NONE off it
        ("phrase", np.int32),  # boosting state
        ("gain", np.float64),  # factor that language and boost put on entering this node
        ("language", np.float64),  # sum of the language gains from the root, natural log
        ("boost", np.float64),  # sum of what whole phrases brought from the root, natural log
        ("word_gain", np.float64),  # gain of ending the word at `ended`; NaN: not asked yet
        ("ended", np.int32),  # place in the tree of words
    ],
    align=True,
)

# The best single alignment of a prefix, a token a mark.
MARK = np.dtype([("previous", np.int32), ("frame", np.int32)], align=True)

# `mass` sums all alignments of the prefix, `path` is the best one; each apart by whether the
# last frame was blank or the prefix's last label, since only a blank lets a label repeat.
ENTRY = np.dtype(
    [
        ("node", np.int32),
        ("token", np.int32),
        ("lift", np.float64),  # of a phrase that has begun, while the beam is chosen; 1 where none
        ("blank_mass", np.float64),
        ("label_mass", np.float64),
        ("blank_path", np.float64),
        ("label_path", np.float64),
        ("blank_mark", np.int32),
        ("label_mark", np.int32),
        # the frame in hand
        ("mass", np.float64),
        ("next_blank_mass", np.float64),
        ("next_label_mass", np.float64),
        ("standing", np.float64),  # their sum, lifted: what prefixes are ranked by
        ("next_blank_path", np.float64),
        ("next_label_path", np.float64),
        ("next_blank_mark", np.int32),
        ("enters", np.int32),  # 1: the best alignment enters the label at this frame
        ("enter_mark", np.int32),  # and this mark precedes it
        ("first_kid", np.int32),  # slots of this prefix's extensions in the beam
        ("next_kid", np.int32),
    ],
    align=True,
)

# An extension of a prefix that is not in the beam yet.
PROPOSAL = np.dtype(
    [
        ("mass", np.float64),
        ("standing", np.float64),  # lifted
        ("language", np.float64),
        ("boost", np.float64),
        ("slot", np.int32),
        ("token", np.int32),
    ],
    align=True,
)

PROGRESS = np.dtype(
    [
        ("log_scale", np.float64),  # natural log of what masses have to be multiplied by
        ("best", np.float64),  # largest mass in the beam
        ("cut", np.float64),  # the standing of proposals must exceed it
        ("frame", np.int64),
        ("stamp", np.int64),  # of the prefix whose extensions are being proposed
        ("num_nodes", np.int32),
        ("num_marks", np.int32),
        ("num_entries", np.int32),
        ("num_proposals", np.int32),
        ("num_tokens", np.int32),  # worth trying at this frame
        ("num_rows_free", np.int32),
        ("num_wanted", np.int32),
        ("side", np.int32),  # which half of `entries` is the beam
        ("in_blanks", np.int32),  # 1: the frame before was skipped as blank
    ],
    align=True,
)

LIMITS = np.dtype(
    [
        ("beam_ratio", np.float64),  # least mass, as a fraction of the best
        ("token_floor", np.float64),  # least probability of a token that extends a prefix
        ("blank_skip", np.float64),  # frames whose blank is at least so probable are skipped
        ("max_tokens", np.int64),  # tokens a frame that may extend a prefix
    ],
    align=True,
)


class Search(NamedTuple):
    """One utterance's search; compiled code takes it whole."""

    progress: Array  # (1,) PROGRESS
    limits: Array  # (1,) LIMITS
    nodes: Array  # (N,) NODE
    marks: Array  # (M,) MARK
    entries: Array  # (2, beam_size) ENTRY
    proposals: Array  # (P,) PROPOSAL
    ranks: Array  # (beam_size + P,) float64 scratch
    token_ranks: Array  # (V,) float64 scratch
    tokens: Array  # (V,) int32, this frame's, by falling bound
    stamps: Array  # (V,) int64, tokens that lead to members of the beam bear the current stamp
    bounds: Array  # (V,) float64, the most a token can multiply a mass by
    row_gains: Array  # (R, V) float64 gains of a token-level language model; NaN: not asked yet
    row_states: Array  # (R, V) int32 language model states after them
    free_rows: Array  # (R,) int32 stack
    wanted: Array  # (beam_size,) int32 nodes whose gains the interpreter must fill in


def new_search(beam_size: int, vocab_size: int, limits: Array, num_rows: int, num_nodes: int) -> Search:
    """Room for a search, which `plant` begins.

    Args:
        beam_size: Prefixes kept.
        vocab_size: Tokens, the blank among them.
        limits: (1,) LIMITS.
        num_rows: 0, or beam_size where a language model scores every token.
        num_nodes: Prefixes that fit before the tree has to be compacted.
    """
    num_proposals = 4 * beam_size + 64
    return Search(
        progress=np.zeros(1, PROGRESS),
        limits=limits,
        nodes=np.empty(num_nodes, NODE),
        marks=np.empty(num_nodes, MARK),
        entries=np.empty((2, beam_size), ENTRY),
        proposals=np.empty(num_proposals, PROPOSAL),
        ranks=np.empty(beam_size + num_proposals),
        token_ranks=np.empty(vocab_size),
        tokens=np.empty(vocab_size, np.int32),
        stamps=np.zeros(vocab_size, np.int64),
        bounds=np.empty(vocab_size),
        row_gains=np.full((num_rows, vocab_size), np.nan),
        row_states=np.zeros((num_rows, vocab_size), np.int32),
        free_rows=np.empty(num_rows, np.int32),
        wanted=np.empty(beam_size, np.int32),
    )
