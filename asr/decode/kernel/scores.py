"""What a language model, a vocabulary and boosted phrases add to a prefix that grows by a token.

Gains are natural logs, weights included. A word-level model speaks when a word ends, a
token-level one at each token. So that words can be compared while they are being spelled, they
are lent an advance: what the best word that goes on so would bring without its context
(Steinbiss et al. 1994; flashlight calls it smearing). It never changes final scores. A model
that is not made of arrays has its gains filled in by the interpreter, which these functions
ask for by answering NaN (see asking.py); its words get no advance.
"""

# mypy: disable-error-code="no-any-return"
# Elements of arrays have no type that mypy knows; numba checks them.

import math
from typing import NamedTuple

from asr.decode.kernel.memory import NONE, Search
from asr.jit import Array, jit
from asr.language.ngram.automaton import Automaton, score_word

NO_MODEL, WORD_LEVEL, TOKEN_LEVEL = 0, 1, 2
HOT = -2  # less a word's number: it can be spelled because of a hot word, and counts as unknown


class Scorer(NamedTuple):
    """Everything but the acoustics, for compiled code; the same for all utterances."""

    level: int  # NO_MODEL, WORD_LEVEL or TOKEN_LEVEL
    scored: bool  # a language model is there; else words only have to be in the vocabulary
    external: bool  # its gains come from the interpreter
    closed: bool  # only words of the tree
    marked: bool  # words end with a token of their own, which is a letter of the tree
    boosted: bool
    alpha: float  # weight of the model's log probability
    beta: float  # added for each word, or each token of a token-level model
    unknown_gain: float  # added for a word outside the tree, or in it for the sake of hot words only
    unknown_word: int
    end_word: int  # the model's sentence end, or NONE
    automaton: Automaton
    first_child: Array  # (L + 1,) int32, the tree of words: children of a place are numbered in a row
    letters: Array  # (L,) int32, letter that leads to a place; rising among siblings
    words: Array  # (L,) int32, word spelled there: the model's number, HOT less that, or NONE
    ahead: Array  # (L + 1,) float64, best unigram score of a word that goes on there; at the end the unknown word's
    advance: Array  # (L + 1,) float64, gain lent to a word being spelled, and given back at its end
    starts_word: Array  # (V,) bool, the token begins with the word separator
    ends_word: Array  # (V,) bool, the token is a mark that ends a word
    first_letter: Array  # (V + 1,) int32, where the letters of each token begin
    token_letters: Array  # int32
    token_words: Array  # (V,) int32, numbers of tokens in a token-level model
    phrase_next: Array  # (P, V) int32, boosting state after a token
    phrase_gains: Array  # (P, V) float64, earned by phrases that a token makes whole
    phrase_credit: Array  # (P,) float64, for a phrase under way
    phrase_lift: Array  # (P,) float64, factor by which that lifts a prefix while the beam is chosen
    phrase_end: Array  # (P,) float64, earned when the utterance ends
    bounds: Array  # (V,) float64, the largest factor a token can bring
    start_bound: float  # and what comes on top at the beginning of a word
    word_bound: float  # or within one


@jit
def language_gain(search: Search, fusion: Scorer, node_id: int, token: int) -> float:
    """Gain of the language model when a prefix grows; NaN: not known yet, -inf: not allowed."""
    if fusion.level == TOKEN_LEVEL:
        return _token_gain(search, fusion, node_id, token)
    node = search.nodes[node_id]
    gain = 0.0
    spelled = node.spelled
    if fusion.starts_word[token] and spelled != 0:
        gain = word_end_gain(search, fusion, node_id, spelled)
        spelled = 0
    place = spell(fusion, spelled, token)
    if fusion.closed and place == NONE:
        return -math.inf
    if fusion.ends_word[token]:
        return word_end_gain(search, fusion, node_id, place)
    return gain + fusion.advance[place] - fusion.advance[spelled]


@jit
def word_end_gain(search: Search, fusion: Scorer, node_id: int, place: int) -> float:
    """Gain of ending the word at a place where a prefix is, or gets by a mark; kept, since each frame may ask.

    The prefix gives back its advance. Of several words that sound alike the last one asked for is kept.
    """
    node = search.nodes[node_id]
    if node.ended == place and not math.isnan(node.word_gain):
        return node.word_gain
    node.ended = place
    word = fusion.words[place] if place > 0 else NONE
    if fusion.closed and word == NONE:
        node.word_gain = -math.inf
        return -math.inf
    if fusion.external:
        return math.nan
    gain = fusion.beta - fusion.advance[node.spelled]
    if word < 0:
        word = fusion.unknown_word if word == NONE else HOT - word
        gain += fusion.unknown_gain
    state_after = 0
    if fusion.scored:
        score, state_after = score_word(fusion.automaton, node.state, word)
        gain += fusion.alpha * score
    node.state_after = state_after
    node.word_gain = gain
    return gain


@jit
def spell(fusion: Scorer, place: int, token: int) -> int:
    """Place in the tree of words after a token's letters, or NONE where no word goes on so."""
    for index in range(fusion.first_letter[token], fusion.first_letter[token + 1]):
        if place == NONE:
            return NONE
        place = _child(fusion, place, fusion.token_letters[index])
    return place


