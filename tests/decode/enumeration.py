"""Every alignment of a short utterance, one by one: what beam search is checked against."""

import itertools
from collections import defaultdict

import numpy as np


def random_log_probs(num_frames, vocab_size, seed, spread=1.5):
    logits = np.random.default_rng(seed).normal(0, spread, (num_frames, vocab_size))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def collapse(path):
    return tuple(token for token, _ in itertools.groupby(path) if token != 0)


def entry_frames(path):
    """The frame at which a path enters each token of its labelling."""
    return tuple(t for t, token in enumerate(path) if token != 0 and (t == 0 or path[t - 1] != token))


def score_all_labellings(log_probs):
    """Log of the summed probability of each labelling's alignments, and the frames of its best one."""
    sums, best = defaultdict(float), {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        score = sum(log_probs[t, token] for t, token in enumerate(path))
        labelling = collapse(path)
        sums[labelling] += np.exp(score)
        if labelling not in best or score > best[labelling][0]:
            best[labelling] = (score, entry_frames(path))
    return {tokens: np.log(total) for tokens, total in sums.items()}, {
        tokens: frames for tokens, (_, frames) in best.items()
    }
