"""A network with its alphabet: text in, log probabilities out; and its folder on disk.

Scores are natural logs. A model folder (model_files.py) holds the alphabet in tokens.txt; token 0 stands for the
line break, which both starts and ends a sentence.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from asr.config import LanguageSettings
from asr.errors import ModelError, TextError
from asr.jit import Array
from asr.language.ngram.model import exp_capped
from asr.language.rnn.bptt import IGNORED, LINE_BREAK, Segment, make_segments
from asr.language.rnn.network import LanguageNetwork
from asr.model_files import load_model_files, save_model_files
from asr.text.tokenizer import WORD_START, Tokenizer

# Natural log of the probability of a character that the alphabet lacks; the network skips it.
UNKNOWN_SCORE = -10.0
_BATCH_LINES = 64  # that are scored in a batch
_SEGMENT = 256  # tokens at a time, since no gradients are kept


class EncodedLine(NamedTuple):
    """A line as tokens."""

    tokens: list[int]  # without the line break
    unknown: str = ""  # the characters left out because the alphabet lacks them

    def to_tensor(self) -> Tensor:
        """Return (U + 1,) int32 tokens, including the line break."""
        return torch.tensor([*self.tokens, LINE_BREAK], dtype=torch.int32)


class Likelihood(NamedTuple):
    """How well a model predicts a text; a line break counts as a character."""

    bits_per_character: float
    nats_per_character: float
    perplexity: float  # per word; the ends of independent lines count as words, as in n-gram models
    num_characters: int
    num_words: int
    num_unknown: int  # characters that the alphabet lacks; each costs UNKNOWN_SCORE
    num_lines: int


class RnnModel:
    """A recurrent language model, which scores sentences, single tokens and batches of states."""

    def __init__(self, network: LanguageNetwork, tokenizer: Tokenizer, settings: LanguageSettings) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.settings = settings
        # The tokens as text: the line break, then letters or pieces with spaces for ▁.
        self.pieces = ["\n", *(symbol.replace(WORD_START, " ") for symbol in tokenizer.symbols[1:])]
        self.alphabet = frozenset("".join(self.pieces))

    @property
    def has_subwords(self) -> bool:
        """Whether tokens are subword units rather than characters."""
        return self.settings.tokenizer.kind == "subword"

    def encode(self, line: str) -> EncodedLine:
        """Encode a normalised line; characters that the alphabet lacks are left out and reported."""
        try:
            return EncodedLine(self.tokenizer.encode(line))
        except TextError:
            kept = "".join(letter for letter in line if letter in self.alphabet)
            unknown = "".join(letter for letter in line if letter not in self.alphabet)
            return EncodedLine(self.tokenizer.encode(kept), unknown)

    @torch.inference_mode()
    def score_sentences(self, sentences: Sequence[str]) -> Array:
        """Return the (N,) log probabilities of sentences, each with its end, computed in batches.

        A character that the alphabet lacks costs `UNKNOWN_SCORE`.
        """
        encoded = [self.encode(sentence) for sentence in sentences]
        scores = np.array([UNKNOWN_SCORE * len(line.unknown) for line in encoded], np.float64)
        lines = [line.to_tensor() for line in encoded]
        order = sorted(range(len(lines)), key=lambda index: len(lines[index]))
        for first in range(0, len(order), _BATCH_LINES):
            batch = order[first : first + _BATCH_LINES]
            batch_lines = [lines[index] for index in batch]
            segments = make_segments(batch_lines, independent=True, batch_size=len(batch), length=_SEGMENT)
            for part in score_segments(self.network, segments):
                scores[batch] += part.sum(dim=0).numpy()
        return scores

    def measure(self, lines: Sequence[str]) -> Likelihood:
        """Measure the model on lines of text, which are one continuous text if the settings say so."""
        encoded = [self.encode(line) for line in lines]
        independent = self.settings.lines == "sentences"
        num_unknown = sum(len(line.unknown) for line in encoded)
        tensors = [line.to_tensor() for line in encoded]
        batch_size = _BATCH_LINES if independent else 1
        segments = make_segments(tensors, independent=independent, batch_size=batch_size, length=_SEGMENT)
        nats = count_nats(self.network, segments) - UNKNOWN_SCORE * num_unknown
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
    def prefill(self, tokens: Sequence[int], state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Process tokens, at least one, after a state (K, 1, H); None: they begin a text.

        Returns:
            (V,) log probabilities of the next token, and the state (K, 1, H).
        """
        state = self.network.initial_state(1) if state is None else state
        rows, state = self.step([tokens[0]], state)
        for token in tokens[1:]:
            rows, state = self.step([token], state)
        return rows[0], state

    @torch.inference_mode()
    def step(self, tokens: Sequence[int], states: Tensor) -> tuple[Tensor, Tensor]:
        """Process one token from each of B states.

        Returns:
            (B, V) log probabilities of the next tokens, in float32 on the CPU, and the states (K, B, H).
        """
        logits, states = self.network(torch.tensor([tokens], device=states.device), states)
        return F.log_softmax(logits[0].float(), dim=-1).cpu(), states


@torch.inference_mode()
def count_nats(network: LanguageNetwork, segments: Iterable[Segment], *, carry_state: bool = True) -> float:
    """Return minus the log probability of a text in segments; see `score_segments`."""
    return -sum(float(part.sum()) for part in score_segments(network, segments, carry_state=carry_state))


def score_segments(
    network: LanguageNetwork, segments: Iterable[Segment], *, carry_state: bool = True
) -> Iterator[Tensor]:
    """Yield (T, B) float64 log probabilities of the targets of successive segments; 0 for padding.

    Args:
        network: In evaluation mode if dropout is not desired.
        segments: As `make_segments` yields them.
        carry_state: Whether a segment starts from the state after the one before it. Otherwise each
            starts as if it began a text, which is all that a model trained in that way has seen.
    """
    state = network.initial_state(1)
    for segment in segments:
        if segment.starts or not carry_state:
            state = network.initial_state(segment.inputs.shape[1])
        logits, state = network(segment.inputs.to(state.device), state)
        log_probs = F.log_softmax(logits.float(), dim=-1).cpu()  # (T, B, V)
        targets = segment.targets.clamp(min=0)
        scores = log_probs.gather(-1, targets[..., None])[..., 0].double()  # (T, B)
        yield scores.masked_fill(segment.targets == IGNORED, 0.0)


def save_rnn(model: RnnModel, folder: Path) -> None:
    """Write a model folder; see `save_model_files`."""
    save_model_files(model.network, model.tokenizer, model.settings, folder)


def load_rnn(folder: Path | str) -> RnnModel:
    """Read a model folder; the network is on the CPU.

    Raises:
        ModelError: If it is not one, or its parts do not fit together.
    """
    if Path(folder).is_file():
        raise ModelError(f"{folder}: a file; a recurrent language model is a folder, which training one writes")

    def build(settings: LanguageSettings, vocab_size: int) -> LanguageNetwork:
        return LanguageNetwork(settings.network, vocab_size)

    return RnnModel(*load_model_files(Path(folder), LanguageSettings.load, build, "recurrent language model"))
