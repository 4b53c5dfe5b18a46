from itertools import product

import pytest
import torch

from asr.acoustic.ctc import consistency_loss, ctc_loss, divergence_from
from asr.alignment import is_feasible, required_frames


def collapse(path: tuple[int, ...]) -> list[int]:
    """Graves et al. 2006, section 3.1: merge repeats, then drop blanks."""
    merged = [token for index, token in enumerate(path) if index == 0 or path[index - 1] != token]
    return [token for token in merged if token != 0]


def random_log_probs(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).log_softmax(-1)


@pytest.mark.parametrize("tokens", [[1], [1, 2], [2, 2], [1, 2, 1]])
def test_the_loss_sums_over_all_paths(tokens: list[int]):
    log_probs = random_log_probs(1, 5, 3)
    paths = [path for path in product(range(3), repeat=5) if collapse(path) == tokens]
    total = torch.stack([sum(log_probs[0, t, token] for t, token in enumerate(path)) for path in paths])
    loss = ctc_loss(log_probs, torch.tensor([5]), torch.tensor([tokens]), torch.tensor([len(tokens)]))
    torch.testing.assert_close(loss[0], -total.logsumexp(0))


@pytest.mark.parametrize("tokens", [[], [1], [1, 1], [1, 2], [1, 1, 1], [1, 2, 2, 1]])
def test_feasible_means_that_a_path_exists(tokens: list[int]):
    for frames in range(1, 7):
        exists = any(collapse(path) == tokens for path in product(range(3), repeat=frames))
        assert is_feasible(frames, tokens) == exists
    assert is_feasible(required_frames(tokens), tokens)


def test_an_infeasible_utterance_has_neither_infinite_loss_nor_gradient():
    log_probs = random_log_probs(2, 3, 3).requires_grad_()
    loss = ctc_loss(log_probs, torch.tensor([3, 3]), torch.tensor([[1, 1, 1], [1, 2, 0]]), torch.tensor([3, 2]))
    assert loss[0] == 0
    assert torch.isfinite(loss).all()
    loss.sum().backward()
    assert torch.isfinite(log_probs.grad).all()
    assert (log_probs.grad[0] == 0).all()


def test_consistency_is_the_divergence_from_the_other_view():
    log_probs = random_log_probs(2, 4, 3)
    loss = consistency_loss(log_probs, torch.tensor([4, 4]))
    p, q = torch.distributions.Categorical(logits=log_probs[0]), torch.distributions.Categorical(logits=log_probs[1])
    torch.testing.assert_close(loss[0], torch.distributions.kl_divergence(q, p).sum())
    torch.testing.assert_close(loss[1], torch.distributions.kl_divergence(p, q).sum())


def test_the_distance_from_a_teacher_is_the_divergence_in_its_valid_frames():
    targets, log_probs = random_log_probs(2, 4, 3), random_log_probs(2, 4, 3) + 0.0
    distance = divergence_from(targets, log_probs, torch.tensor([4, 2]))
    for row, length in ((0, 4), (1, 2)):
        teacher, student = (torch.distributions.Categorical(logits=one[row, :length]) for one in (targets, log_probs))
        torch.testing.assert_close(distance[row], torch.distributions.kl_divergence(teacher, student).sum())
    assert float(divergence_from(targets, targets, torch.tensor([4, 4])).abs().max()) < 1e-12


def test_equal_views_are_consistent_and_padding_does_not_count():
    log_probs = random_log_probs(1, 4, 3).repeat(2, 1, 1)
    log_probs[1, 2:] = random_log_probs(2, 3)
    assert consistency_loss(log_probs, torch.tensor([2, 2])).abs().max() < 1e-12
