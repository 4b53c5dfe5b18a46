"""Streams against whole utterances: blocks, forks, commits and bounded memory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decode.decoders import make_decoder
from tests.decode.enumeration import random_log_probs

SYMBOLS = ["", "a", "b", " "]


@given(
    seed=st.integers(0, 10**6),
    num_frames=st.integers(0, 60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    beam_size=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_blocks_change_nothing(seed, num_frames, cuts, beam_size):
    decoder = make_decoder(SYMBOLS, beam_size=beam_size, blank_skip=0.6, hotwords={"ab": 2.0})
    log_probs = random_log_probs(num_frames, 4, seed, spread=3)
    state = decoder.start()
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), num_frames], strict=True):
        state.feed(log_probs[first:last])
        state.best(3)
    assert state.finish(beam_size) == decoder.decode(log_probs, beam_size)
    assert state.num_frames == num_frames


@given(seed=st.integers(0, 10**6), cut=st.integers(0, 40), beam_size=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_a_fork_goes_its_own_way(seed, cut, beam_size):
    decoder = make_decoder(SYMBOLS, beam_size=beam_size, hotwords={"ab": 2.0})
    log_probs, others = (random_log_probs(40, 4, seed + own, spread=3) for own in (0, 1))
    state = decoder.start()
    state.feed(log_probs[:cut])
    fork = state.fork()
    fork.feed(others)
    state.feed(log_probs[cut:])
    assert fork.finish(beam_size) == decoder.decode(np.concatenate([log_probs[:cut], others]), beam_size)
    assert state.finish(beam_size) == decoder.decode(log_probs, beam_size)


@pytest.mark.parametrize("seed", range(5))
def test_a_fork_may_prune_more(seed):
    log_probs = random_log_probs(40, 4, seed, spread=3)
    wide, narrow = (make_decoder(SYMBOLS, beam_size=12, beam_threshold=threshold) for threshold in (20.0, 2.0))
    state = wide.start()
    fork = state.fork(beam_threshold=2.0)
    fork.feed(log_probs)
    state.feed(log_probs)
    assert fork.finish(12) == narrow.decode(log_probs, 12)
    assert state.finish(12) == wide.decode(log_probs, 12)
    assert narrow.decode(log_probs, 12) != wide.decode(log_probs, 12)


def test_compaction_and_growth_do_not_change_results():
    log_probs = random_log_probs(3000, 4, seed=1, spread=0.5)
    decoder = make_decoder(SYMBOLS, beam_size=40)
    state = decoder.start()
    committed_tokens, committed_frames = [], []
    for first in range(0, 3000, 100):
        state.feed(log_probs[first : first + 100])
        tokens, frames = state.commit()
        committed_tokens += tokens
        committed_frames += frames
    rest = state.finish()[0]
    whole = decoder.decode(log_probs)[0]
    assert (*committed_tokens, *rest.tokens) == whole.tokens
    assert len(committed_tokens) > 500
    assert rest.score == pytest.approx(whole.score)
    frames = [*committed_frames, *rest.frames]
    assert len(frames) == len(whole.tokens)
    assert np.mean(np.array(frames) == whole.frames) > 0.99  # committed ones are those of the then best hypothesis
    assert all(np.diff(whole.frames) > 0)


def test_a_finished_search_takes_no_more():
    state = make_decoder(SYMBOLS).start()
    state.finish()
    with pytest.raises(ValueError, match="finished"):
        state.feed(random_log_probs(2, 4, 0))


def speechlike_log_probs(num_frames, seed):
    """Mostly blank, a clear or less clear label every fourth frame: 29 symbols."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (num_frames, 29))
    logits[:, 0] += 8
    spoken = rng.choice(num_frames, num_frames // 4, replace=False)
    logits[spoken, rng.integers(1, 29, len(spoken))] += rng.uniform(8, 16, len(spoken))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def test_ten_hours_take_as_much_memory_at_the_end_as_at_the_start():
    # How long a frame takes: tools/benchmarks/decoder_stream.py.
    blocks = [speechlike_log_probs(100, seed) for seed in range(50)]
    state = make_decoder(["", *"abcdefghijklmnopqrstuvwxyz'", " "], beam_size=16).start()
    num_blocks = 10 * 3600 * 25 // 100  # of 25 frames a second
    sizes, num_committed = np.empty(num_blocks), 0
    for index in range(num_blocks):
        state.feed(blocks[index % len(blocks)])
        num_committed += len(state.commit()[0])
        sizes[index] = state.num_bytes
    assert state.num_frames == 900_000
    assert num_committed > 150_000
    assert sizes[-1] == sizes[num_blocks // 10] < 2e6


def test_alternatives_that_stay_open_are_decided_at_last():
    # Each pair of frames leaves "a" and "b" equally probable for ever.
    decoder = make_decoder(SYMBOLS, beam_size=300, beam_threshold=math.inf)
    frames = np.log(np.tile([[0.02, 0.48, 0.48, 0.02], [0.94, 0.02, 0.02, 0.02]], (4096, 1)))
    state = decoder.start()
    state.feed(frames)
    assert len(state._search.nodes) <= 2 * 300 * 1024
    assert len(state.commit()[0]) > 3900
    assert len(decoder.decode(frames)[0].tokens) == 4096
