"""What language model, lexicon and boosted phrases add when a prefix grows by a token.

Gains are natural logs, weights included. A word-level model scores a word when it ends, a
token-level one each token. So that words can be compared while they are being spelled, prefixes get
an LM look-ahead: the gain that the best word they may become would have without its context
(Steinbiss et al. 1994; flashlight calls it smearing). It never changes final scores. The gains of
a model that is not made of arrays are filled in by the interpreter, which these functions
ask for by returning NaN (see scorer/external.py); its words have no look-ahead.
"""

import math
from typing import NamedTuple

from asr.decode.kernel.memory import NONE, SearchBuffers
from asr.jit import Array, jit
from asr.language.ngram.automaton import Automaton, score_word
from asr.select import find_first

NO_MODEL, WORD_LEVEL, TOKEN_LEVEL = 0, 1, 2
HOT = -2  # minus a word's number: it is in the lexicon only for a hot word, and counts as unknown


class Weights(NamedTuple):
    """Weights of the language model, natural logs."""

    alpha: float  # factor of the model's log probability
    beta: float  # added for each word, or each token of a token-level model
    unknown_score: float  # added for a word outside the lexicon, or in it for a hot word only


class LanguageTables(NamedTuple):
    """A language model of n-grams; an external one has empty tables."""

    is_present: bool  # else words only have to be in the vocabulary
    is_external: bool  # its gains come from the interpreter
    unknown_word: int
    end_word: int  # the model's sentence end, or NONE
    token_words: Array  # (V,) int32, numbers of tokens in a token-level model
    automaton: Automaton


class TrieTables(NamedTuple):
    """The lexicon as a trie; see scorer/build.py."""

    is_closed: bool  # no other words are allowed
    first_child: Array  # (L + 1,) int32; children of a node are numbered consecutively
    letters: Array  # (L,) int32, letter that leads to a node; rising among siblings
    words: Array  # (L,) int32, word that ends there: the model's number, HOT minus it, or NONE
    entries: Array  # (L,) int32, its place in the lexicon, which all its spellings share
    best_scores: Array  # (L + 1,) float64, best unigram score of a word at or below the node; last the unknown word's
    look_ahead: Array  # (L + 1,) float64, gain of a word being spelled until it ends


class TokenTables(NamedTuple):
    """How tokens spell words."""

    has_word_ends: bool  # words end with a token of their own, which is a letter of the trie
    starts_word: Array  # (V,) bool, the token begins with the word separator
    ends_word: Array  # (V,) bool, the token is a word-end symbol
    first_letter: Array  # (V + 1,) int32, index of each token's first letter
    letters: Array  # int32


class PhraseTables(NamedTuple):
    """What each token does to each boosting state; see scorer/hotwords.py."""

    is_boosted: bool
    start: int
    next_state: Array  # (P, V) int32
    gains: Array  # (P, V) float64, of phrases that a token completes
    credit: Array  # (P,) float64, for the phrase under way
    pruning_boost: Array  # (P,) float64, factor by which that raises the pruning score
    end_gains: Array  # (P,) float64, of phrases that the utterance's end completes


class Bounds(NamedTuple):
    """The largest factors that all this can put on a probability."""

    tokens: Array  # (V,) float64, by extending with the token
    word_start: float  # in addition, at the start of a word
    in_word: float  # or within one


class Scorer(NamedTuple):
    """All gains besides the acoustics, for compiled code; the same for all utterances."""

    lm_level: int  # NO_MODEL, WORD_LEVEL or TOKEN_LEVEL
    weights: Weights
    lm: LanguageTables
    trie: TrieTables
    tokens: TokenTables
    phrases: PhraseTables
    bounds: Bounds


@jit
def language_gain(search: SearchBuffers, scorer: Scorer, node_id: int, token: int) -> float:
    """Return the language model's gain when a prefix grows; NaN: not known yet, -inf: not allowed."""
    if scorer.lm_level == TOKEN_LEVEL:
        return _token_gain(search, scorer, node_id, token)
    node = search.nodes[node_id]
    gain = 0.0
    trie_node = node.trie_node
    # 1. A token that starts a word ends the one before.
    if scorer.tokens.starts_word[token] and trie_node != 0:
        gain = word_end_gain(search, scorer, node_id, trie_node)
        trie_node = 0
    # 2. Its letters lead down the trie.
    next_node = follow_token(scorer, trie_node, token)
    if scorer.trie.is_closed and next_node == NONE:
        return -math.inf
    # 3. A word-end symbol ends the word there; other tokens change the look-ahead.
    if scorer.tokens.ends_word[token]:
        return word_end_gain(search, scorer, node_id, next_node)
    return gain + scorer.trie.look_ahead[next_node] - scorer.trie.look_ahead[trie_node]


