"""The parts of the loop, each against its definition; whole runs are in test_run.py."""

import itertools
import math

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from asr.acoustic.ctc import ctc_loss
from asr.acoustic.ctc_crf import Denominator
from asr.acoustic.model import AcousticModel
from asr.alignment import required_frames
from asr.config import AcousticSettings, LossSettings, TrainSettings
from asr.runtime.network import ChunkSize
from asr.train.dataset import Batch, Targets
from asr.train.trainer import Trainer, draw_chunk_size, gradient_norms


def test_gradient_norms_are_by_layer():
    model = nn.Sequential(nn.Linear(2, 1), nn.Tanh(), nn.Linear(1, 1))
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    assert gradient_norms(model) == {"0": pytest.approx(math.sqrt(3 * 4)), "2": pytest.approx(math.sqrt(2 * 4))}


def test_batches_are_chunked_only_on_request_and_within_the_settings():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert draw_chunk_size(TrainSettings(), 0.04) is None
    assert torch.equal(torch.get_rng_state(), before)  # dropout still draws the same
    settings = TrainSettings(chunk_seconds=0.4, chunk_right_seconds=(0.2, 1.0), chunk_share=0.25)
    drawn = [draw_chunk_size(settings, 0.04) for _ in range(2000)]
    chosen = [chunk_size for chunk_size in drawn if chunk_size is not None]
    assert 0.2 < len(chosen) / len(drawn) < 0.3
    assert {chunk_size.chunk for chunk_size in chosen} == {10}
    assert {chunk_size.right_context for chunk_size in chosen} == set(range(5, 26))


def test_chunked_batches_work_in_half_precision():
    """Lightning takes the arguments of a network apart to convert tensors in them."""
    model = AcousticModel(AcousticSettings(num_layers=1, hidden_size=4, conv_channels=2), feature_size=8, vocab_size=3)
    network = Fabric(accelerator="cpu", precision="bf16-mixed").setup(model)
    output = network(torch.randn(2, 40, 8), torch.tensor([40, 30]), chunk_size=ChunkSize(2, 3))
    assert output.log_probs.shape == (2, 10, 3)
    assert output.lengths.tolist() == [10, 8]


def make_trainer(weight: float, trigrams: torch.Tensor) -> Trainer:
    """Build a trainer with only what its loss needs."""
    trainer = object.__new__(Trainer)
    trainer.denominator = Denominator(trigrams) if weight else None
    trainer.settings = TrainSettings(loss=LossSettings(denominator_weight=weight))
    return trainer


def test_with_a_denominator_the_loss_is_that_of_the_text_among_all_texts():
    torch.manual_seed(0)
    trigrams = torch.rand(3, 3, 3, dtype=torch.float64)
    trigrams /= trigrams.sum(-1, keepdim=True)
    log_probs = torch.randn(1, 4, 3).log_softmax(-1)
    lengths, weights = torch.tensor([4]), {}
    for length in range(5):
        for text in itertools.product((1, 2), repeat=length):
            history = (0, 0, *text, 0)
            prior = math.prod(float(trigrams[history[n : n + 3]]) for n in range(length + 1))
            weights[text] = prior * float(
                (-ctc_loss(log_probs, lengths, torch.tensor([text]), torch.tensor([length]))).exp()
            )
    # Texts that need more frames cost 0 nats, as in training.
    weights = {text: weight for text, weight in weights.items() if required_frames(text) <= 4}
    for text in ((1, 2), (2,), (1, 1)):
        batch = Batch(
            ["u"], ["x"], torch.zeros(1, 16, 1), lengths, torch.tensor([text]), torch.tensor([len(text)]), 1.0
        )
        expected = -math.log(weights[text] / sum(weights.values()))
        assert float(make_trainer(1.0, trigrams)._criterion(log_probs, lengths, batch)) == pytest.approx(
            expected, rel=1e-5
        )
        plain = float(make_trainer(0.0, trigrams)._criterion(log_probs, lengths, batch))
        between = float(make_trainer(0.25, trigrams)._criterion(log_probs, lengths, batch))
        assert between == pytest.approx(0.75 * plain + 0.25 * expected, rel=1e-5)


def test_what_cannot_be_spelled_in_its_frames_teaches_nothing():
    log_probs = torch.randn(1, 2, 3).log_softmax(-1).requires_grad_()
    batch = Batch(["u"], ["x"], torch.zeros(1, 8, 1), torch.tensor([2]), torch.tensor([[1, 1]]), torch.tensor([2]), 1.0)
    loss = make_trainer(1.0, torch.full((3, 3, 3), 1 / 3, dtype=torch.float64))._criterion(
        log_probs, batch.lengths, batch
    )
    loss.sum().backward()
    assert float(loss.detach()) == 0
    assert not log_probs.grad.any()


def test_only_frames_that_both_teacher_and_network_have_are_compared():
    torch.manual_seed(0)
    log_probs, targets = torch.randn(2, 3, 6, 3).log_softmax(-1)
    lengths, target_lengths = torch.tensor([6, 4, 5]), torch.tensor([5, 5, 3])
    padding = torch.arange(5)[:, None] >= target_lengths[:, None, None]
    padded = Targets(targets[:, :5].masked_fill(padding, 0.0), target_lengths)
    found = make_trainer(0.0, torch.zeros(3, 3, 3))._distance(log_probs, lengths, padded)
    for row, common in enumerate((5, 4, 3)):
        expected = (targets[row, :common].exp() * (targets[row, :common] - log_probs[row, :common])).sum()
        assert float(found[row]) == pytest.approx(float(expected), rel=1e-5)


def test_weights_rank_by_their_training_criterion_and_nan_never_comes_first():
    trigrams = torch.full((3, 3, 3), 1 / 3, dtype=torch.float64)
    results = [(0.5, 0.3), (0.4, 0.4), (math.nan, 0.1)]
    by_text, by_loss = make_trainer(0.0, trigrams), make_trainer(1.0, trigrams)
    assert min(results[:2], key=lambda result: by_text.rank(*result)) == (0.5, 0.3)
    assert min(results, key=lambda result: by_loss.rank(*result)) == (0.4, 0.4)
