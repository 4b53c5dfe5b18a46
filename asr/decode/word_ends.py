"""Word-end symbols of phone models: of words that sound alike, each ends with another symbol."""

import math
from collections.abc import Collection

import numpy as np

from asr.jit import Array


def pool_word_ends(log_probs: Array, word_ends: Collection[int]) -> Array:
    """Spread the probability of the tokens `word_ends` in (T, V) log probabilities evenly over them.

    The network recognises that a word has ended, but not which of several homophones it was; the language model does.
    """
    if len(word_ends) < 2:
        return log_probs
    columns = list(word_ends)
    pooled = np.array(log_probs)
    pooled[:, columns] = np.logaddexp.reduce(pooled[:, columns], axis=1, keepdims=True) - math.log(len(columns))
    return pooled
