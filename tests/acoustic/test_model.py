import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.acoustic.model import AcousticModel
from asr.config import AcousticSettings
from asr.signal.front_end import subsampled


def make_model(**changes: object) -> AcousticModel:
    torch.manual_seed(0)
    settings_ = AcousticSettings(num_layers=2, hidden_size=16, conv_channels=4, **changes)
    return AcousticModel(settings_, feature_size=20, vocab_size=7).eval()


@pytest.mark.parametrize("direction", ["bi", "forward"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@settings(max_examples=8, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_an_utterance_alone_and_in_any_batch_gives_the_same(cell: str, direction: str, lengths: list[int], seed: int):
    model = make_model(cell=cell, direction=direction)
    generator = torch.Generator().manual_seed(seed)
    # Padding is garbage on purpose: nothing of it may leak.
    features = torch.randn(len(lengths), max(lengths) + 9, 20, generator=generator) * 3
    with torch.inference_mode():
        batch = model(features, torch.tensor(lengths))
        for index, length in enumerate(lengths):
            alone = model(features[index : index + 1, :length], torch.tensor([length]))
            frames = subsampled(length, 2)
            assert batch.lengths[index] == alone.lengths[0] == frames == alone.log_probs.shape[1]
            torch.testing.assert_close(batch.log_probs[index, :frames], alone.log_probs[0], atol=1e-4, rtol=0)


def test_log_probs_are_log_probabilities():
    output = make_model()(torch.randn(2, 30, 20), torch.tensor([30, 12]))
    torch.testing.assert_close(output.log_probs.exp().sum(-1), torch.ones(2, 8))
    assert output.intermediate is None


def test_the_intermediate_output_is_that_of_a_shallower_model():
    deep = make_model()
    shallow = AcousticModel(
        AcousticSettings(num_layers=1, hidden_size=16, conv_channels=4), feature_size=20, vocab_size=7
    ).eval()
    shallow.load_state_dict({k: v for k, v in deep.state_dict().items() if not k.startswith("blocks.1")})
    features, lengths = torch.randn(1, 30, 20), torch.tensor([30])
    output = deep(features, lengths, with_intermediate=True)
    torch.testing.assert_close(output.intermediate, shallow(features, lengths).log_probs)


@pytest.mark.parametrize(("frames", "expected"), [(1, 1), (4, 1), (5, 2), (8, 2), (100, 25), (101, 26)])
def test_subsampling_is_by_four_rounded_up(frames: int, expected: int):
    assert subsampled(frames, 2) == expected
