"""Networks on an encoder's frames, without convolutions: against the equations, torch and streams."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import AcousticSettings, FeatureSettings, ModelSettings
from asr.runtime.acoustic_graph import AcousticGraphs
from asr.runtime.graph import open_session
from asr.runtime.network import ChunkSize
from asr.runtime.onnx_network import OnnxNetwork
from tests.models import make_weights
from tests.runtime.references import compute_chunks, compute_log_probs
from tests.runtime.test_onnx_network import VOCAB_SIZE, make_features
from tests.runtime.test_onnx_stream import streamed

SIZE = 12  # two frames of an encoder with six numbers
ACOUSTIC = AcousticSettings(num_layers=2, hidden_size=8)
SETTINGS = ModelSettings(features=FeatureSettings(kind="whisper", encoder_size=SIZE // 2), acoustic=ACOUSTIC)
WEIGHTS = make_weights(SETTINGS, VOCAB_SIZE, 0, head_scale=10)
NETWORK = OnnxNetwork(WEIGHTS, SETTINGS, precision="fp32")


@pytest.mark.parametrize("num_frames", [1, 2, 3, 37])
def test_the_graph_computes_the_equations_with_a_frame_for_each(num_frames: int):
    features = make_features(num_frames, SIZE)
    (ours,) = NETWORK.run([features])
    assert ours.shape == (num_frames, VOCAB_SIZE)
    np.testing.assert_allclose(ours, compute_log_probs(WEIGHTS, SETTINGS, features), atol=1e-5, rtol=0)
    assert not any("convolutions" in name for name in WEIGHTS)


def test_a_padded_batch_in_one_graph_gives_what_each_gives_alone():
    session = open_session(AcousticGraphs(WEIGHTS, SETTINGS, int8=False).batch({}))
    lengths = np.array([20, 7, 1])
    padded = 100 * np.random.default_rng(0).standard_normal((3, 22, SIZE)).astype(np.float32)
    for row, length in zip(padded, lengths, strict=True):
        row[:length] = make_features(length, SIZE, seed=length)
    log_probs, num_frames = session.run(None, {"features": padded, "lengths": lengths})
    assert num_frames.tolist() == lengths.tolist()
    for row, given_, length in zip(log_probs, padded, lengths, strict=True):
        expected = compute_log_probs(WEIGHTS, SETTINGS, given_[:length])
        np.testing.assert_allclose(row[:length], expected, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=15)
@given(
    blocks=st.lists(st.integers(0, 20), min_size=1, max_size=8),
    chunk=st.integers(1, 9),
    right_context=st.integers(0, 9),
)
def test_streams_see_no_more_than_they_should_however_the_blocks_come(
    blocks: list[int], chunk: int, right_context: int
):
    features = make_features(sum(blocks), SIZE)
    found = streamed(NETWORK, features, ChunkSize(chunk, right_context), blocks)
    expected = compute_chunks(WEIGHTS, SETTINGS, features, chunk, right_context)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
