"""The denominator against sums over every text there is, and the trigrams against their definition."""

import itertools
import math

import pytest
import torch
from torch.nn import functional as F

from asr.acoustic.ctc_crf import MOST_TOKENS, Denominator, estimate_trigrams
from asr.errors import ConfigError
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import END, NgramModel

VOCAB = 4


def random_trigrams(seed):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(VOCAB, VOCAB, VOCAB, generator=generator, dtype=torch.float64)
    return weights / weights.sum(-1, keepdim=True)


def random_log_probs(num_frames, seed, size=2):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(size, num_frames, VOCAB, generator=generator, dtype=torch.float64)


def score_text(trigrams, tokens):
    """By the definition: log probability of tokens and their end."""
    history = (0, 0, *tokens, 0)
    return sum(math.log(trigrams[history[n : n + 3]]) for n in range(len(tokens) + 1))


def sum_over_all_texts(trigrams, log_probs):
    """Sum over every sequence that these frames can spell, its alignments summed by torch's own CTC."""
    scores = []
    for length in range(len(log_probs) + 1):
        for tokens in itertools.product(range(1, VOCAB), repeat=length):
            targets = torch.tensor([tokens], dtype=torch.long)
            lengths = torch.tensor([len(log_probs)]), torch.tensor([length])
            loss = F.ctc_loss(log_probs[:, None], targets, *lengths, reduction="none")
            scores.append(score_text(trigrams, tokens) - loss[0])
    return torch.stack(scores).logsumexp(0)


@pytest.mark.parametrize("seed", range(3))
def test_the_sum_is_over_every_text(seed):
    trigrams = random_trigrams(seed)
    log_probs = random_log_probs(5, seed).log_softmax(-1)
    lengths = torch.tensor([5, 3])
    total = Denominator(trigrams)(log_probs, lengths)
    expected = [
        sum_over_all_texts(trigrams, frames[:length]) for frames, length in zip(log_probs, lengths, strict=True)
    ]
    torch.testing.assert_close(total, torch.stack(expected))


def test_the_gradient_is_that_of_the_sum():
    denominator, lengths = Denominator(random_trigrams(7)), torch.tensor([4, 6])
    inputs = random_log_probs(6, 7).requires_grad_()
    assert torch.autograd.gradcheck(lambda scores: denominator(scores.log_softmax(-1), lengths), inputs)


def test_padding_and_neighbours_change_nothing():
    denominator, log_probs = Denominator(random_trigrams(1)), random_log_probs(9, 1).log_softmax(-1)
    alone = denominator(log_probs[:1, :4], torch.tensor([4]))
    torch.testing.assert_close(denominator(log_probs, torch.tensor([4, 9]))[:1], alone)


def test_a_thousand_frames_do_not_vanish():
    log_probs = random_log_probs(1000, 2).log_softmax(-1)
    denominator = Denominator(random_trigrams(2))
    total = denominator(log_probs, torch.tensor([1000, 999]))
    assert torch.isfinite(total).all()
    assert (total < 0).all()


def test_no_text_is_more_probable_than_all_texts():
    trigrams = random_trigrams(3)
    denominator, log_probs = Denominator(trigrams), random_log_probs(8, 3).log_softmax(-1)
    tokens, lengths = torch.tensor([[1, 2, 2], [3, 0, 0]]), torch.tensor([3, 1])
    frames = torch.tensor([8, 8])
    ctc = -F.ctc_loss(log_probs.transpose(0, 1), tokens, frames, lengths, reduction="none")
    assert (ctc + denominator.score(tokens, lengths) < denominator(log_probs, frames)).all()


def test_texts_are_scored_by_the_definition():
    trigrams = random_trigrams(4)
    texts = [(1, 2, 3), (2,), (), (3, 3, 3)]
    tokens = torch.zeros(4, 3, dtype=torch.long)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = torch.tensor(text, dtype=torch.long)
    scores = Denominator(trigrams).score(tokens, torch.tensor([len(text) for text in texts]))
    assert scores.tolist() == pytest.approx([score_text(trigrams, text) for text in texts])


def test_trigrams_are_those_of_the_language_model():
    generator = torch.Generator().manual_seed(0)
    texts = [torch.randint(1, VOCAB, (length,), generator=generator).tolist() for length in range(1, 40)]
    trigrams = estimate_trigrams(texts, VOCAB + 1)  # the last token is in no text
    assert trigrams.sum(-1).allclose(torch.ones(VOCAB + 1, VOCAB + 1, dtype=torch.float64))
    assert (trigrams > 0).all()
    with estimate(lambda: ([str(token) for token in text] for text in texts), 3) as tables:
        model = NgramModel.from_tables(tables)
    score = Denominator(trigrams).score(torch.tensor([[1, 3, 2]]), torch.tensor([3]))
    expected = model.score_sentence(["1", "3", "2"]).sum()
    assert float(score) == pytest.approx(float(expected), abs=0.1)  # apart from the uniform share
    assert END in model.numbers


def test_large_alphabets_are_refused():
    with pytest.raises(ConfigError, match="at most 100 tokens; this tokenizer has 101"):
        estimate_trigrams([[1]], MOST_TOKENS + 1)
