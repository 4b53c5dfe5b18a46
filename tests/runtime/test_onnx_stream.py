"""Streams on ONNX Runtime against the same weights on the whole utterance, and against the equations written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.runtime.network import ChunkSize
from asr.runtime.onnx_network import OnnxNetwork
from asr.runtime.onnx_stream import OnnxStream, OnnxStreamingNetwork
from tests.models import make_weights
from tests.runtime.references import compute_chunks
from tests.runtime.test_onnx_network import VOCAB_SIZE, make_features, make_network, make_settings


def streamed(network: OnnxNetwork, features: np.ndarray, chunk_size: ChunkSize, blocks: list[int]) -> np.ndarray:
    """The log probabilities of features that come in blocks of these lengths."""
    streaming = network.streaming(chunk_size)
    stream = streaming.start()
    found = [step(streaming, stream, block) for block in np.split(features, np.cumsum(blocks)[:-1])]
    return np.concatenate([*found, step(streaming, stream, features[:0], last=True)])


def step(
    streaming: OnnxStreamingNetwork, stream: OnnxStream, features: np.ndarray, *, last: bool = False
) -> np.ndarray:
    """The log probabilities that more features complete."""
    stream.feed(features, last=last)
    (log_probs,) = streaming.run([stream])
    assert log_probs.dtype == np.float32
    assert log_probs.shape[1:] == (VOCAB_SIZE,)
    return log_probs


@st.composite
def cut_features(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    """Features, and lengths of the blocks in which they come; some are empty."""
    blocks = draw(st.lists(st.integers(0, 30), min_size=1, max_size=8))
    return make_features(sum(blocks)), blocks


NETWORKS = {
    (cell, direction): make_network(make_settings(cell, direction))
    for cell in ("lstm", "gru", "rnn")
    for direction in ("bi", "forward")
}


@pytest.mark.parametrize(("cell", "direction"), NETWORKS)
@settings(deadline=None, max_examples=15)
@given(cut=cut_features(), chunk=st.integers(1, 12))
def test_unlimited_right_context_gives_the_whole_utterances_result(
    cell: str, direction: str, cut: tuple[np.ndarray, list[int]], chunk: int
):
    features, blocks = cut
    network = NETWORKS[cell, direction]
    found = streamed(network, features, ChunkSize(chunk, right_context=10_000), blocks)
    np.testing.assert_allclose(found, network.run([features])[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("cell", "direction"), NETWORKS)
@settings(deadline=None, max_examples=15)
@given(cut=cut_features(), chunk=st.integers(1, 9), right_context=st.integers(0, 9))
def test_chunks_see_no_more_than_they_should_however_the_blocks_come(
    cell: str, direction: str, cut: tuple[np.ndarray, list[int]], chunk: int, right_context: int
):
    features, blocks = cut
    settings_ = make_settings(cell, direction)
    found = streamed(NETWORKS[cell, direction], features, ChunkSize(chunk, right_context), blocks)
    weights = make_weights(settings_, VOCAB_SIZE, 0, head_scale=10)
    expected = compute_chunks(weights, settings_, features, chunk, right_context)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_how_a_stream_is_cut_makes_no_difference(precision: str):
    network, features = make_network(make_settings(), precision), make_features(200)
    whole = streamed(network, features, ChunkSize(6, 4), [200])
    for blocks in ([7] * 28 + [4], [1] * 200, [0, 199, 0, 1]):
        # To the last bit, also in 8 bits: a chunk is computed from the same frames.
        np.testing.assert_array_equal(streamed(network, features, ChunkSize(6, 4), blocks), whole)


def test_streams_in_8_bits_are_near_those_of_the_whole_utterance():
    network, features = make_network(make_settings(num_layers=3), "int8"), make_features(300)
    (whole,) = network.run([features])
    found = streamed(network, features, ChunkSize(10, 10_000), [40] * 7 + [20])
    assert np.abs(np.exp(found) - np.exp(whole)).max() < 0.1


def test_a_forward_model_waits_for_no_right_context():
    features = make_features(101)
    network = NETWORKS["lstm", "forward"]
    streaming = network.streaming(ChunkSize(chunk=5, right_context=50))
    stream = streaming.start()
    first = step(streaming, stream, features[:40])
    assert len(first) >= 5
    rest = step(streaming, stream, features[40:], last=True)
    np.testing.assert_allclose(np.concatenate([first, rest]), network.run([features])[0], atol=1e-5, rtol=0)


def test_more_right_context_comes_closer_to_the_whole_utterance():
    network, features = NETWORKS["lstm", "bi"], make_features(400)
    (whole,) = network.run([features])
    gaps = [np.abs(streamed(network, features, ChunkSize(10, right), [400]) - whole).mean() for right in (0, 4, 16, 64)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < gaps[0] / 100


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_streams_side_by_side_give_what_each_gives_alone(precision: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("asr.runtime.threads.count_threads", lambda: 3)
    network, chunk_size = make_network(make_settings(), precision), ChunkSize(chunk=4, right_context=3)
    recordings = [make_features(length, seed=seed) for seed, length in enumerate((90, 33, 120, 1))]
    streaming = network.streaming(chunk_size)
    streams = [streaming.start() for _ in recordings]
    found: list[list[np.ndarray]] = [[] for _ in recordings]
    for at in range(0, 120, 13):
        for stream, features in zip(streams, recordings, strict=True):
            if at < len(features):
                stream.feed(features[at : at + 13], last=at + 13 >= len(features))
        for parts, log_probs in zip(found, streaming.run(streams), strict=True):
            parts.append(log_probs)
        streaming.preview(streams)  # in between: it changes nothing
    for parts, features in zip(found, recordings, strict=True):
        np.testing.assert_array_equal(np.concatenate(parts), streamed(network, features, chunk_size, [len(features)]))


def test_a_stream_holds_no_more_than_it_waits_for():
    streaming = NETWORKS["lstm", "bi"].streaming(ChunkSize(chunk=5, right_context=5))
    stream = streaming.start()
    for _ in range(50):
        step(streaming, stream, make_features(40))
        assert len(stream.frames) < 10
        assert not stream.is_ready
        held = stream.frames.base
        assert held is None or len(held) < 30  # nor a larger array that the rest is a part of


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_preview_says_what_would_come_if_nothing_followed_and_changes_nothing(precision: str):
    streaming = make_network(make_settings(), precision).streaming(ChunkSize(chunk=30, right_context=6))
    streams, twins = [streaming.start() for _ in range(2)], [streaming.start() for _ in range(2)]
    for stream, twin, seed, length in zip(streams, twins, (1, 2), (70, 75), strict=True):
        step(streaming, stream, make_features(length, seed=seed))
        step(streaming, twin, make_features(length, seed=seed))
    previews = streaming.preview([*streams, streaming.start()])
    assert previews[2].shape == (0, VOCAB_SIZE)
    for stream, twin, preview in zip(streams, twins, previews, strict=False):
        held = len(twin.frames)
        assert held > 0
        assert np.array_equal(stream.frames, twin.frames)
        assert np.array_equal(stream.states, twin.states)
        twin.feed(make_features(0), last=True)  # one more frame, of the convolution's edge: not in the preview
        twin.frames = twin.frames[:held]
        np.testing.assert_array_equal(preview, streaming.run([twin])[0])
        assert len(stream.frames) == held


def test_previews_go_on_from_what_came_before():
    """Not only before the first chunk, where the state is zero."""
    network, features = NETWORKS["lstm", "forward"], make_features(203)
    streaming = network.streaming(ChunkSize(chunk=8, right_context=0))
    stream = streaming.start()
    found = step(streaming, stream, features)
    (preview,) = streaming.preview([stream])
    assert len(preview) > 0
    (whole,) = network.run([features])
    ahead = len(found) + len(preview)
    np.testing.assert_allclose(np.concatenate([found, preview]), whole[:ahead], atol=1e-5, rtol=0)


def test_misuse_is_refused():
    stream = NETWORKS["lstm", "bi"].streaming(ChunkSize(4, 4)).start()
    stream.feed(make_features(10), last=True)
    with pytest.raises(ValueError, match="has ended"):
        stream.feed(make_features(10))


def test_streams_of_nothing():
    streaming = NETWORKS["lstm", "bi"].streaming(ChunkSize(4, 4))
    assert streaming.run([]) == streaming.preview([]) == []
    stream = streaming.start()
    stream.feed(make_features(0), last=True)
    assert streaming.run([stream])[0].shape == (0, VOCAB_SIZE)
