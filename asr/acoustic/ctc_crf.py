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
    def forward(ctx: Any, log_probs: Tensor, onward: Tensor, again: Tensor, end: Tensor) -> Tensor:
        probs = log_probs.exp().permute(1, 2, 0)[..., None]  # (T, V, B, 1)
        emitted = probs.new_zeros(len(onward), len(log_probs), len(onward))
        paused = emitted.clone()
        paused[BLANK, :, BLANK] = 1
        total, states, scales = probs.new_zeros(len(log_probs)), [], []
        for frame, now in enumerate(probs):
            before = emitted + paused
            begun = torch.bmm(before, onward).transpose(0, 2) + emitted
            begun.diagonal(dim1=0, dim2=2).add_((paused * again).sum(2).t())
            emitted, paused = begun.mul_(now), before * now[BLANK]
            scale = None
            if frame % _FRAMES_PER_SCALE == 0:
                scale = (emitted + paused).sum((0, 2))[:, None]
                emitted, paused = emitted.div_(scale), paused.div_(scale)
                total = total + scale[:, 0].log()
            states.append((emitted, paused))
            scales.append(scale)
        ended = ((emitted + paused) * end).sum((0, 2))
        ctx.kept = (probs, onward, again, end, states, scales, ended)
        return total + ended.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        probs, onward, again, end, states, scales, ended = ctx.kept
        back = onward.transpose(1, 2)
        # Derivatives of the sum by each state: first by the state after the frame, then by the one before it.
        of_emitted = of_paused = end / ended[:, None]
        occupied = torch.empty_like(probs[..., 0])  # (T, V, B)
        for frame in reversed(range(len(probs))):
            now, (emitted, paused), scale = probs[frame], states[frame], scales[frame]
            occupied[frame] = (of_emitted * emitted).sum(2)
            occupied[frame, BLANK] += (of_paused * paused).sum((0, 2))
            if scale is not None:
                of_emitted, of_paused = of_emitted / scale, of_paused / scale
            of_begun = of_emitted * now
            of_before = torch.bmm(of_begun.transpose(0, 2), back) + of_paused * now[BLANK]
            of_again = of_begun.diagonal(dim1=0, dim2=2).t()[..., None] * again
            of_emitted, of_paused = of_before + of_begun, of_before + of_again
        return occupied.permute(2, 0, 1) * gradient[:, None, None], None, None, None


def _arrange(trigrams: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Arrange trigrams: (b, a, c) for tokens c other than b; (b, 1, a) for a repeated b, which needs a blank before
    it; (b, 1, a) for the end."""
    onward = trigrams.transpose(0, 1).clone()
    onward[:, :, BLANK] = 0
    again = onward.diagonal(dim1=0, dim2=2).t()[:, None].clone()
    onward.diagonal(dim1=0, dim2=2).zero_()
    return onward, again, trigrams[:, :, BLANK].t()[:, None].contiguous()


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
