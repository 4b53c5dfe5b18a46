"""What comes next, as people read it: text in a model's style, and the likeliest next words."""

import heapq
import itertools
import logging
import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from asr.errors import ConfigError, TextError
from asr.language.rnn.bptt import LINE_BREAK
from asr.language.rnn.model import RnnModel, prepare

_INNER_MARKS = "'’·-"  # stand within words
_BATCH = 32  # unfinished words that are read on side by side
_MAX_LETTERS = 60  # of a word, beside those that have begun
_MAX_READ = 20_000  # beginnings; where words hardly end, their number grows without end
_NEGLIGIBLE = 70.0  # cost of words that are not looked for

logger = logging.getLogger(__name__)


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
    if length < 0 or not 0 <= temperature < math.inf or not 0 < top_p <= 1:
        raise ConfigError(
            f"length {length}, temperature {temperature}, top_p {top_p}: expected at least 0, at least 0, and 0 to 1"
        )
    if not 0 <= seed < 2**64:
        raise ConfigError(f"seed {seed}: expected a whole number from 0 to 2**64 - 1")
    generator = torch.Generator().manual_seed(seed)
    choose = partial(draw, temperature=temperature, top_p=top_p, generator=generator)
    return _write(model, _spell(model, _prepare_lines(model, prompt)), length, choose)


def _write(model: RnnModel, tokens: Sequence[int], length: int, choose: Callable[[Tensor], int]) -> Iterator[str]:
    """What follows the tokens."""
    log_probs, state = model.read(tokens)
    begins_line = tokens[-1] == LINE_BREAK
    for _ in range(length):
        token = choose(log_probs)
        piece = model.pieces[token]
        if begins_line and _has_subwords(model):
            piece = piece.removeprefix(" ")  # units hold the space before a word, and a line's first word has none
        yield piece
        begins_line = token == LINE_BREAK or (begins_line and not piece)
        anew = token == LINE_BREAK and model.settings.lines == "apart"
        log_probs, state = model.read([token], None if anew else state)


def draw(log_probs: Tensor, *, temperature: float, top_p: float, generator: torch.Generator) -> int:
    """A token from (V,) log probabilities; see `generate`."""
    if temperature == 0:
        return int(log_probs.argmax())
    # Less the largest, so that it is 0 whatever it is divided by: tiny temperatures make the others -inf.
    scores = (log_probs.double() - log_probs.max()) / temperature
    probs, tokens = torch.softmax(scores, dim=-1).sort(descending=True, stable=True)
    before = probs.cumsum(dim=-1) - probs
    chosen = torch.multinomial(probs * (before < top_p), 1, generator=generator)
    return int(tokens[chosen])


def complete(model: RnnModel, text: str, *, count: int = 10) -> list[Completion]:
    """The likeliest words that end a text, whose last word may have begun.

    Every word is followed to its end, the most probable beginnings first, until no other can be
    among the likeliest: the list is exact for characters. Of subword units a word's several
    spellings are added up as far as they were met.

    Args:
        model: What is asked.
        text: After a mark the next word comes behind a space, where the model finds that likelier than a letter.
        count: Words wanted.

    Returns:
        At most `count` words, likeliest first, each with its probability given the whole text. In
        a fresh place those of all words and of punctuation sum to 1.

    Raises:
        TextError: If the alphabet lacks a character of the word that has begun, or no word is found.
    """
    given, text = text, _prepare_lines(model, text)
    if text and _is_letter(text[-1]) and not _is_letter(given[-1]):
        text += " "  # a mark that normalising took ended the word
    begun = _last_word(text)
    context = text[: len(text) - len(begun)]
    unknown = model.spell(begun).unknown
    if unknown:
        raise TextError(
            f"{begun!r} cannot be completed: the alphabet has no {_name(unknown)}; begin the word otherwise"
        )
    after_space = not context or context[-1] in " \n"
    # A subword unit holds the space before its word; characters have it in the context.
    tokens = _spell(model, context.rstrip(" ") if _has_subwords(model) else context)
    space = _has_subwords(model) if after_space else not begun and _wants_space(model, tokens)
    found = _WordSearch(model, " " + begun if space else begun, count).run(tokens)
    if not found:
        raise TextError(f"no word was found that goes on from {text[-40:]!r}; the model knows no text like it")
    return found


class _Node(NamedTuple):
    """A beginning of a word: `token` is still to be read from `state`."""

    cost: float  # minus its log probability
    number: int  # decides between equals
    spelled: str
    token: int
    state: Tensor


