"""A trained recurrent language model: text in, probabilities out.

Its folder holds text and weights, as an acoustic model's does, and no code is run from it:

model.safetensors   weights in half precision or in 8 bits (weights.py)
config.yaml         what is needed to build the network and to read text (config.py, `LanguageSettings`)
tokens.txt          the alphabet; token 0 stands for the line break, which both starts and ends a sentence

Scores are natural logs. Text is taken as it is: whoever asks has normalised it.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from asr.atomic import atomic_write
from asr.config import LanguageSettings, load_language_settings, write_yaml
from asr.errors import AsrError, ModelError, TextError
from asr.files import read_lines
from asr.jit import Array
from asr.language.rnn.bptt import IGNORED, LINE_BREAK, Segment, line_segments
from asr.language.rnn.network import LanguageNetwork
from asr.language.text_files import parse_weighted_text
from asr.text.load import load_tokenizer
from asr.text.normalize import normalize
from asr.text.tokenizer import WORD_START, Tokenizer
from asr.weights import load_weights, save_weights, to_half

WEIGHTS = "model.safetensors"
SETTINGS = "config.yaml"
# Natural log of the probability of a character that the alphabet lacks; the network skips it.
UNKNOWN_SCORE = -10.0
BATCH_LINES = 64  # that are scored side by side
SEGMENT = 256  # tokens at a time, where no gradients are kept


@dataclass(frozen=True)
class Spelled:
    """A line as tokens.

    Attributes:
        tokens: Without the line break.
        unknown: The characters left out, since the alphabet lacks them.
    """

    tokens: list[int]
    unknown: str = ""

    @property
    def num_unknown(self) -> int:
        """How many characters were left out."""
        return len(self.unknown)

    def line(self) -> Tensor:
        """(U + 1,) int32 tokens, with the line break."""
        return torch.tensor([*self.tokens, LINE_BREAK], dtype=torch.int32)


class RnnModel:
    """A network with its alphabet, which can be asked for sentences, for single tokens and for many states at once."""

    def __init__(self, network: LanguageNetwork, tokenizer: Tokenizer, settings: LanguageSettings) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.settings = settings
        # The tokens as text: the line break, then letters or pieces with spaces for ▁.
        self.pieces = ["\n", *(symbol.replace(WORD_START, " ") for symbol in tokenizer.symbols[1:])]
        self.alphabet = frozenset("".join(self.pieces))

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.head_bias.device

    def spell(self, line: str) -> Spelled:
        """A line of text as tokens; characters that the alphabet lacks are left out and counted."""
        try:
            return Spelled(self.tokenizer.encode(line))
        except TextError:
            kept = "".join(letter for letter in line if letter in self.alphabet)
            unknown = "".join(letter for letter in line if letter not in self.alphabet)
            return Spelled(self.tokenizer.encode(kept), unknown)

    @torch.inference_mode()
    def score_sentences(self, sentences: Sequence[str]) -> Array:
        """(N,) log probability of each sentence with its end, many read side by side.

        A character that the alphabet lacks costs `UNKNOWN_SCORE`.
        """
        spelled = [self.spell(sentence) for sentence in sentences]
        scores = np.array([UNKNOWN_SCORE * one.num_unknown for one in spelled], np.float64)
        lines = [one.line() for one in spelled]
        order = sorted(range(len(lines)), key=lambda index: len(lines[index]))
        for first in range(0, len(order), BATCH_LINES):
            batch = order[first : first + BATCH_LINES]
            segments = line_segments([lines[i] for i in batch], batch_size=len(batch), length=SEGMENT, seed=None)
            for part in token_scores(self.network, segments):
                scores[batch] += part.sum(dim=0).numpy()
        return scores

    @torch.inference_mode()
    def read(self, tokens: Sequence[int], state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(V,) log probabilities of what follows the tokens, and the state (K, 1, H).

        Args:
            tokens: At least one.
            state: After what was read before; None: nothing was.
        """
        state = self.network.first_state(1) if state is None else state
        rows, state = self.advance([tokens[0]], state)
        for token in tokens[1:]:
            rows, state = self.advance([token], state)
        return rows[0], state

    @torch.inference_mode()
    def advance(self, tokens: Sequence[int], state: Tensor) -> tuple[Tensor, Tensor]:
        """Read one token from each of B states.

        Returns:
            (B, V) log probabilities of what follows, in float32 on the CPU, and the states (K, B, H).
        """
        logits, state = self.network(torch.tensor([tokens], device=self.device), state)
        return F.log_softmax(logits[0].float(), dim=-1).cpu(), state


