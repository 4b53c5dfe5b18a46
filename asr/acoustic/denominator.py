"""The denominator of a conditional random field of CTC's topology (CTC-CRF; Xiang & Ou 2019, sections 2 and 3).

CTC makes the reference probable, however probable other texts are. Divided by the sum over all texts, each weighted by
a language model of tokens, what is learned is to tell the reference from what could be taken for it.

Log probabilities in; knows nothing of audio or text. The blank is token 0.
"""

import torch
from torch import Tensor

from asr.acoustic.ctc import BLANK


class Denominator:
    """Sums over all token sequences and alignments, weighted by trigrams of tokens.

    Args:
        trigrams: (V, V, V) probability of the third token after the first two. Token 0 stands for what is before the
            beginning as one of these, and for the end as the third; no sequence holds the blank.
    """

    def __init__(self, trigrams: Tensor) -> None:
        self.trigrams = trigrams
        self._next = trigrams.transpose(0, 1).contiguous()  # (b, a, c), for a product over a
        self._next[:, :, BLANK] = 0  # the end is asked for once, after the last frame
        # A token twice in a row needs a blank between: without one it is the same token, said longer.
        self._again = torch.diagonal(self._next, dim1=0, dim2=2).contiguous()  # (a, b): P(b | a, b)

    def __call__(self, log_probs: Tensor, lengths: Tensor) -> Tensor:
        """(B,) log of the sum over all sequences l of P(l) * CTC's probability of l.

        Args:
            log_probs: (B, T, V) natural-log probabilities.
            lengths: (B,) valid frames.
        """
        probs = log_probs.double().exp()
        # (B, V, V) of the two last tokens: in the frames so far the last one was said just now, or a blank after it.
        emitted = probs.new_zeros(len(probs), *self.trigrams.shape[:2])
        paused = emitted.clone()
        paused[:, BLANK, BLANK] = 1
        total, ended = probs.new_zeros(len(probs)), []
        for now in probs.unbind(1):
            emitted, paused = self._step(emitted, paused, now)
            # What is left would soon be too small for a number: a factor is taken out of each frame.
            scale = (emitted + paused).sum((1, 2))
            emitted, paused = emitted / scale[:, None, None], paused / scale[:, None, None]
            total = total + scale.log()
            ended.append(total + ((emitted + paused) * self.trigrams[:, :, BLANK]).sum((1, 2)).log())
        last = (lengths.to(probs.device) - 1)[None]
        return torch.stack(ended).gather(0, last)[0]

    def score(self, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """(B,) log probability of sequences and their ends, by the trigrams.

        Args:
            tokens: (B, U) token ids, padded.
            token_lengths: (B,) valid tokens.
        """
        ends = torch.arange(tokens.shape[1], device=tokens.device) >= token_lengths.to(tokens.device)[:, None]
        third = torch.nn.functional.pad(tokens.masked_fill(ends, BLANK), (2, 1), value=BLANK)
        scores = self.trigrams[third[:, :-2], third[:, 1:-1], third[:, 2:]].log()
        past = torch.nn.functional.pad(ends, (1, 0), value=False)  # the end itself counts, what follows does not
        return scores.masked_fill(past, 0.0).sum(1)

    def _step(self, emitted: Tensor, paused: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        """One frame on, whose (B, V) probabilities are `now`."""
        before = emitted + paused
        begun = torch.bmm(before.permute(2, 0, 1), self._next).transpose(0, 1)
        begun = begun - torch.diag_embed((emitted * self._again).sum(1))
        return (begun + emitted) * now[:, None], before * now[:, BLANK, None, None]
