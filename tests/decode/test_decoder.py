"""Beam search against the enumeration of all alignments, and against itself in blocks and threads."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from asr.errors import AsrError, ConfigError
from tests.decode.decoders import EVERYTHING, make_decoder
from tests.decode.enumeration import random_log_probs, score_all_labellings

SYMBOLS = ["", "a", "b", " "]


def exact(symbols=SYMBOLS, **settings_):
    return make_decoder(symbols, **{**EVERYTHING, **settings_})


def one_hot(path, vocab_size, certainty=0.97):
    probs = np.full((len(path), vocab_size), (1 - certainty) / (vocab_size - 1))
    probs[np.arange(len(path)), path] = certainty
    return np.log(probs)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("num_frames", "vocab_size"), [(1, 3), (5, 3), (6, 4), (8, 2)])
def test_full_width_beam_finds_every_labelling_with_its_exact_probability(seed, num_frames, vocab_size):
    log_probs = random_log_probs(num_frames, vocab_size, seed)
    scores, frames = score_all_labellings(log_probs)
    hypotheses = exact(SYMBOLS[:vocab_size]).decode(log_probs, nbest=len(scores))
    assert hypotheses[0].tokens == max(scores, key=scores.get)
    assert {h.tokens: h.score for h in hypotheses} == pytest.approx(scores)
    assert {h.tokens: h.frames for h in hypotheses} == frames
    assert [h.score for h in hypotheses] == sorted((h.score for h in hypotheses), reverse=True)


def test_repeated_label_needs_a_blank_between():
    hypothesis = exact().decode(one_hot([1, 1, 0, 1, 2], 4))[0]
    assert (hypothesis.tokens, hypothesis.frames) == ((1, 1, 2), (0, 3, 4))


def test_best_labelling_need_not_be_the_best_path():
    # Hannun et al. 2014: blank has the best path (0.36), "a" the larger sum (0.64).
    log_probs = np.log([[0.6, 0.4], [0.6, 0.4]])
    hypothesis = exact(["", "a"]).decode(log_probs)[0]
    assert hypothesis.tokens == (1,)
    assert hypothesis.score == pytest.approx(math.log(0.64))


@pytest.mark.parametrize("beam_size", [1, 4, 16])
def test_narrow_beams_give_true_probabilities_at_most(beam_size):
    log_probs = random_log_probs(7, 4, seed=3)
    scores, _ = score_all_labellings(log_probs)
    for hypothesis in exact(beam_size=beam_size).decode(log_probs, nbest=beam_size):
        assert hypothesis.score <= scores[hypothesis.tokens] + 1e-9


def test_many_equal_prefixes_fill_the_beam_exactly():
    log_probs = np.log(np.full((6, 4), 0.25))
    assert len(exact(beam_size=5).decode(log_probs, nbest=9)) == 5
    assert (
        len(
            exact(["", *map(chr, range(0x4E00, 0x4E00 + 999))], beam_size=7).decode(
                np.full((3, 1000), -math.log(1000)), 9
            )
        )
        == 7
    )


def test_max_tokens_lets_only_the_most_probable_extend():
    log_probs = np.log([[0.1, 0.2, 0.6, 0.1]] * 3)
    found = {h.tokens for h in exact(max_tokens=1).decode(log_probs, nbest=99)}
    assert found == {(), (2,), (2, 2)}


def test_threads_change_nothing():
    batch = [random_log_probs(200 + 10 * i, 4, seed=i) for i in range(12)]
    decoder = make_decoder(SYMBOLS, beam_size=8)
    one = decoder.decode_batch(batch, num_threads=1, nbest=3)
    assert decoder.decode_batch(batch, num_threads=4, nbest=3) == one


def test_lengths_cut_padding_off():
    batch = np.stack([random_log_probs(9, 4, seed=0), random_log_probs(9, 4, seed=1)])
    decoder = exact()
    assert decoder.decode_batch(batch, [9, 4])[1] == decoder.decode(batch[1, :4])
    with pytest.raises(ValueError, match="length of 10 frames"):
        decoder.decode_batch(batch, [10, 4])
    with pytest.raises(ValueError, match="length of -1 frames"):
        decoder.decode_batch(batch, [9, -1])
    with pytest.raises(ValueError, match="2 utterances came with 1 lengths"):
        decoder.decode_batch(batch, [9])


def test_blank_frames_are_skipped_without_losing_repeats():
    log_probs = one_hot([1, 0, 0, 0, 1, 0, 0], 4, certainty=0.9999)
    hypothesis = make_decoder(SYMBOLS, blank_skip=0.999).decode(log_probs)[0]
    assert (hypothesis.tokens, hypothesis.frames) == ((1, 1), (0, 4))
    assert hypothesis.score == pytest.approx(7 * math.log(0.9999), abs=1e-3)


def test_nothing_said():
    decoder = exact()
    for log_probs, score in [(np.zeros((0, 4)), 0.0), (one_hot([0] * 50, 4, 1.0 - 1e-12), 0.0)]:
        hypothesis = decoder.decode(log_probs)[0]
        assert (hypothesis.tokens, hypothesis.frames) == ((), ())
        assert hypothesis.score == pytest.approx(score, abs=1e-6)
    assert decoder.decode(one_hot([2], 4))[0].tokens == (2,)


def test_impossible_tokens_are_never_decoded():
    with np.errstate(divide="ignore"):
        log_probs = np.log([[0.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]])
    hypotheses = exact().decode(log_probs, nbest=9)
    assert [h.tokens for h in hypotheses] == [(1,)]
    assert hypotheses[0].score == pytest.approx(0)


@pytest.mark.parametrize(
    "settings_",
    [
        {"beam_size": 0},
        {"beam_size": 10**9},
        {"beam_threshold": -1},
        {"token_threshold": 0},
        {"max_tokens": 0},
        {"blank_skip": 0},
        {"alpha": -1},
        {"alpha": math.inf},
        {"beta": math.nan},
        {"unknown_score": -math.inf},
        {"unit": "words"},
        {"hotwords": "ab"},
    ],
)
def test_settings_out_of_range_are_named(settings_):
    with pytest.raises(ConfigError, match=next(iter(settings_))):
        make_decoder(SYMBOLS, **settings_)


def test_nbest_must_be_at_least_one():
    with pytest.raises(ValueError, match="nbest is 0; expected at least 1"):
        exact().decode(one_hot([1], 4), nbest=0)


@pytest.mark.parametrize("bonus", [{"hotwords": {"ab": 6.0}}, {"vocabulary": ["ab"], "beta": 6.0}])
def test_bonuses_may_add_up_without_end(bonus):
    # 2000 words at e**6 each are e**12000; the largest double is e**709.
    log_probs = one_hot([1, 2, 3] * 2000, 4, certainty=0.999)
    hypothesis = make_decoder(SYMBOLS, beam_size=8, **bonus).decode(log_probs)[0]
    assert hypothesis.tokens == (1, 2, 3) * 2000
    assert hypothesis.language + hypothesis.boost == pytest.approx(12000)
    assert hypothesis.acoustic == pytest.approx(6000 * math.log(0.999), abs=0.1)


WITHOUT_TORCH = """
import sys
sys.modules |= dict.fromkeys(["torch", "torchaudio", "librosa"])  # None: importing them fails
import numpy as np
from asr.decode.decoder import BeamDecoder
print(BeamDecoder(["", "a"]).decode(np.log([[0.4, 0.6]]))[0].tokens)
"""


def test_decoding_needs_numpy_and_numba_alone():
    printed = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True)
    assert printed.stdout == "(1,)\n"


FIRST_USE = """
import numpy as np
from asr.decode.decoder import BeamDecoder
BeamDecoder(["", "a"]).decode(np.log([[0.4, 0.6]]))
"""


@pytest.mark.slow
def test_the_first_process_compiles_and_says_so_and_the_next_loads_what_it_left(tmp_path):
    # As a first use is: with a cache of its own.
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    printed, left = [], []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", FIRST_USE], env=environment, capture_output=True, text=True, check=True
        )
        printed.append(run.stderr)
        left.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")})
    assert printed == ["compiling the beam search for this machine; this happens once\n", ""]
    assert left[0]
    assert left[1] == left[0]


def test_a_vocabulary_that_cannot_explain_the_audio_is_an_error():
    with np.errstate(divide="ignore"):
        log_probs = np.log([[0.0, 0.0, 1.0, 0.0]])
    with pytest.raises(AsrError, match="frame 0: nothing that vocabulary and language model allow"):
        exact(vocabulary=["a"]).decode(log_probs)