def token_scores(
    network: LanguageNetwork, segments: Iterable[Segment], *, carry_state: bool = True
) -> Iterator[Tensor]:
    """(T, B) float64 log probabilities of the targets of segments that follow one another; 0 for padding.

    Args:
        network: In evaluation mode, where dropout is not wanted.
        segments: As `arrange` cuts them.
        carry_state: Whether a segment goes on from the state that the one before it left; else each
            begins as if nothing had been read, which is all that a model trained so has ever seen.
    """
    state = network.first_state(1)
    for segment in segments:
        if segment.starts or not carry_state:
            state = network.first_state(segment.inputs.shape[1])
        device = state.device
        logits, state = network(segment.inputs.to(device), state)
        log_probs = F.log_softmax(logits.float(), dim=-1).cpu()
        targets = segment.targets.clamp(min=0)
        scores = log_probs.gather(-1, targets[..., None])[..., 0].double()
        yield scores.masked_fill(segment.targets == IGNORED, 0.0)


def read_text(paths: Sequence[Path], settings: LanguageSettings) -> list[str]:
    """The lines of text files, prepared as the settings say; where lines stand apart, without empty ones.

    Raises:
        TextError: If a file cannot be read, or there is no text.
    """
    lines: list[str] = []
    for path, weight in map(parse_weighted_text, paths):
        lines += [prepare(line, settings) for line in read_lines(path)] * weight
    if settings.lines == "apart":
        lines = [line for line in lines if line]
    if not any(lines):
        raise TextError(f"{', '.join(map(str, paths))}: there is no text")
    return lines


def prepare(line: str, settings: LanguageSettings) -> str:
    """A line as the model reads it."""
    if settings.normalizer is not None:
        return normalize(line, settings.normalizer)
    if settings.tokenizer.kind == "subword":
        # Units keep no other white space than one between words; what they cannot tell must not be counted.
        return " ".join(line.split())
    # An alphabet has one kind of white space.
    return "".join(" " if letter.isspace() else letter for letter in line.rstrip("\r\n"))


def build_network(settings: LanguageSettings, vocab_size: int) -> LanguageNetwork:
    """The network that the settings describe, with random weights."""
    return LanguageNetwork(settings.network, vocab_size)


def is_rnn_folder(path: Path) -> bool:
    """Whether a path is the folder of a recurrent language model, rather than an n-gram model's file."""
    return (path / SETTINGS).is_file()


def save_rnn(model: RnnModel, folder: Path) -> None:
    """Write a model folder.

    Raises:
        ModelError: If a weight is not finite.
        AsrError: If the folder cannot be written to.
    """
    weights = to_half(model.network, folder / WEIGHTS)
    write_yaml(model.settings, folder / SETTINGS)
    model.tokenizer.save(folder)
    save_weights(weights, folder / WEIGHTS)  # last: where they are, the rest is too


def copy_rnn(source: Path, folder: Path) -> None:
    """Copy a model folder, without its training.

    Raises:
        AsrError: If the folder cannot be written to.
    """
    files = sorted((path for path in source.iterdir() if path.is_file()), key=lambda path: (path.name == WEIGHTS, path))
    for path in files:
        with atomic_write(folder / path.name) as partial:
            shutil.copyfile(path, partial)


def load_rnn(folder: Path | str, *, device: torch.device | str = "cpu") -> RnnModel:
    """Read a model folder.

    Raises:
        ModelError: If it is not one, or its parts do not fit together.
    """
    folder = Path(folder)
    if folder.is_file():
        raise ModelError(
            f"{folder}: a file; a recurrent language model is a folder, as `asr lm train --kind rnn` writes it"
        )
    try:
        settings = load_language_settings(folder / SETTINGS)
        tokenizer = load_tokenizer(folder, settings.tokenizer)
    except AsrError as error:
        raise ModelError(f"{folder}: not a usable recurrent language model: {error}") from None
    network = build_network(settings, tokenizer.vocab_size)
    load_weights(network, folder / WEIGHTS)
    return RnnModel(network.to(device).eval(), tokenizer, settings)
