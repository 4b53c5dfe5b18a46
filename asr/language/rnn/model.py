"""A network with its alphabet: text in, log probabilities out.

Scores are natural logs. The caller has normalised the text.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from asr.config import LanguageSettings
from asr.errors import TextError
from asr.jit import Array
from asr.language.rnn.bptt import IGNORED, LINE_BREAK, Segment, sentence_segments
from asr.language.rnn.network import LanguageNetwork
from asr.text.tokenizer import WORD_START, Tokenizer

# Natural log of the probability of a character that the alphabet lacks; the network skips it.
UNKNOWN_SCORE = -10.0
BATCH_LINES = 64  # that are scored in a batch
SEGMENT = 256  # tokens at a time, if no gradients are kept


@dataclass(frozen=True)
class EncodedLine:
    """A line as tokens.

    Attributes:
        tokens: Without the line break.
        unknown: The characters left out because the alphabet lacks them.
    """

    tokens: list[int]
    unknown: str = ""

    def to_tensor(self) -> Tensor:
        """Return (U + 1,) int32 tokens, including the line break."""
        return torch.tensor([*self.tokens, LINE_BREAK], dtype=torch.int32)


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
    def device(self) -> torch.device:
        """The device of the network."""
        return self.network.head_bias.device

    @property
    def has_subwords(self) -> bool:
        """Whether tokens are subword units rather than characters."""
        return self.settings.tokenizer.kind == "subword"

    def encode(self, line: str) -> EncodedLine:
        """Encode a line; characters that the alphabet lacks are left out and reported."""
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
        for first in range(0, len(order), BATCH_LINES):
            batch = order[first : first + BATCH_LINES]
            segments = sentence_segments([lines[i] for i in batch], batch_size=len(batch), length=SEGMENT, seed=None)
            for part in score_segments(self.network, segments):
                scores[batch] += part.sum(dim=0).numpy()
        return scores

    @torch.inference_mode()
    def prefill(self, tokens: Sequence[int], state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Process tokens one after another.

        Args:
            tokens: At least one.
            state: (K, 1, H) after the tokens before them; None: they begin a text.

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
        logits, states = self.network(torch.tensor([tokens], device=self.device), states)
        return F.log_softmax(logits[0].float(), dim=-1).cpu(), states


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
        device = state.device
        logits, state = network(segment.inputs.to(device), state)
        log_probs = F.log_softmax(logits.float(), dim=-1).cpu()  # (T, B, V)
        targets = segment.targets.clamp(min=0)
        scores = log_probs.gather(-1, targets[..., None])[..., 0].double()  # (T, B)
        yield scores.masked_fill(segment.targets == IGNORED, 0.0)
