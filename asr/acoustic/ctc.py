"""Connectionist temporal classification (Graves et al. 2006): the loss, and terms that regularise it.

Log probabilities and token ids in; knows nothing of audio. The blank is token 0.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from asr.alignment import BLANK


def ctc_loss(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor) -> Tensor:
    """Compute the negative log probability of each utterance's tokens over all alignments.

    Args:
        log_probs: (B, T, V) natural-log probabilities.
        lengths: (B,) valid frames.
        tokens: (B, U) token ids, padded.
        token_lengths: (B,) valid tokens.

    Returns:
        (B,) losses in nats. An infeasible utterance counts as zero and has no gradient;
        training leaves such utterances out in advance (corpus/doctor.py).
    """
    log_probs = log_probs.transpose(0, 1)
    return F.ctc_loss(log_probs, tokens, lengths, token_lengths, BLANK, reduction="none", zero_infinity=True)


def consistency_loss(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Measure how much two augmented views of each utterance disagree (CR-CTC, Yao et al. 2024, section 3.1).

    Args:
        log_probs: (2B, T, V): B utterances, then their second views in the same order.
        lengths: (2B,) valid frames.

    Returns:
        (2B,) Kullback-Leibler divergences in nats from the other view, which gets no gradient, summed over frames.
    """
    first, second = log_probs.chunk(2)
    return divergence_from(torch.cat([second, first]).detach(), log_probs, lengths)


def divergence_from(targets: Tensor, log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Measure how far log probabilities are from those of another network (distillation, Hinton et al. 2015).

    Args:
        targets: (B, T, V) natural-log probabilities of the other network.
        log_probs: (B, T, V) natural-log probabilities.
        lengths: (B,) valid frames.

    Returns:
        (B,) Kullback-Leibler divergences in nats, summed over frames.
    """
    divergence = F.kl_div(log_probs, targets, reduction="none", log_target=True).sum(-1)
    valid = torch.arange(log_probs.shape[1], device=log_probs.device) < lengths.to(log_probs.device)[:, None]
    return (divergence * valid).sum(-1)
