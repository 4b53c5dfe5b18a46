"""A network with its alphabet: text in, log probabilities out; and its folder on disk.

Scores are natural logs. A model folder (model_files.py) holds the alphabet in tokens.txt; token 0 stands for the
line break, which both starts and ends a sentence. Knows nothing of what computes the network: the runtime does in
recognition, torch in training.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from asr.config import LanguageSettings
from asr.errors import ModelError, TextError
from asr.language.ngram.model import exp_capped
from asr.language.rnn.bptt import IGNORED, LINE_BREAK, Segment, make_segments
from asr.language.rnn.prefixes import build_prefix_tree
from asr.model_files import load_model_files
from asr.runtime.language_network import OnnxLanguageNetwork
from asr.runtime.parameters import language_shapes
from asr.text.tokenizer import WORD_START, Tokenizer
from asr.weights import Array, Weights

# Natural log of the probability of a character that the alphabet lacks; the network skips it.
UNKNOWN_SCORE = -10.0
_BATCH_LINES = 64  # that are scored in a batch
_SEGMENT = 256  # tokens at a time
_BATCH_OUTPUTS = 1024  # at a time, each with a log probability for every token


class NextTokenNetwork(Protocol):
    """A network that predicts the next token; its states are (K, B, H) float32."""

    def initial_state(self, batch_size: int) -> Array:
        """Return the state before any token."""

    def run(self, tokens: Array, state: Array) -> tuple[Array, Array]:
        """Process (T, B) int64 tokens; return (T, B, H) outputs for `predict`, and the state after the last."""

    def predict(self, outputs: Array) -> Array:
        """Return (N, V) float32 log probabilities of the tokens that follow, from outputs (N, H)."""


class EncodedLine(NamedTuple):
    """A line as tokens."""

    tokens: list[int]  # without the line break
    unknown: str = ""  # the characters left out because the alphabet lacks them

    def to_array(self) -> Array:
        """Return (U + 1,) int32 tokens, including the line break."""
        return np.array([*self.tokens, LINE_BREAK], np.int32)


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

    def __init__(self, network: NextTokenNetwork, tokenizer: Tokenizer, settings: LanguageSettings) -> None:
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

    def score_sentences(self, sentences: Sequence[str]) -> Array:
        """Return the (N,) log probabilities of sentences, each with its end, computed in batches.

        A character that the alphabet lacks costs `UNKNOWN_SCORE`.
        """
        encoded = [self.encode(sentence) for sentence in sentences]
        scores = np.array([UNKNOWN_SCORE * len(line.unknown) for line in encoded], np.float64)
        # In this order sentences with the same beginning come together.
        order = sorted(range(len(encoded)), key=lambda index: encoded[index].tokens)
        for first in range(0, len(order), _BATCH_LINES):
            batch = order[first : first + _BATCH_LINES]
            scores[batch] += self._score_lines([encoded[index].tokens for index in batch])
        return scores

    def _score_lines(self, lines: Sequence[Sequence[int]]) -> Array:
        """Return the (N,) log probabilities of lines of tokens, with their line breaks."""
        tree, state = build_prefix_tree(lines), self.network.initial_state(1)
        parts = []
        for parents, tokens in tree.runs:
            outputs, state = self.network.run(tokens, state[:, parents])  # (T, B, H)
            parts.append(outputs.reshape(-1, outputs.shape[-1]))
        scores = _pick_log_probs(self.network, np.concatenate(parts), tree.nodes, tree.targets)
        return np.bincount(tree.lines, weights=scores, minlength=len(lines))

    def measure(self, lines: Sequence[str]) -> Likelihood:
        """Measure the model on lines of text, which are one continuous text if the settings say so."""
        encoded = [self.encode(line) for line in lines]
        independent = self.settings.lines == "sentences"
        num_unknown = sum(len(line.unknown) for line in encoded)
        arrays = [line.to_array() for line in encoded]
        batch_size = _BATCH_LINES if independent else 1
        segments = make_segments(arrays, independent=independent, batch_size=batch_size, length=_SEGMENT)
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

    def prefill(self, tokens: Sequence[int], state: Array | None = None) -> tuple[Array, Array]:
        """Process tokens, at least one, after a state (K, 1, H); None: they begin a text.

        Returns:
            (V,) log probabilities of the next token, and the state (K, 1, H).
        """
        state = self.network.initial_state(1) if state is None else state
        outputs, state = self.network.run(np.array(tokens)[:, None], state)  # (T, 1, H)
        return self.network.predict(outputs[-1])[0], state

    def step(self, tokens: Sequence[int], states: Array) -> tuple[Array, Array]:
        """Process one token from each of B states.

        Returns:
            (B, V) float32 log probabilities of the next tokens, and the states (K, B, H).
        """
        outputs, states = self.network.run(np.array([tokens]), states)  # (1, B, H)
        return self.network.predict(outputs[0]), states


def count_nats(network: NextTokenNetwork, segments: Iterable[Segment], *, carry_state: bool = True) -> float:
    """Return minus the log probability of a text in successive segments.

    Args:
        network: Predicts the text.
        segments: As `make_segments` yields them.
        carry_state: Whether a segment starts from the state after the one before it. Otherwise each
            starts as if it began a text, which is all that a model trained in that way has seen.
    """
    total, state = 0.0, network.initial_state(1)
    for segment in segments:
        if segment.starts or not carry_state:
            state = network.initial_state(segment.inputs.shape[1])
        outputs, state = network.run(segment.inputs, state)  # (T, B, H)
        is_target = segment.targets != IGNORED
        targets = segment.targets[is_target]  # (N,)
        total -= float(_pick_log_probs(network, outputs[is_target], np.arange(len(targets)), targets).sum())
    return total


def _pick_log_probs(network: NextTokenNetwork, outputs: Array, rows: Array, targets: Array) -> Array:
    """Return (M,) float64 log probabilities of targets (M,), each after one of the rows (M,) of outputs (N, H)."""
    scores = np.empty(len(targets))
    for first in range(0, len(outputs), _BATCH_OUTPUTS):
        log_probs = network.predict(outputs[first : first + _BATCH_OUTPUTS])  # (at most _BATCH_OUTPUTS, V)
        (picked,) = np.nonzero((rows >= first) & (rows < first + _BATCH_OUTPUTS))
        scores[picked] = log_probs[rows[picked] - first, targets[picked]]
    return scores


def load_rnn(folder: Path | str, *, precision: str = "auto") -> RnnModel:
    """Load a model folder to predict text; `precision`: see `OnnxLanguageNetwork`.

    Raises:
        ModelError: If it is not one, or its parts do not fit together.
    """
    weights, tokenizer, settings = read_rnn_files(Path(folder))
    return RnnModel(OnnxLanguageNetwork(weights, settings.network, precision=precision), tokenizer, settings)


def read_rnn_files(folder: Path) -> tuple[Weights, Tokenizer, LanguageSettings]:
    """Read the parts of a model from its folder; errors: see `load_rnn`."""
    if folder.is_file():
        raise ModelError(f"{folder}: a file; a recurrent language model is a folder, which training one writes")
    return load_model_files(
        folder,
        LanguageSettings.load,
        lambda settings, vocab_size: language_shapes(settings.network, vocab_size),
        "recurrent language model",
    )