@jit
def word_end_gain(search: SearchBuffers, scorer: Scorer, node_id: int, trie_node: int) -> float:
    """Return the gain of ending the word at a trie node where a prefix is, or gets by a word-end symbol.

    It takes back the look-ahead. It is cached, since each frame may ask; of several homophones the last one stays.
    """
    # 1. The cache, and words that are not allowed.
    node = search.nodes[node_id]
    if node.word_end == trie_node and not math.isnan(node.word_gain):
        return node.word_gain
    node.word_end = trie_node
    word = scorer.trie.words[trie_node] if trie_node > 0 else NONE
    if scorer.trie.is_closed and word == NONE:
        node.word_gain = -math.inf
        return -math.inf
    if scorer.lm.is_external:
        return math.nan
    # 2. Bonus and look-ahead, the price of an unknown word.
    gain = scorer.weights.beta - scorer.trie.look_ahead[node.trie_node]
    if word < 0:
        word = scorer.lm.unknown_word if word == NONE else HOT - word
        gain += scorer.weights.unknown_score
    # 3. The model's score.
    state_after = 0
    if scorer.lm.is_present:
        score, state_after = score_word(scorer.lm.automaton, node.state, word)
        gain += scorer.weights.alpha * score
    node.state_after = state_after
    node.word_gain = gain
    return gain


@jit
def follow_token(scorer: Scorer, trie_node: int, token: int) -> int:
    """Return the trie node after a token's letters, or NONE if no word continues with them."""
    for index in range(scorer.tokens.first_letter[token], scorer.tokens.first_letter[token + 1]):
        if trie_node == NONE:
            return NONE
        trie_node = _find_child(scorer, trie_node, scorer.tokens.letters[index])
    return trie_node


@jit
def init_node(search: SearchBuffers, scorer: Scorer, parent_id: int, token: int, node_id: int) -> None:
    """Set a new prefix's language model and boosting states; its parent's gains are known by now."""
    # 1. Empty caches, the start of the trie, the parent's state.
    parent, node = search.nodes[parent_id], search.nodes[node_id]
    node.row = NONE
    node.word_gain = math.nan
    node.word_end = NONE
    node.trie_node = 0
    node.state = parent.state
    node.state_after = NONE
    # 2. The boosting state.
    node.phrase = 0
    if scorer.phrases.is_boosted:
        node.phrase = scorer.phrases.next_state[parent.phrase, token]
    node.text = parent.text if scorer.tokens.has_word_ends else _add_to_text(parent.text, token)
    # 3. The language model's state and the trie node, as `language_gain` follows them.
    if scorer.lm_level == TOKEN_LEVEL:
        node.state = search.row_states[parent.row, token]
    elif scorer.lm_level == WORD_LEVEL:
        trie_node = parent.trie_node
        if scorer.tokens.starts_word[token] and trie_node != 0:
            node.state = parent.state_after
            trie_node = 0
        trie_node = follow_token(scorer, trie_node, token)
        if scorer.tokens.ends_word[token]:
            word_end_gain(search, scorer, parent_id, trie_node)  # the cache may hold a homophone by now
            node.state = parent.state_after
            node.text = _add_to_text(parent.text, scorer.trie.entries[trie_node])
            trie_node = 0
        node.trie_node = trie_node


@jit
def _add_to_text(text: int, part: int) -> int:
    """Return the number of a text and one more token or word, below 2**31."""
    return (1_000_003 * text + part + 1) % 2_147_483_647


@jit
def release_row(search: SearchBuffers, node_id: int) -> None:
    """Free the cached gains of a prefix that leaves the beam."""
    node = search.nodes[node_id]
    if node.row == NONE:
        return
    progress = search.progress[0]
    search.free_rows[progress.num_free_rows] = node.row
    progress.num_free_rows += 1
    node.row = NONE


@jit
def score_beam(search: SearchBuffers, scorer: Scorer, scores: Array) -> None:
    """Write the scores of each member of the beam: (beam_size, 7), a row as of `score_hypothesis` for each."""
    for index in range(search.progress[0].num_hypotheses):
        score_hypothesis(search, scorer, index, scores[index])


