"""Utterances that go through compiled code together, against the same as streams, one by one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decode.batch import search_batch
from asr.decode.decoder import BeamDecoder
from asr.decode.kernel.frame import search_frames
from asr.errors import AsrError
from tests.decode import test_phones as phones
from tests.decode.decoders import make_decoder
from tests.decode.enumeration import random_log_probs
from tests.decode.scorer.test_build import Opaque, character_model
from tests.decode.test_phones import word_model

SYMBOLS = ["", "a", "b", " "]
WORDS = ["", "a", "t", "o", "w", " "]
KINDS = {
    "plain": (SYMBOLS, {}),
    "penalty": (SYMBOLS, {"blank_penalty": 1.5, "blank_skip": 0.7}),
    "vocabulary": (SYMBOLS, {"vocabulary": ["ab", "ba"]}),
    "hot words": (SYMBOLS, {"hotwords": {"ab a": 4.0, "b": -1.0}}),
    "words": (WORDS, {"language_model": word_model(), "hotwords": {"to a": 3.0}}),
    "closed": (WORDS, {"language_model": word_model(), "vocabulary": ["to", "two", "a"]}),
    "characters": (SYMBOLS, {"language_model": character_model()}),
    "phones": (phones.SYMBOLS, {"language_model": word_model(), "pronunciations": phones.WAYS}),
    "unscored phones": (phones.SYMBOLS, {"pronunciations": phones.WAYS, "hotwords": {"to": 2.0}}),
    "external": (WORDS, {"language_model": Opaque(word_model()), "unit": "word"}),
}


def in_blocks(decoder, log_probs, step=50):
    state = decoder.start()
    for first in range(0, len(log_probs), step):
        state.feed(log_probs[first : first + step])
    return state.finish()


@given(
    kind=st.sampled_from(sorted(KINDS)),
    seed=st.integers(0, 10**6),
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=6),
    precisions=st.lists(st.sampled_from([np.float16, np.float32, np.float64]), min_size=6, max_size=6),
    num_threads=st.integers(1, 3),
)
@settings(max_examples=120, deadline=None)
def test_a_batch_finds_what_streams_find(kind, seed, lengths, precisions, num_threads):
    symbols, chosen = KINDS[kind]
    decoder = make_decoder(symbols, beam_size=16, **chosen)
    batch = [
        random_log_probs(length, len(symbols), seed + place, spread=3).astype(precision)
        for place, (length, precision) in enumerate(zip(lengths, precisions, strict=False))
    ]
    together = decoder.decode_batch(batch, num_threads=num_threads)
    assert together == [in_blocks(decoder, log_probs) for log_probs in batch]


@pytest.mark.parametrize("num_frames", [1022, 1023, 1024, 1025, 2500])
def test_long_utterances_are_those_of_streams(num_frames):
    """Which decide at every 1024th frame what is old."""
    decoder = make_decoder(SYMBOLS, beam_size=32, beam_threshold=math.inf, hotwords={"ab": 3.0})
    batch = [random_log_probs(num_frames, 4, seed, spread=0.5) for seed in range(6)]
    assert decoder.decode_batch(batch, num_threads=2) == [in_blocks(decoder, log_probs, 300) for log_probs in batch]


def test_a_tree_that_grew_changes_nothing_for_the_next():
    decoder = make_decoder(SYMBOLS, beam_size=100, beam_threshold=math.inf)
    unsure = np.log(np.array([[0.02, 0.48, 0.48, 0.02], [0.94, 0.02, 0.02, 0.02]] * 260))
    for seed in range(12):
        log_probs = random_log_probs(500, 4, seed, spread=0.5)
        together = decoder.decode_batch([unsure, log_probs], num_threads=1)
        assert together == [in_blocks(decoder, unsure), in_blocks(decoder, log_probs)]


def test_wrong_utterances_are_named_and_harm_no_other():
    decoder = make_decoder(SYMBOLS, beam_size=8, vocabulary=["ab"])
    good = np.log(np.array([[0.05, 0.85, 0.05, 0.05], [0.05, 0.05, 0.85, 0.05]]))
    nothing = np.log(np.array([[1e-300, 1e-300, 1e-300, 1.0], [1e-300, 1e-300, 1.0, 1e-300]]))
    broken = np.array([*good, [math.nan] * 4])
    for nbest in (1, 2):
        for bad, error, message in [
            (broken, ValueError, r"^utterance 2: frame 2 holds NaN"),
            (good[:, :3], ValueError, r"^utterance 2: expected log_probs of shape"),
            (good + 1, ValueError, r"^utterance 2: .* sum to 2.7"),
        ]:
            with pytest.raises(error, match=message):
                decoder.decode_batch([good, good, bad, good], nbest=nbest)
    with pytest.raises(ValueError, match=r"^utterance 1: a length of 5 frames"):
        decoder.decode_batch([good, good], [2, 5])
    with pytest.raises(ValueError, match=r"^frame 2 holds NaN"):
        decoder.decode(broken)
    with pytest.raises(AsrError, match=r"^utterance 1: frame 1: nothing"):
        make_decoder(SYMBOLS, vocabulary=["ab"], beam_threshold=1.0).decode_batch([good, nothing])
    assert [found[0].tokens for found in decoder.decode_batch([good, good])] == [(1, 2), (1, 2)]


def test_counts_are_checked_before_anything_is_decoded():
    decoder = make_decoder(SYMBOLS)
    with pytest.raises(ValueError, match="nbest is 0"):
        decoder.decode_batch([], nbest=0)
    with pytest.raises(ValueError, match="num_threads is -1"):
        decoder.decode_batch([], num_threads=-1)
    assert decoder.decode_batch([]) == []


def test_short_utterances_are_shared_among_threads(monkeypatch):
    groups = []
    decode = BeamDecoder._decode
    monkeypatch.setattr(BeamDecoder, "_decode", lambda self, *args: groups.append(args[-1]) or decode(self, *args))
    make_decoder(SYMBOLS).decode_batch([random_log_probs(50, 4, seed) for seed in range(8)], num_threads=4)
    assert [len(group) for group in groups] == [2, 2, 2, 2]


@pytest.mark.parametrize("lay", [np.asfortranarray, lambda array: array[::2], lambda array: array.tolist()])
def test_how_numbers_lie_in_memory_compiles_nothing_anew(lay):
    decoder = make_decoder(SYMBOLS)
    log_probs = random_log_probs(20, 4, seed=1).astype(np.float32)
    before = len(search_batch.signatures), len(search_frames.signatures)
    assert decoder.decode(lay(log_probs)) == in_blocks(decoder, np.ascontiguousarray(lay(log_probs)))
    assert in_blocks(decoder, lay(log_probs)) == decoder.decode(lay(log_probs))
    assert (len(search_batch.signatures), len(search_frames.signatures)) == before
