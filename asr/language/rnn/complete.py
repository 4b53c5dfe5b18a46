"""Completion: a text in, the most probable next words out."""

import heapq
import itertools
import logging
import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from asr.config import COMPLETIONS
from asr.errors import TextError
from asr.language.rnn.generate import encode_prompt, prepare_prompt, quote_characters
from asr.language.rnn.model import RnnModel
from asr.weights import Array

_INNER_MARKS = "'’·-"  # within words
_BATCH = 32  # prefixes that are extended in a batch
_MAX_LETTERS = 60  # of a word, in addition to those that are given
_MAX_PREFIXES = 20_000  # if words rarely end, the number of prefixes grows without bound
_NEGLIGIBLE = 70.0  # cost of words that are not searched for

logger = logging.getLogger(__name__)


class Completion(NamedTuple):
    """A possible next word and its probability."""

    word: str
    probability: float


def complete(model: RnnModel, text: str, *, count: int = COMPLETIONS) -> list[Completion]:
    """Find the most probable last words of a text, whose last word may be incomplete.

    Prefixes of words are extended in order of their probability until no other word can be among the
    most probable, so the list is exact for characters. For subword units, the probabilities of a word's
    several encodings are summed over those that the search met.

    After a punctuation mark, the next word follows a space if the model finds that likelier than a letter.

    Returns:
        At most `count` words, the most probable first, each with its probability given the whole text. If no
        word has been begun, the probabilities of all words and of punctuation sum to 1.

    Raises:
        TextError: If the alphabet lacks a character of the incomplete word, or no word is found.
    """
    original, text = text, prepare_prompt(model, text)
    if text and _is_letter(text[-1]) and not _is_letter(original[-1]):
        text += " "  # a mark that normalising removed ended the word
    begun = "".join(itertools.takewhile(_is_letter, reversed(text)))[::-1]
    context = text[: len(text) - len(begun)]
    if unknown := model.encode(begun).unknown:
        raise TextError(
            f"{begun!r} cannot be completed: the alphabet has no {quote_characters(unknown)}; "
            "begin the word with other letters"
        )
    after_space = not context or context[-1] in " \n"
    # A subword unit includes the space before its word; characters have it in the context.
    tokens = encode_prompt(model, context.rstrip(" ") if model.has_subwords else context)
    space = model.has_subwords if after_space else not begun and _expects_space(model, tokens)
    completions = _WordSearch(model, " " + begun if space else begun, count).run(tokens)
    if not completions:
        raise TextError(f"no word was found that continues {text[-40:]!r}; the model has seen no text like it")
    return completions


class _Node(NamedTuple):
    """A prefix of a word; `token`, its last, is yet to be processed from `state`."""

    cost: float  # minus its log probability
    number: int  # decides between equal costs
    prefix: str
    token: int
    state: Array


class _WordSearch:
    """Finds the most probable words by the cost of their prefixes, which only grows (Dijkstra 1959)."""

    def __init__(self, model: RnnModel, begun: str, count: int) -> None:
        self.model, self.count = model, count
        self.begun = begun  # what the words begin with; a space before them is not part of them
        self.probabilities: defaultdict[str, float] = defaultdict(float)
        self.open: list[_Node] = []
        self._num_prefixes = 0
        self._numbers = itertools.count()

    def run(self, tokens: Sequence[int]) -> list[Completion]:
        """Return the words that follow tokens, of which there is at least one."""
        state = self.model.prefill(tokens[:-1])[1] if len(tokens) > 1 else self.model.network.initial_state(1)
        for node in self._reach_begun(_Node(0.0, next(self._numbers), "", tokens[-1], state)):
            self._add(node)
        while self.open and self.open[0].cost < self._cost_limit():
            if self._num_prefixes >= _MAX_PREFIXES:
                logger.warning(
                    "%d prefixes of words were tried and more are probable: the list may lack some", _MAX_PREFIXES
                )
                break
            for node in self._extend([heapq.heappop(self.open) for _ in range(min(_BATCH, len(self.open)))]):
                self._add(node)
        ranked = sorted(self.probabilities.items(), key=lambda item: (-item[1], item[0]))[: self.count]
        return [Completion(word, probability) for word, probability in ranked]

    def _reach_begun(self, start: _Node) -> list[_Node]:
        """Return all encodings of the letters that are given, however improbable: costs count from there."""
        by_length = defaultdict(list, {0: [start]})
        for length in range(len(self.begun)):
            # Characters encode them in one way, subword units in many; those of a length differ in cost alone.
            cheapest = heapq.nsmallest(_BATCH, by_length[length])
            for node in self._extend(cheapest) if cheapest else ():
                by_length[min(len(node.prefix), len(self.begun))].append(node)
        reached = by_length[len(self.begun)]
        total = float(np.logaddexp.reduce([-node.cost for node in reached]))
        return [node._replace(cost=node.cost + total) for node in reached]

    def _cost_limit(self) -> float:
        """Return the cost above which no word is listed."""
        if len(self.probabilities) < self.count:
            return _NEGLIGIBLE
        return min(_NEGLIGIBLE, -math.log(heapq.nlargest(self.count, self.probabilities.values())[-1]))

    def _extend(self, nodes: list[_Node]) -> Iterator[_Node]:
        """Yield the prefixes that are a token longer and agree with the letters that are given."""
        self._num_prefixes += len(nodes)
        states = np.concatenate([node.state for node in nodes], axis=1)  # (K, B, H)
        rows, states = self.model.step([node.token for node in nodes], states)
        for index, (node, row) in enumerate(zip(nodes, rows.tolist(), strict=True)):
            state = states[:, index : index + 1]
            for token, (piece, log_prob) in enumerate(zip(self.model.pieces, row, strict=True)):
                prefix = node.prefix + piece
                if prefix.startswith(self.begun) or self.begun.startswith(prefix):
                    yield _Node(node.cost - log_prob, next(self._numbers), prefix, token, state)

    def _add(self, node: _Node) -> None:
        """Count a word that is complete; keep a prefix for extension."""
        if node.cost >= _NEGLIGIBLE:
            return
        word = node.prefix[self.begun.startswith(" ") :]
        end = next((index for index, letter in enumerate(word) if not _is_letter(letter)), None)
        if end is None and len(word) < len(self.begun) + _MAX_LETTERS:
            heapq.heappush(self.open, node)
        elif end:
            self.probabilities[word[:end]] += math.exp(-node.cost)


def _expects_space(model: RnnModel, tokens: Sequence[int]) -> bool:
    """Whether a space is likelier to follow than a letter."""
    probabilities = {True: 0.0, False: 0.0}
    for piece, log_prob in zip(model.pieces, model.prefill(tokens)[0].tolist(), strict=True):
        if piece[0] == " " or _is_letter(piece[0]):
            probabilities[piece[0] == " "] += math.exp(log_prob)
    return probabilities[True] > probabilities[False]


def _is_letter(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LMN" or letter in _INNER_MARKS
