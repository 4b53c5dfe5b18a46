"""The denominator of a conditional random field of CTC's topology (CTC-CRF; Xiang & Ou 2019, sections 2 and 3).

CTC makes the reference probable, however probable other texts are. Divided by the sum over all texts, each weighted by
a language model of tokens, the loss teaches to distinguish the reference from similar texts.

Log probabilities in; knows nothing of audio or text. The blank is token 0.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from asr.alignment import BLANK
from asr.errors import ConfigError
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import END, NgramModel

MOST_TOKENS = 100  # the table of trigrams has their third power
_UNIFORM = 1e-3  # share of a uniform distribution, so that nothing is impossible
_FRAMES_PER_SCALE = 8  # frames whose probabilities can be multiplied without underflow


class Denominator:
    """Sums over all token sequences and alignments, weighted by trigrams of tokens.

    Args:
        trigrams: (V, V, V) float64, probability of the third token after the first two. Token 0 stands for the
            beginning as one of the first two, and for the end as the third; no sequence holds the blank.
    """

    def __init__(self, trigrams: Tensor) -> None:
        self.trigrams = trigrams
        self._arranged = _arrange(trigrams)

    def __call__(self, log_probs: Tensor, lengths: Tensor) -> Tensor:
        """Compute the (B,) log of the sum over all sequences l of P(l) * CTC's probability of l.

        Args:
            log_probs: (B, T, V) natural-log probabilities.
            lengths: (B,) valid frames.
        """
        # In padding the blank has probability 1, which changes no sum.
        padding = torch.arange(log_probs.shape[1]) >= lengths.cpu()[:, None]
        certain = log_probs.new_full(log_probs.shape[-1:], -torch.inf)
        certain[BLANK] = 0.0
        log_probs = torch.where(padding[..., None].to(log_probs.device), certain, log_probs)
        return _ForwardBackward.apply(log_probs.to(self.trigrams.dtype), *self._arranged)  # type: ignore[no-untyped-call]

    def score(self, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Compute (B,) log probabilities of (B, U) padded tokens, of which (B,) are valid, and their ends."""
        ends = torch.arange(tokens.shape[1], device=tokens.device) >= token_lengths.to(tokens.device)[:, None]
        third = F.pad(tokens.masked_fill(ends, BLANK), (2, 1), value=BLANK)
        scores = self.trigrams[third[:, :-2], third[:, 1:-1], third[:, 2:]].log()
        past = F.pad(ends, (1, 0), value=False)  # the end itself counts, the padding after it does not
        return scores.masked_fill(past, 0.0).sum(1)


class _ForwardBackward(torch.autograd.Function):
    """Computes the sum frame by frame, and its gradient: the probability of each token at each frame.

    A state is (V, B, V): [b, :, a] is the probability of the sequences that end in token b after token a. In `emitted`
    the last frame is b, in `paused` a blank after it. Written out, because autograd takes twice the time.
    """

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, transitions: Tensor, repeats: Tensor, ends: Tensor) -> Tensor:
        probs = log_probs.exp().permute(1, 2, 0)[..., None]  # (T, V, B, 1)
        emitted = probs.new_zeros(len(transitions), len(log_probs), len(transitions))
        paused = emitted.clone()
        paused[BLANK, :, BLANK] = 1
        total, states, scales = probs.new_zeros(len(log_probs)), [], []
        for frame, emission in enumerate(probs):
            before = emitted + paused
            entered = torch.bmm(before, transitions).transpose(0, 2) + emitted
            entered.diagonal(dim1=0, dim2=2).add_((paused * repeats).sum(2).t())
            emitted, paused = entered.mul_(emission), before * emission[BLANK]
            scale = None
            if frame % _FRAMES_PER_SCALE == 0:
                scale = (emitted + paused).sum((0, 2))[:, None]
                emitted, paused = emitted.div_(scale), paused.div_(scale)
                total = total + scale[:, 0].log()
            states.append((emitted, paused))
            scales.append(scale)
        ended = ((emitted + paused) * ends).sum((0, 2))
        ctx.for_backward = (probs, transitions, repeats, ends, states, scales, ended)
        return total + ended.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        probs, transitions, repeats, ends, states, scales, ended = ctx.for_backward
        backwards = transitions.transpose(1, 2)
        # Derivatives of the sum by each state: first by the state after the frame, then by the one before it.
        grad_emitted = grad_paused = ends / ended[:, None]
        occupied = torch.empty_like(probs[..., 0])  # (T, V, B)
        for frame in reversed(range(len(probs))):
            emission, (emitted, paused), scale = probs[frame], states[frame], scales[frame]
            occupied[frame] = (grad_emitted * emitted).sum(2)
            occupied[frame, BLANK] += (grad_paused * paused).sum((0, 2))
            if scale is not None:
                grad_emitted, grad_paused = grad_emitted / scale, grad_paused / scale
            grad_entered = grad_emitted * emission
            grad_before = torch.bmm(grad_entered.transpose(0, 2), backwards) + grad_paused * emission[BLANK]
            grad_repeats = grad_entered.diagonal(dim1=0, dim2=2).t()[..., None] * repeats
            grad_emitted, grad_paused = grad_before + grad_entered, grad_before + grad_repeats
        return occupied.permute(2, 0, 1) * gradient[:, None, None], None, None, None


def _arrange(trigrams: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Arrange trigrams: (b, a, c) for tokens c other than b; (b, 1, a) for a repeated b, which needs a blank before
    it; (b, 1, a) for the end."""
    transitions = trigrams.transpose(0, 1).clone()
    transitions[:, :, BLANK] = 0
    repeats = transitions.diagonal(dim1=0, dim2=2).t()[:, None].clone()
    transitions.diagonal(dim1=0, dim2=2).zero_()
    return transitions, repeats, trigrams[:, :, BLANK].t()[:, None].contiguous()


def estimate_trigrams(sequences: Sequence[Sequence[int]], vocab_size: int) -> Tensor:
    """Estimate the trigrams of a `Denominator` with modified Kneser-Ney smoothing.

    Args:
        sequences: Token ids of each training text, without blanks.
        vocab_size: V, including the blank.

    Raises:
        ConfigError: If there are more tokens than a table can hold.
    """
    if vocab_size > MOST_TOKENS:
        raise ConfigError(
            f"train.loss.denominator_weight supports at most {MOST_TOKENS} tokens; this tokenizer has {vocab_size}. "
            "Set it to 0, or use characters or phones as tokens"
        )
    with estimate(lambda: ([str(token) for token in tokens] for tokens in sequences), 3) as tables:
        model = NgramModel.from_tables(tables)
    words = [END, *map(str, range(1, vocab_size))]
    seen = [token for token, word in enumerate(words) if word in model.numbers]
    trigrams = torch.zeros(vocab_size, vocab_size, vocab_size, dtype=torch.float64)
    for first in range(vocab_size):
        begun = model.start() if first == BLANK else model.score(0, words[first])[1]
        for second in range(vocab_size):
            state = begun if second == BLANK else model.score(begun, words[second])[1]
            scores = torch.tensor([model.score(state, words[token])[0] for token in seen], dtype=torch.float64)
            trigrams[first, second, seen] = scores.exp()
    trigrams /= trigrams.sum(-1, keepdim=True)  # without the model's probability of unknown words
    return (1 - _UNIFORM) * trigrams + _UNIFORM / vocab_size