@jit
def enter_node(search: Search, fusion: Scorer, parent_id: int, token: int, node_id: int) -> None:
    """Give a new prefix its language and boosting states; its parent's gains are known by now."""
    parent, node = search.nodes[parent_id], search.nodes[node_id]
    node.row = NONE
    node.word_gain = math.nan
    node.ended = NONE
    node.spelled = 0
    node.state = parent.state
    node.state_after = NONE
    node.phrase = 0
    if fusion.boosted:
        node.phrase = fusion.phrase_next[parent.phrase, token]
    if fusion.level == TOKEN_LEVEL:
        node.state = search.row_states[parent.row, token]
    elif fusion.level == WORD_LEVEL:
        spelled = parent.spelled
        if fusion.starts_word[token] and spelled != 0:
            node.state = parent.state_after
            spelled = 0
        place = spell(fusion, spelled, token)
        if fusion.ends_word[token]:
            word_end_gain(search, fusion, parent_id, place)  # another word that sounds alike may have been asked since
            node.state = parent.state_after
            place = 0
        node.spelled = place


@jit
def release_row(search: Search, node_id: int) -> None:
    """Give back the cached gains of a prefix that leaves the beam."""
    node = search.nodes[node_id]
    if node.row == NONE:
        return
    progress = search.progress[0]
    search.free_rows[progress.num_rows_free] = node.row
    progress.num_rows_free += 1
    node.row = NONE


@jit
def read_scores(search: Search, fusion: Scorer, scores: Array) -> None:
    """Scores of each member of the beam, natural logs: (beam_size, 7) to write to, as `read_score` fills each row."""
    for slot in range(search.progress[0].num_entries):
        read_score(search, fusion, slot, scores[slot])


@jit
def read_score(search: Search, fusion: Scorer, slot: int, scores: Array) -> None:
    """Scores of one member of the beam, natural logs.

    Args:
        search: The search.
        fusion: Language model and phrases.
        slot: The member.
        scores: (7,) to write to: the score so far, its language and boost parts, the
            gains of both should the utterance end here (0 for external models), the credit of a
            phrase under way, which counts only until then, and the mark that a last word lacks, or NONE.
    """
    progress = search.progress[0]
    entry = search.entries[progress.side, slot]
    node = search.nodes[entry.node]
    scores[0] = math.log(entry.blank_mass + entry.label_mass) + progress.log_scale
    scores[1], scores[2] = node.language, node.boost
    scores[3] = scores[4] = 0.0
    scores[5] = fusion.phrase_credit[node.phrase]
    scores[6] = NONE
    if fusion.marked and node.spelled != 0:
        _mark_last_word(search, fusion, entry.node, scores)
        return
    if not fusion.external:
        scores[3] = _closing_gain(search, fusion, entry.node, node.spelled)
    scores[4] = fusion.phrase_end[node.phrase]


@jit
def _mark_last_word(search: Search, fusion: Scorer, node_id: int, scores: Array) -> None:
    """End a word whose mark was not heard by the best of those that may follow."""
    node = search.nodes[node_id]
    scores[3] = -math.inf
    if node.spelled != NONE:
        for place in range(fusion.first_child[node.spelled], fusion.first_child[node.spelled + 1]):
            mark = fusion.letters[place]  # a letter is the token itself
            if fusion.ends_word[mark]:
                language = _closing_gain(search, fusion, node_id, place)
                phrase = fusion.phrase_next[node.phrase, mark]
                boost = fusion.phrase_gains[node.phrase, mark] + fusion.phrase_end[phrase]
                if language + boost > scores[3] + scores[4]:
                    scores[3], scores[4], scores[6] = language, boost, mark
    if scores[6] == NONE:
        word_end_gain(search, fusion, node_id, NONE)  # takes note that nothing can end here


@jit
def _closing_gain(search: Search, fusion: Scorer, node_id: int, place: int) -> float:
    """The last word, which ends at a place in the tree of words, and the sentence end."""
    node = search.nodes[node_id]
    gain = 0.0
    state = node.state
    if fusion.level == WORD_LEVEL and node.spelled != 0:
        gain = word_end_gain(search, fusion, node_id, place)
        state = node.state_after
    if fusion.scored and fusion.end_word != NONE and gain > -math.inf:
        gain += fusion.alpha * score_word(fusion.automaton, state, fusion.end_word)[0]
    return gain


@jit
def _token_gain(search: Search, fusion: Scorer, node_id: int, token: int) -> float:
    node = search.nodes[node_id]
    if node.row == NONE:
        progress = search.progress[0]
        progress.num_rows_free -= 1
        node.row = search.free_rows[progress.num_rows_free]
        search.row_gains[node.row, :] = math.nan
    gain = search.row_gains[node.row, token]
    if math.isnan(gain) and not fusion.external:
        word = fusion.token_words[token]
        score, state = score_word(fusion.automaton, node.state, word)
        gain = fusion.alpha * score + fusion.beta
        if word == fusion.unknown_word:
            gain += fusion.unknown_gain
        search.row_gains[node.row, token] = gain
        search.row_states[node.row, token] = state
    return gain


@jit
def _child(fusion: Scorer, place: int, letter: int) -> int:
    low, end = fusion.first_child[place], fusion.first_child[place + 1]
    high = end
    while low < high:
        middle = (low + high) >> 1
        if fusion.letters[middle] < letter:
            low = middle + 1
        else:
            high = middle
    return low if low < end and fusion.letters[low] == letter else NONE
