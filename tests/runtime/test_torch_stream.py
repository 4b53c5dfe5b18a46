"""The streaming network against the same weights on the whole utterance."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.acoustic.model import AcousticModel
from asr.config import AcousticSettings
from asr.runtime.network import ChunkSize
from asr.runtime.torch_stream import SubsamplingStream, TorchStream, TorchStreamingNetwork

NUM_MELS = 12


def make_model(cell: str = "lstm", direction: str = "bi", num_layers: int = 2) -> AcousticModel:
    torch.manual_seed(0)
    shape = AcousticSettings(cell=cell, direction=direction, num_layers=num_layers, hidden_size=8, conv_channels=3)
    model = AcousticModel(shape, feature_size=NUM_MELS, vocab_size=5).eval()
    with torch.no_grad():
        model.head.weight *= 10  # so that differences show
    return model


def make_features(num_frames: int, seed: int = 1) -> Tensor:
    return torch.randn(num_frames, NUM_MELS, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def offline(model: AcousticModel, features: Tensor) -> Tensor:
    output = model(features[None], torch.tensor([len(features)]))
    return output.log_probs[0, : int(output.lengths[0])]


def streamed(model: AcousticModel, features: Tensor, chunk_size: ChunkSize, blocks: list[int]) -> Tensor:
    network = TorchStreamingNetwork(model, chunk_size)
    stream = network.start()
    found = [step(network, stream, block) for block in features.split(blocks)]
    return torch.cat([*found, step(network, stream, features[:0], last=True)])


def step(network: TorchStreamingNetwork, stream: TorchStream, features: Tensor, *, last: bool = False) -> Tensor:
    """The log probabilities that more features complete."""
    stream.feed(features.numpy(), last=last)
    return torch.from_numpy(network.run([stream])[0])


@st.composite
def cut_features(draw: st.DrawFn) -> tuple[Tensor, list[int]]:
    """Features, and lengths of the blocks in which they come; some are empty."""
    blocks = draw(st.lists(st.integers(0, 30), min_size=1, max_size=8))
    return make_features(sum(blocks)), blocks


@settings(deadline=None, max_examples=30)
@given(cut_features())
def test_convolutions_see_the_edges_of_blocks_as_in_the_whole(cut: tuple[Tensor, list[int]]):
    features, blocks = cut
    model = make_model()
    stream = SubsamplingStream(model.subsampling)
    with torch.inference_mode():
        found = torch.cat([*(stream.feed(b) for b in features.split(blocks)), stream.feed(features[:0], last=True)])
        if len(features) == 0:
            assert len(found) == 0
            return
        whole = model.subsampling(features[None], torch.tensor([len(features)]))[0][0]
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(cut_features(), st.integers(1, 12), st.sampled_from(["lstm", "gru", "rnn"]))
def test_unlimited_right_context_gives_the_whole_utterances_result(
    cut: tuple[Tensor, list[int]], chunk: int, cell: str
):
    features, blocks = cut
    if len(features) == 0:
        return
    model = make_model(cell)
    found = streamed(model, features, ChunkSize(chunk, right_context=10_000), blocks)
    torch.testing.assert_close(found, offline(model, features), atol=1e-4, rtol=0)


def test_a_forward_model_streams_exactly_and_waits_for_no_right_context():
    model, features = make_model(direction="forward"), make_features(101)
    network = TorchStreamingNetwork(model, ChunkSize(chunk=5, right_context=50))
    stream = network.start()
    first = step(network, stream, features[:40])
    assert len(first) >= 5
    rest = step(network, stream, features[40:], last=True)
    torch.testing.assert_close(torch.cat([first, rest]), offline(model, features), atol=1e-4, rtol=0)


def test_how_a_stream_is_cut_makes_no_difference():
    model, features, chunk_size = make_model(), make_features(200), ChunkSize(chunk=6, right_context=4)
    whole = streamed(model, features, chunk_size, [200])
    torch.testing.assert_close(streamed(model, features, chunk_size, [7] * 28 + [4]), whole, atol=1e-5, rtol=0)


def test_more_right_context_comes_closer_to_the_whole_utterance():
    model, features = make_model(), make_features(400)
    whole = offline(model, features)
    gaps = [
        (streamed(model, features, ChunkSize(10, right), [400]) - whole).abs().mean().item() for right in (0, 4, 16, 64)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < gaps[0] / 100


def test_streams_side_by_side_give_what_each_gives_alone():
    model, chunk_size = make_model(), ChunkSize(chunk=4, right_context=3)
    recordings = [make_features(length, seed) for seed, length in enumerate((90, 33, 120, 1))]
    network = TorchStreamingNetwork(model, chunk_size)
    streams = [network.start() for _ in recordings]
    found: list[list[Tensor]] = [[] for _ in recordings]
    for at in range(0, 120, 13):
        for stream, features in zip(streams, recordings, strict=True):
            if at < len(features):
                stream.feed(features[at : at + 13].numpy(), last=at + 13 >= len(features))
        for parts, log_probs in zip(found, network.run(streams), strict=True):
            parts.append(torch.from_numpy(log_probs))
    for parts, features in zip(found, recordings, strict=True):
        alone = streamed(model, features, chunk_size, [len(features)])
        torch.testing.assert_close(torch.cat(parts), alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("direction", ["bi", "forward"])
@pytest.mark.parametrize("chunk_size", [ChunkSize(4, 6), ChunkSize(7, 3), ChunkSize(5, 0), ChunkSize(100, 20)])
def test_what_training_reads_in_chunks_is_what_streams_read(cell: str, direction: str, chunk_size: ChunkSize):
    model = make_model(cell, direction, num_layers=3)
    recordings = [make_features(length, seed) for seed, length in enumerate((90, 33, 121, 1))]
    lengths = torch.tensor([len(one) for one in recordings])
    batch = pad_sequence(recordings, batch_first=True)
    with torch.inference_mode():
        output = model(batch, lengths, chunk_size=chunk_size)
    for row, length, features in zip(output.log_probs, output.lengths.tolist(), recordings, strict=True):
        found = streamed(model, features, chunk_size, [len(features)])
        torch.testing.assert_close(row[:length], found, atol=1e-5, rtol=0)


def test_gradients_flow_through_chunks_and_not_from_the_padding():
    model, chunk_size = make_model(num_layers=2).train(), ChunkSize(4, 6)
    features = make_features(60)[None].requires_grad_()
    padded = torch.nn.functional.pad(features, (0, 0, 0, 40))
    model(padded, torch.tensor([60]), chunk_size=chunk_size).log_probs[:, :15].square().sum().backward()
    assert features.grad.abs().sum(-1).gt(0).all()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_stream_holds_no_more_than_it_waits_for():
    network = TorchStreamingNetwork(make_model(), ChunkSize(chunk=5, right_context=5))
    stream = network.start()
    for _ in range(50):
        step(network, stream, make_features(40))
        assert len(stream.hidden) < 10


def test_a_preview_says_what_would_come_if_nothing_followed_and_changes_nothing():
    network = TorchStreamingNetwork(make_model(), ChunkSize(chunk=4, right_context=6))
    streams, twins = [network.start() for _ in range(2)], [network.start() for _ in range(2)]
    for stream, twin, seed, length in zip(streams, twins, (1, 2), (70, 75), strict=True):
        step(network, stream, make_features(length, seed))
        step(network, twin, make_features(length, seed))
    guesses = network.preview([*streams, network.start()])
    assert len(guesses[2]) == 0
    for stream, twin, guess in zip(streams, twins, guesses, strict=False):
        held = len(twin.hidden)
        twin.feed(make_features(0).numpy(), last=True)  # one more frame, of the convolution's edge: not guessed at
        twin.hidden = twin.hidden[:held]
        np.testing.assert_allclose(guess, network.run([twin])[0], atol=1e-5, rtol=0)
        assert len(stream.hidden) == held


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="at least 1 frame"):
        ChunkSize(0, 3)
    stream = TorchStreamingNetwork(make_model(), ChunkSize(4, 4)).start()
    stream.feed(make_features(10).numpy(), last=True)
    with pytest.raises(ValueError, match="has ended"):
        stream.feed(make_features(10).numpy())
    assert ChunkSize.from_seconds(0.4, 1.0, frame_seconds=0.04) == ChunkSize(10, 25)
