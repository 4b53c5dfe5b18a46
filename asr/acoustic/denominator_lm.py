"""How probable a token is after two others: trigrams of the training texts, for the loss's denominator."""

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
    """Trigrams with modified Kneser-Ney smoothing, as `Denominator` takes them.

    Args:
        sequences: Token ids of each training text, without blanks.
        vocab_size: V, the blank included.

    Returns:
        (V, V, V) float64 probabilities of the third token after the first two; 0 stands for a text's beginning in
        these, and for its end as the third.

    Raises:
        ConfigError: If there are more tokens than a table can hold.
    """
    if vocab_size > MOST_TOKENS:
        raise ConfigError(
            f"train.loss.denominator_weight is for alphabets of up to {MOST_TOKENS} tokens, here are {vocab_size}; "
            "set it to 0, or take characters or phones for tokens"
        )
    with estimate(lambda: ([str(token) for token in tokens] for tokens in sequences), 3) as tables:
        model = NgramModel.from_tables(tables)
    words = [END, *map(str, range(1, vocab_size))]
    known = [token for token, word in enumerate(words) if word in model.numbers]
    trigrams = torch.zeros(vocab_size, vocab_size, vocab_size, dtype=torch.float64)
    for first in range(vocab_size):
        begun = model.start() if first == BLANK else model.score(0, words[first])[1]
        for second in range(vocab_size):
            state = begun if second == BLANK else model.score(begun, words[second])[1]
            scores = torch.tensor([model.score(state, words[token])[0] for token in known], dtype=torch.float64)
            trigrams[first, second, known] = scores.exp()
    trigrams /= trigrams.sum(-1, keepdim=True)  # without what the model keeps for unknown words
    return (1 - _UNIFORM) * trigrams + _UNIFORM / vocab_size
