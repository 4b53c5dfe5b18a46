"""What comes next, as people read it: text in a model's style, and the likeliest next words."""

import heapq
import itertools
import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from asr.errors import ConfigError
from asr.language.rnn import RnnModel, prepare
from asr.language.streams import LINE_BREAK

_INNER_MARKS = "'’·-"  # stand within words
_BATCH = 32  # unfinished words that are read on side by side
_MAX_LETTERS = 60  # of a word


class Completion(NamedTuple):
    """A word that may come next, and how probable that is."""

    word: str
    probability: float


def generate(
    model: RnnModel, *, prompt: str = "", length: int = 500, temperature: float = 1.0, top_p: float = 1.0, seed: int = 1
) -> Iterator[str]:
    """Write in the model's style, piece by piece; the same seed writes the same.

    Args:
        model: Where its lines stand apart, each begins anew.
        prompt: What the text goes on from; it is not repeated.
        length: Tokens.
        temperature: Below 1 the likely becomes likelier; 0 always takes the likeliest.
        top_p: Draw from the fewest tokens that hold so much probability (Holtzman et al. 2020).
        seed: Of the draws.

    Raises:
        ConfigError: If a number is out of range.
    """
    if length < 0 or temperature < 0 or not 0 < top_p <= 1:
        raise ConfigError(
            f"length {length}, temperature {temperature}, top_p {top_p}: expected at least 0, at least 0, and 0 to 1"
        )
    generator = torch.Generator().manual_seed(seed)
    log_probs, state = model.read(_spell(model, _prepare_lines(model, prompt)))
    for _ in range(length):
        token = draw(log_probs, temperature=temperature, top_p=top_p, generator=generator)
        yield model.pieces[token]
        anew = token == LINE_BREAK and model.settings.lines == "apart"
        log_probs, state = model.read([token], None if anew else state)


def draw(log_probs: Tensor, *, temperature: float, top_p: float, generator: torch.Generator) -> int:
    """A token from (V,) log probabilities; see `generate`."""
    if temperature == 0:
        return int(log_probs.argmax())
    probs, tokens = torch.softmax(log_probs.double() / temperature, dim=-1).sort(descending=True, stable=True)
    before = probs.cumsum(dim=-1) - probs
    chosen = torch.multinomial(probs * (before < top_p), 1, generator=generator)
    return int(tokens[chosen])


def complete(model: RnnModel, text: str, *, count: int = 10) -> list[Completion]:
    """The likeliest words that end a text, whose last word may have begun.

    Every word is followed to its end, the most probable beginnings first, until no other can be
    among the likeliest: the list is exact for characters. Of subword units a word's several
    spellings are added up as far as they were met.

    Returns:
        At most `count` words, likeliest first, each with its probability given the whole text. In
        a fresh place those of all words and of punctuation sum to 1.
    """
    text = _prepare_lines(model, text)
    begun = _last_word(text)
    context = text[: len(text) - len(begun)]
    # A subword unit holds the space before its word; characters have it in the context.
    joins_space = any(len(piece) > 1 for piece in model.pieces)
    space = " " if joins_space and (not context or context[-1] in " \n") else ""
    search = _WordSearch(model, space, begun, count)
    return search.run(_spell(model, context.rstrip(" ") if space else context))


class _Node(NamedTuple):
    """A beginning of a word: `token` is still to be read from `state`."""

    cost: float  # minus its log probability
    number: int  # decides between equals
    spelled: str
    token: int
    state: Tensor


class _WordSearch:
    """Finds the likeliest words by the cost of their beginnings, which only grows (Dijkstra 1959)."""

    def __init__(self, model: RnnModel, space: str, begun: str, count: int) -> None:
        self.model = model
        self.space = space
        self.goal = space + begun
        self.count = count
        self.found: defaultdict[str, float] = defaultdict(float)
        self.open: list[_Node] = []
        self.mass = 0.0  # of all that goes on as the text has begun
        self._numbers = itertools.count()

    def run(self, tokens: Sequence[int]) -> list[Completion]:
        log_probs, state = self.model.read(tokens)
        self._expand("", 0.0, log_probs, state)
        if not self.goal:
            self.mass = 1.0
        while self.open and -math.log(max(self._least(), 1e-30)) > self.open[0].cost:
            self._read_on([heapq.heappop(self.open) for _ in range(min(_BATCH, len(self.open)))])
        ranked = sorted(self.found.items(), key=lambda item: (-item[1], item[0]))[: self.count]
        return [Completion(word, probability / self.mass) for word, probability in ranked]

    def _least(self) -> float:
        """The probability that a word needs to be listed; 0 while the list is not full or the text not matched."""
        if any(len(node.spelled) < len(self.goal) for node in self.open) or len(self.found) < self.count:
            return 0.0
        return sorted(self.found.values(), reverse=True)[self.count - 1]

    def _read_on(self, nodes: list[_Node]) -> None:
        states = torch.cat([node.state for node in nodes], dim=1)
        rows, states = self.model.advance([node.token for node in nodes], states)
        for index, node in enumerate(nodes):
            self._expand(node.spelled, node.cost, rows[index], states[:, index : index + 1])

    def _expand(self, spelled: str, cost: float, log_probs: Tensor, state: Tensor) -> None:
        for token, (piece, log_prob) in enumerate(zip(self.model.pieces, log_probs.tolist(), strict=True)):
            grown, total = spelled + piece, cost - log_prob
            if not (grown.startswith(self.goal) or self.goal.startswith(grown)):
                continue
            if len(spelled) < len(self.goal) <= len(grown):
                self.mass += math.exp(-total)
            word = grown[len(self.space) :]
            end = next((place for place, letter in enumerate(word) if not _is_letter(letter)), None)
            if end is None and len(word) < _MAX_LETTERS:
                heapq.heappush(self.open, _Node(total, next(self._numbers), grown, token, state))
            elif end and len(grown) > len(self.goal):
                self.found[word[:end]] += math.exp(-total)


def _is_letter(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LMN" or letter in _INNER_MARKS


def _last_word(text: str) -> str:
    """The letters that a text ends with."""
    letters = itertools.takewhile(_is_letter, reversed(text))
    return "".join(letters)[::-1]


def _prepare_lines(model: RnnModel, text: str) -> str:
    """A text as the model reads it; where lines stand apart, the last one alone."""
    lines = text.split("\n")
    if model.settings.lines == "apart":
        lines = lines[-1:]
    prepared = "\n".join(prepare(line, model.settings.normalizer) for line in lines)
    # Normalising takes the space from the end, where it says that a word is over.
    wants_space = text[-1:].isspace() and text[-1:] != "\n" and prepared and not prepared[-1].isspace()
    return prepared + " " if wants_space else prepared


def _spell(model: RnnModel, text: str) -> list[int]:
    """The tokens of a text, after the line break that every text starts with."""
    tokens = []
    for line in text.split("\n"):
        tokens += [LINE_BREAK, *model.spell(line).tokens]
    return tokens
