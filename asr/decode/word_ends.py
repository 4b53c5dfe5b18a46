"""Word-end symbols: log probabilities in, the same with those symbols made equally probable out.

The tokens of phone models include several symbols that end a word, one for each of the words that sound alike.
"""

import math
from collections.abc import Collection

import numpy as np

from asr.jit import Array


def pool_word_ends(log_probs: Array, word_ends: Collection[int]) -> Array:
    """Spread the probability of the word-end symbols evenly over them.

    The network can hear that a word has ended, but not which of several homophones it was: the language model decides.

    Args:
        log_probs: (T, V) natural logs.
        word_ends: The tokens that end words.
    """
    if len(word_ends) < 2:
        return log_probs
    columns = list(word_ends)
    pooled = np.array(log_probs)
    pooled[:, columns] = np.logaddexp.reduce(pooled[:, columns], axis=1, keepdims=True) - math.log(len(columns))
    return pooled
