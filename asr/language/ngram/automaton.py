"""An n-gram model as an automaton of arrays, for compiled code.

A state is a context: state 0 is the empty one, state `1 + word` the single word, and so on up
to order N - 1. Its arcs, sorted by word, are the n-grams that continue it. If there is no arc for a word,
the state's backoff is added and the word is looked up in its longest proper suffix. A longer context
that nothing continues has no state, since its suffix gives the same scores.
"""

import math
from typing import NamedTuple

from asr.jit import Array, jit
from asr.select import find_first


class Automaton(NamedTuple):
    """The arrays of a model; natural logs."""

    word_scores: Array  # (W,) float32, unigrams
    first_arc: Array  # (S + 1,) int32, the first arc of each state
    backoff: Array  # (S,) float32
    suffix: Array  # (S,) int32, the next shorter context; 0 for the empty one
    arc_words: Array  # (A,) int32
    arc_scores: Array  # (A,) float32
    arc_states: Array  # (A,) int32, the longest context that is a state, after the arc's word


LEAST_LEFT = 1e-7  # least probability that a context leaves for other words; 32 bits can distinguish it from 0


@jit
def find_arc(automaton: Automaton, state: int, word: int) -> int:
    """Return the arc that continues a state by a word, or -1."""
    end = automaton.first_arc[state + 1]
    arc = find_first(automaton.arc_words, automaton.first_arc[state], end, word)
    return arc if arc < end and automaton.arc_words[arc] == word else -1


@jit
def score_word(automaton: Automaton, state: int, word: int) -> tuple[float, int]:
    """Return the natural-log probability of a word after a context, and the next context."""
    score = 0.0
    while state != 0:
        arc = find_arc(automaton, state, word)
        if arc >= 0:
            return score + automaton.arc_scores[arc], automaton.arc_states[arc]
        score += automaton.backoff[state]
        state = automaton.suffix[state]
    return score + automaton.word_scores[word], word + 1


@jit
def score_sequence(automaton: Automaton, state: int, words: Array, scores: Array) -> int:
    """Write the scores of successive words to `scores`; return the state after the last."""
    for index in range(len(words)):
        scores[index], state = score_word(automaton, state, words[index])
    return state


@jit
def find_contexts(automaton: Automaton, ngrams: Array, contexts: Array) -> None:
    """Find the state of all but the last word of each n-gram; -1 if the model lacks it."""
    num_words = len(automaton.word_scores)
    for row in range(len(ngrams)):
        state = 1 + ngrams[row, 0]
        for column in range(1, ngrams.shape[1] - 1):
            arc = find_arc(automaton, state, ngrams[row, column])
            if arc < 0:
                state = -1
                break
            state = 1 + num_words + arc
        contexts[row] = state


@jit
def connect(automaton: Automaton, contexts: Array, words: Array, suffixes: Array) -> None:
    """Find the longest state that is a proper suffix of each context and word."""
    num_words = len(automaton.word_scores)
    for row in range(len(contexts)):
        # 1. The longest suffix of the context that the word continues.
        state = automaton.suffix[contexts[row]]
        arc = -1
        while state != 0:
            arc = find_arc(automaton, state, words[row])
            if arc >= 0:
                break
            state = automaton.suffix[state]
        # 2. Its state with the word; without one, that of the single word.
        suffixes[row] = 1 + num_words + arc if arc >= 0 else 1 + words[row]


@jit
def set_backoffs(automaton: Automaton) -> None:
    """Set the backoffs so that the probabilities after each context sum to 1."""
    for state in range(1, len(automaton.backoff)):
        # 1. What the arcs leave for other words, and what the suffix leaves for them.
        left = shorter_left = 1.0
        for arc in range(automaton.first_arc[state], automaton.first_arc[state + 1]):
            left -= math.exp(automaton.arc_scores[arc])
            # Shorter contexts have lower numbers, so their weights are set already.
            shorter_left -= math.exp(score_word(automaton, automaton.suffix[state], automaton.arc_words[arc])[0])
        # 2. The factor between both.
        automaton.backoff[state] = math.log(max(left, LEAST_LEFT) / max(shorter_left, LEAST_LEFT))
