"""How well a recurrent language model predicts a text."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from asr.language.ngram.model import exp_capped
from asr.language.rnn.bptt import arrange
from asr.language.rnn.model import BATCH_LINES, SEGMENT, UNKNOWN_SCORE, RnnModel, load_rnn, read_text, token_scores
from asr.language.rnn.network import LanguageNetwork


class Likelihood(NamedTuple):
    """How well a model predicts a text; a line break counts as a character."""

    bits_per_character: float
    nats_per_character: float
    perplexity: float  # a word; where lines stand apart, their ends count as words, as in n-gram models
    num_characters: int
    num_words: int
    num_unknown: int  # characters that the alphabet lacks; each costs UNKNOWN_SCORE
    num_lines: int


def measure_rnn(texts: Sequence[Path], folder: Path) -> Likelihood:
    """Measure a model on text files, prepared as its settings say.

    Raises:
        ModelError, TextError: If the model or a text cannot be read.
    """
    model = load_rnn(folder)
    return measure_lines(model, read_text(texts, model.settings))


def measure_lines(model: RnnModel, lines: Sequence[str]) -> Likelihood:
    """Measure a model on lines of text; a text that runs on is read as one, from its start."""
    spelled = [model.spell(line) for line in lines]
    apart = model.settings.lines == "apart"
    num_unknown = sum(one.num_unknown for one in spelled)
    nats = count_nats(
        model.network,
        [one.line() for one in spelled],
        apart=apart,
        batch_size=BATCH_LINES if apart else 1,
        num_unknown=num_unknown,
    )
    num_characters = sum(len(line) + 1 for line in lines)
    num_words = sum(len(line.split()) for line in lines) + (len(lines) if apart else 0)
    return Likelihood(
        bits_per_character=nats / num_characters / math.log(2),
        nats_per_character=nats / num_characters,
        perplexity=exp_capped(nats / max(num_words, 1)),
        num_characters=num_characters,
        num_words=num_words,
        num_unknown=num_unknown,
        num_lines=len(lines),
    )


@torch.inference_mode()
def count_nats(
    network: LanguageNetwork,
    lines: Sequence[Tensor],
    *,
    apart: bool,
    batch_size: int,
    num_unknown: int = 0,
    segment: int = SEGMENT,
    carry_state: bool = True,
) -> float:
    """Minus the log probability of a text.

    Args:
        network: In evaluation mode.
        lines: (U,) tokens of each, with its line break.
        apart: Whether lines know nothing of one another.
        batch_size: Lines or, of a text that runs on, streams that are read side by side.
        num_unknown: Characters that were left out; each costs `UNKNOWN_SCORE`.
        segment: Tokens that are read at once.
        carry_state: See `token_scores`; where it is False, `segment` decides how much is remembered.
    """
    segments = arrange(lines, apart=apart, batch_size=batch_size, length=segment)
    scores = token_scores(network, segments, carry_state=carry_state)
    return -UNKNOWN_SCORE * num_unknown - sum(float(part.sum()) for part in scores)
