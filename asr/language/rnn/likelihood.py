"""How well a recurrent language model predicts a text."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from asr.language.ngram.model import exp_capped
from asr.language.rnn.bptt import make_segments
from asr.language.rnn.model import BATCH_LINES, SEGMENT, UNKNOWN_SCORE, RnnModel, score_segments
from asr.language.rnn.network import LanguageNetwork
from asr.language.text_files import read_text


class Likelihood(NamedTuple):
    """How well a model predicts a text; a line break counts as a character."""

    bits_per_character: float
    nats_per_character: float
    perplexity: float  # per word; the ends of independent lines count as words, as in n-gram models
    num_characters: int
    num_words: int
    num_unknown: int  # characters that the alphabet lacks; each costs UNKNOWN_SCORE
    num_lines: int


def measure_rnn(texts: Sequence[Path], model: RnnModel) -> Likelihood:
    """Measure a model on text files, prepared according to its settings.

    Raises:
        TextError: If a text cannot be read.
    """
    return measure_lines(model, read_text(texts, model.settings))


def measure_lines(model: RnnModel, lines: Sequence[str]) -> Likelihood:
    """Measure a model on lines of text, which are one continuous text if the model's settings say so."""
    encoded = [model.encode(line) for line in lines]
    independent = model.settings.lines == "apart"
    num_unknown = sum(len(line.unknown) for line in encoded)
    nats = count_nats(
        model.network,
        [line.to_tensor() for line in encoded],
        independent=independent,
        batch_size=BATCH_LINES if independent else 1,
        num_unknown=num_unknown,
    )
    num_characters = sum(len(line) + 1 for line in lines)
    num_words = sum(len(line.split()) for line in lines) + (len(lines) if independent else 0)
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
    independent: bool,
    batch_size: int,
    num_unknown: int = 0,
    segment: int = SEGMENT,
    carry_state: bool = True,
) -> float:
    """Return minus the log probability of a text.

    Args:
        network: In evaluation mode.
        lines: (U,) tokens of each, including its line break.
        independent: Whether the lines are independent of each other, not one continuous text.
        batch_size: Lines or, of a continuous text, streams that are processed in a batch.
        num_unknown: Characters that were left out; each costs `UNKNOWN_SCORE`.
        segment: Tokens that are processed at once.
        carry_state: See `score_segments`; if False, `segment` limits the context.
    """
    segments = make_segments(lines, independent=independent, batch_size=batch_size, length=segment)
    scores = score_segments(network, segments, carry_state=carry_state)
    return -UNKNOWN_SCORE * num_unknown - sum(float(part.sum()) for part in scores)
