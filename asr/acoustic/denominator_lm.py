"""Trigrams of tokens, estimated from the training texts, for the denominator of the loss."""

from collections.abc import Sequence

import torch
from torch import Tensor

from asr.alignment import BLANK
from asr.errors import ConfigError
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import END, NgramModel

MOST_TOKENS = 100  # the table has their third power
_UNIFORM = 1e-3  # share of a uniform distribution, so that nothing is impossible


def estimate_trigrams(sequences: Sequence[Sequence[int]], vocab_size: int) -> Tensor:
    """Estimate trigrams with modified Kneser-Ney smoothing, in the form that `Denominator` takes.

    Args:
        sequences: Token ids of each training text, without blanks.
        vocab_size: V, including the blank.

    Returns:
        (V, V, V) float64 probabilities of the third token after the first two. Token 0 stands for the beginning of
        a text as one of the first two, and for its end as the third.

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