@jit
def score_hypothesis(search: SearchBuffers, scorer: Scorer, index: int, scores: Array) -> None:
    """Write the scores (7,) of one member of the beam, natural logs.

    They are the score so far, its language and boost parts, the gains of both should the utterance end
    here (0 for external models), the credit of a phrase under way, which counts only until then, and
    the word-end symbol that a last word lacks, or NONE.
    """
    # 1. The score so far and its parts.
    progress = search.progress[0]
    hypothesis = search.beams[progress.side, index]
    node = search.nodes[hypothesis.node]
    scores[0] = math.log(hypothesis.p_blank + hypothesis.p_nonblank) + progress.log_scale
    scores[1], scores[2] = node.language, node.boost
    scores[3] = scores[4] = 0.0
    scores[5] = scorer.phrases.credit[node.phrase]
    scores[6] = NONE
    # 2. The gains of an end here, after the word-end symbol that a last word lacks.
    if scorer.tokens.has_word_ends and node.trie_node != 0:
        _end_last_word(search, scorer, hypothesis.node, scores)
        return
    if not scorer.lm.is_external:
        scores[3] = _closing_gain(search, scorer, hypothesis.node, node.trie_node)
    scores[4] = scorer.phrases.end_gains[node.phrase]


@jit
def _end_last_word(search: SearchBuffers, scorer: Scorer, node_id: int, scores: Array) -> None:
    """End a word whose word-end symbol is missing by the best one that may follow."""
    # 1. The best of the word-end symbols that continue it.
    node, phrases = search.nodes[node_id], scorer.phrases
    scores[3] = -math.inf
    if node.trie_node != NONE:
        for child in range(scorer.trie.first_child[node.trie_node], scorer.trie.first_child[node.trie_node + 1]):
            token = scorer.trie.letters[child]  # each letter is a token itself
            if scorer.tokens.ends_word[token]:
                language = _closing_gain(search, scorer, node_id, child)
                phrase = phrases.next_state[node.phrase, token]
                boost = phrases.gains[node.phrase, token] + phrases.end_gains[phrase]
                if language + boost > scores[3] + scores[4]:
                    scores[3], scores[4], scores[6] = language, boost, token
    # 2. If there is none, cache that no word can end here.
    if scores[6] == NONE:
        word_end_gain(search, scorer, node_id, NONE)


@jit
def _closing_gain(search: SearchBuffers, scorer: Scorer, node_id: int, trie_node: int) -> float:
    """Return the gain of the last word, which ends at a trie node, and of the sentence end."""
    # 1. The last word's.
    node = search.nodes[node_id]
    gain = 0.0
    state = node.state
    if scorer.lm_level == WORD_LEVEL and node.trie_node != 0:
        gain = word_end_gain(search, scorer, node_id, trie_node)
        state = node.state_after
    # 2. The sentence end's.
    if scorer.lm.is_present and scorer.lm.end_word != NONE and gain > -math.inf:
        gain += scorer.weights.alpha * score_word(scorer.lm.automaton, state, scorer.lm.end_word)[0]
    return gain


@jit
def _token_gain(search: SearchBuffers, scorer: Scorer, node_id: int, token: int) -> float:
    # 1. A row of cached gains for the prefix.
    node = search.nodes[node_id]
    if node.row == NONE:
        progress = search.progress[0]
        progress.num_free_rows -= 1
        node.row = search.free_rows[progress.num_free_rows]
        search.row_gains[node.row, :] = math.nan
    # 2. The token's, which an external model leaves NaN.
    gain = search.row_gains[node.row, token]
    if math.isnan(gain) and not scorer.lm.is_external:
        word = scorer.lm.token_words[token]
        score, state = score_word(scorer.lm.automaton, node.state, word)
        gain = scorer.weights.alpha * score + scorer.weights.beta
        if word == scorer.lm.unknown_word:
            gain += scorer.weights.unknown_score
        search.row_gains[node.row, token] = gain
        search.row_states[node.row, token] = state
    return gain


@jit
def _find_child(scorer: Scorer, trie_node: int, letter: int) -> int:
    first, end = scorer.trie.first_child[trie_node], scorer.trie.first_child[trie_node + 1]
    child = find_first(scorer.trie.letters, first, end, letter)
    return child if child < end and scorer.trie.letters[child] == letter else NONE
