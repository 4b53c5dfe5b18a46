"""Checks, blank penalties and buffers that streams and batches share."""

import math

import numpy as np
import pytest

from asr.errors import ConfigError
from tests.decode.decoders import EVERYTHING, make_decoder
from tests.decode.enumeration import random_log_probs, score_all_labellings

SYMBOLS = ["", "a", "b", " "]


def exact(**settings_):
    return make_decoder(SYMBOLS, **EVERYTHING, **settings_)


@pytest.mark.parametrize("penalty", [0.5, 2.0])
def test_less_probable_blanks_are_those_of_a_network_that_says_so(penalty):
    log_probs = random_log_probs(6, 4, seed=5)
    penalized = log_probs - np.array([penalty, 0, 0, 0])
    penalized -= np.logaddexp.reduce(penalized, axis=1, keepdims=True)
    scores, _ = score_all_labellings(penalized)
    hypotheses = exact(blank_penalty=penalty).decode(log_probs, nbest=len(scores))
    assert {h.tokens: h.score for h in hypotheses} == pytest.approx(scores)
    certain = np.log(np.array([[1.0, 0, 0, 0]]).clip(1e-300))
    assert exact(blank_penalty=penalty).decode(certain)[0].tokens == ()
    with pytest.raises(ValueError, match="sum to 2"):
        exact(blank_penalty=penalty).decode(log_probs + np.log(2))
    with pytest.raises(ConfigError, match=r"blank_penalty: .* \(found -1\)"):
        exact(blank_penalty=-1)


def test_memory_of_earlier_utterances_changes_nothing():
    decoder = make_decoder(SYMBOLS, beam_size=8, blank_skip=0.6, hotwords={"ab": 2.0})
    for seed, num_frames in enumerate([300, 0, 7, 4000, 1, 50]):
        with pytest.raises(ValueError, match="NaN"):
            decoder.decode([*random_log_probs(3, 4, seed), [math.nan] * 4])
        log_probs = random_log_probs(num_frames, 4, seed, spread=3)
        fresh = make_decoder(SYMBOLS, beam_size=8, blank_skip=0.6, hotwords={"ab": 2.0})
        assert decoder.decode(log_probs, nbest=8) == fresh.decode(log_probs, nbest=8)
        assert decoder.reweighted(alpha=0, beta=0, beam_size=3).decode(log_probs)


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        (np.full((3, 4), np.nan), "frame 0 holds NaN"),
        (np.vstack([random_log_probs(2, 4, 0), [[np.nan, 0, 0, 0]]]), "frame 2 holds NaN"),
        (np.zeros((3, 4)), "sum to 4, not 1"),
        (np.random.default_rng(0).normal(size=(3, 4)), "log_softmax"),
        (np.zeros((3, 5)), r"shape \(frames, 4\), found \(3, 5\)"),
        (np.zeros((2, 3, 4)), r"found \(2, 3, 4\)"),
        (np.zeros(4), r"found \(4,\)"),
    ],
)
def test_wrong_input_is_named(log_probs, message):
    with pytest.raises(ValueError, match=message):
        exact().decode(log_probs)