class _WordSearch:
    """Finds the likeliest words by the cost of their beginnings, which only grows (Dijkstra 1959).

    Args:
        model: What is asked.
        goal: What the words begin with; a space before them is no part of them.
        count: Words wanted.
    """

    def __init__(self, model: RnnModel, goal: str, count: int) -> None:
        self.model = model
        self.goal = goal
        self.count = count
        self.found: defaultdict[str, float] = defaultdict(float)
        self.open: list[_Node] = []
        self._num_read = 0
        self._numbers = itertools.count()

    def run(self, tokens: Sequence[int]) -> list[Completion]:
        """The words that follow tokens, of which there is at least one."""
        state = self.model.read(tokens[:-1])[1] if len(tokens) > 1 else self.model.network.first_state(1)
        for node in self._read_goal(_Node(0.0, next(self._numbers), "", tokens[-1], state)):
            self._sort_in(node)
        while self.open and self.open[0].cost < self._worth():
            if self._num_read >= _MAX_READ:
                logger.warning(
                    "%d beginnings of words were read and more are likely: the list may lack some", _MAX_READ
                )
                break
            for node in self._read_on([heapq.heappop(self.open) for _ in range(min(_BATCH, len(self.open)))]):
                self._sort_in(node)
        ranked = sorted(self.found.items(), key=lambda item: (-item[1], item[0]))[: self.count]
        return [Completion(word, probability) for word, probability in ranked]

    def _read_goal(self, start: _Node) -> list[_Node]:
        """All that spells the goal, be it one likely or not: costs count from there."""
        by_length = defaultdict(list, {0: [start]})
        for length in range(len(self.goal)):
            # Characters spell it in one way, subword units in many; those of a length differ in cost alone.
            likeliest = heapq.nsmallest(_BATCH, by_length[length])
            for node in self._read_on(likeliest) if likeliest else ():
                by_length[min(len(node.spelled), len(self.goal))].append(node)
        reached = by_length[len(self.goal)]
        total = torch.tensor([-node.cost for node in reached], dtype=torch.float64).logsumexp(0).item()
        return [node._replace(cost=node.cost + total) for node in reached]

    def _worth(self) -> float:
        """The cost from which on a word is not listed."""
        if len(self.found) < self.count:
            return _NEGLIGIBLE
        return min(_NEGLIGIBLE, -math.log(heapq.nlargest(self.count, self.found.values())[-1]))

    def _read_on(self, nodes: list[_Node]) -> Iterator[_Node]:
        """The beginnings that are a token longer and fit the goal."""
        self._num_read += len(nodes)
        states = torch.cat([node.state for node in nodes], dim=1)
        rows, states = self.model.advance([node.token for node in nodes], states)
        for index, (node, row) in enumerate(zip(nodes, rows.tolist(), strict=True)):
            state = states[:, index : index + 1]
            for token, (piece, log_prob) in enumerate(zip(self.model.pieces, row, strict=True)):
                spelled = node.spelled + piece
                if spelled.startswith(self.goal) or self.goal.startswith(spelled):
                    yield _Node(node.cost - log_prob, next(self._numbers), spelled, token, state)

    def _sort_in(self, node: _Node) -> None:
        """Count a word that has ended; keep one that has not."""
        if node.cost >= _NEGLIGIBLE:
            return
        word = node.spelled[self.goal.startswith(" ") :]
        end = next((place for place, letter in enumerate(word) if not _is_letter(letter)), None)
        if end is None and len(word) < len(self.goal) + _MAX_LETTERS:
            heapq.heappush(self.open, node)
        elif end:
            self.found[word[:end]] += math.exp(-node.cost)


def _wants_space(model: RnnModel, tokens: Sequence[int]) -> bool:
    """Whether a space is likelier to follow than a letter."""
    masses = {True: 0.0, False: 0.0}
    for piece, log_prob in zip(model.pieces, model.read(tokens)[0].tolist(), strict=True):
        if piece[0] == " " or _is_letter(piece[0]):
            masses[piece[0] == " "] += math.exp(log_prob)
    return masses[True] > masses[False]


def _has_subwords(model: RnnModel) -> bool:
    return model.settings.tokenizer.kind == "subword"


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
    prepared = "\n".join(prepare(line, model.settings) for line in lines)
    # Normalising takes the space from the end, where it says that a word is over.
    wants_space = text[-1:].isspace() and text[-1:] != "\n" and prepared and not prepared[-1].isspace()
    return prepared + " " if wants_space else prepared


def _spell(model: RnnModel, text: str) -> list[int]:
    """The tokens of a text, after the line break that every text starts with."""
    tokens, unknown = [], ""
    for line in text.split("\n"):
        spelled = model.spell(line)
        tokens += [LINE_BREAK, *spelled.tokens]
        unknown += spelled.unknown
    if unknown:
        logger.warning("the alphabet has no %s: left out of the text", _name(unknown))
    return tokens


def _name(characters: str) -> str:
    """Each character once, in quotes."""
    return ", ".join(map(repr, dict.fromkeys(characters)))
