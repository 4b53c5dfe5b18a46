"""Generation: a prompt in, text in a model's style out."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from asr.errors import ConfigError
from asr.language.rnn.bptt import LINE_BREAK
from asr.language.rnn.model import RnnModel
from asr.language.text_files import prepare_line
from asr.weights import Array

logger = logging.getLogger(__name__)


def generate(
    model: RnnModel, *, length: int, prompt: str = "", temperature: float = 1.0, top_p: float = 1.0, seed: int = 1
) -> Iterator[str]:
    """Yield text in the model's style, token by token; the same seed gives the same text.

    Args:
        model: If its lines are independent sentences, each line starts afresh.
        prompt: The text to continue; it is not repeated.
        length: The number of tokens.
        temperature: Below 1, probable tokens become more probable; 0 always takes the most probable.
        top_p: Draw from the smallest set of tokens with this total probability (Holtzman et al. 2020).

    Raises:
        ConfigError: If a number is out of range.
    """
    if length < 0 or not 0 <= temperature < math.inf or not 0 < top_p <= 1:
        raise ConfigError(
            f"length {length}, temperature {temperature}, top_p {top_p}: expected at least 0, at least 0, and 0 to 1"
        )
    if not 0 <= seed < 2**64:
        raise ConfigError(f"seed {seed}: expected a whole number from 0 to 2**64 - 1")
    choose = partial(draw, temperature=temperature, top_p=top_p, generator=np.random.default_rng(seed))
    return _continue(model, encode_prompt(model, prepare_prompt(model, prompt)), length, choose)


def draw(log_probs: Array, *, temperature: float, top_p: float, generator: np.random.Generator) -> int:
    """Draw a token from (V,) log probabilities; see `generate`."""
    if temperature == 0:
        return int(log_probs.argmax())
    # The largest score becomes 0, whatever it is divided by: tiny temperatures make the others -inf.
    with np.errstate(over="ignore"):
        scores = (log_probs.astype(np.float64) - log_probs.max()) / temperature
    probs = np.exp(scores)
    tokens = np.argsort(-probs, kind="stable")
    probs = probs[tokens] / probs.sum()
    kept = np.cumsum(probs) - probs < top_p  # the probability before each token
    # The token at which the running sum passes a random share of the total.
    sums = np.cumsum(probs * kept)
    return int(tokens[np.searchsorted(sums, generator.random() * sums[-1], side="right")])


def _continue(model: RnnModel, tokens: Sequence[int], length: int, choose: Callable[[Array], int]) -> Iterator[str]:
    """Yield the text that follows the tokens."""
    log_probs, state = model.prefill(tokens)
    begins_line = tokens[-1] == LINE_BREAK
    for _ in range(length):
        token = choose(log_probs)
        piece = model.pieces[token]
        if begins_line and model.has_subwords:
            piece = piece.removeprefix(" ")  # units include the space before a word, but a line's first word has none
        yield piece
        begins_line = token == LINE_BREAK or (begins_line and not piece)
        starts_afresh = token == LINE_BREAK and model.settings.lines == "sentences"
        log_probs, state = model.prefill([token], None if starts_afresh else state)


def prepare_prompt(model: RnnModel, text: str) -> str:
    """Return a text as the model expects it; only its last line if lines are independent sentences."""
    lines = text.split("\n")
    if model.settings.lines == "sentences":
        lines = lines[-1:]
    prepared = "\n".join(prepare_line(line, model.settings) for line in lines)
    # Normalising strips the space at the end, which says that a word is over.
    needs_space = text[-1:].isspace() and text[-1:] != "\n" and prepared and not prepared[-1].isspace()
    return prepared + " " if needs_space else prepared


def encode_prompt(model: RnnModel, text: str) -> list[int]:
    """Return the tokens of a text, after the line break that begins every text."""
    lines = [model.encode(line) for line in text.split("\n")]
    if unknown := "".join(line.unknown for line in lines):
        logger.warning("the alphabet has no %s: left out of the text", quote_characters(unknown))
    return [token for line in lines for token in (LINE_BREAK, *line.tokens)]


def quote_characters(characters: str) -> str:
    """Return each character once, in quotes."""
    return ", ".join(map(repr, dict.fromkeys(characters)))
