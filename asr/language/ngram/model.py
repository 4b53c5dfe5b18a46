"""N-gram models with backoff: probabilities of words given the few before them.

    model = load_ngram("lm.arpa.gz")  # load.py
    score, state = model.score(model.start(), "hello")

Scores are natural logs; only ARPA text and `NgramTables` hold log10, as ARPA does.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from asr.errors import ModelError
from asr.jit import Array
from asr.language.ngram.automaton import Automaton, connect, find_contexts, score_sequence, score_word

UNKNOWN, START, END = "<unk>", "<s>", "</s>"
SPECIAL = (UNKNOWN, "<UNK>", START, END)
SPACES = ("▁", "<space>", "|", " ")  # how models of characters write the space
_LOG_10 = math.log(10)
NEVER = -100.0 * _LOG_10  # natural log of a word that the model lacks; as in KenLM
MAX_STATES = 2**31 - 1


class OrderTable(NamedTuple):
    """All n-grams of one order, log10."""

    ngrams: Array  # (M, n) int32 word numbers
    scores: Array  # (M,) float32
    backoffs: Array  # (M,) float32, 0 if there is none


class NgramTables(NamedTuple):
    """A model in the form in which it is estimated and exchanged; unigram m is word m."""

    words: list[str]
    orders: list[OrderTable]


class Layer(NamedTuple):
    """The n-grams of one order of 2 or more in an automaton."""

    states: slice  # their contexts
    arcs: slice
    followed: Array  # the arcs that are contexts of the next layer, in the order of its states


class Perplexity(NamedTuple):
    """How well a model predicts a text; sentence ends count as words."""

    perplexity: float
    perplexity_known: float  # without words that the model lacks
    num_words: int
    num_unknown: int
    num_sentences: int


class NgramModel:
    """A model in use, word by word from Python or from the compiled search."""

    def __init__(self, words: Sequence[str], order: int, automaton: Automaton) -> None:
        self.words = list(words)
        self.order = order
        self.automaton = automaton
        self.unknown = self.words.index(UNKNOWN)
        self.end = self.words.index(END) if END in self.words else -1

    @classmethod
    def from_tables(cls, tables: NgramTables) -> "NgramModel":
        """Arrange n-grams as an automaton.

        Raises:
            ModelError: If an n-gram appears twice, or its context has no entry.
        """
        words = list(tables.words)
        scores, backoffs = (array * np.float32(_LOG_10) for array in tables.orders[0][1:])
        if UNKNOWN not in words:
            words.append(UNKNOWN)
            scores = np.append(scores, np.float32(NEVER))
            backoffs = np.append(backoffs, np.float32(0))
        automaton = unigram_automaton(scores, backoffs)
        for order, table in enumerate(tables.orders[1:], start=2):
            num_contexts = len(words) if order == 2 else len(tables.orders[order - 2].scores)
            automaton = _add_order(automaton, words, table, num_contexts, is_last=order == len(tables.orders))
        return cls(words, len(tables.orders), _drop_idle_states(automaton, len(words)))

    def to_tables(self) -> NgramTables:
        """Return the n-grams of each order."""
        automaton, num_words = self.automaton, len(self.words)
        ngrams = np.arange(num_words)[:, None]
        contexts = ngrams  # those that are states
        orders = [_table(ngrams, automaton.word_scores, automaton.backoff[1 : num_words + 1])]
        for layer in self.arc_layers():
            first_arc = automaton.first_arc[layer.states.start : layer.states.stop + 1]
            ngrams = np.column_stack([np.repeat(contexts, np.diff(first_arc), axis=0), automaton.arc_words[layer.arcs]])
            followed = layer.followed - layer.arcs.start
            backoffs = np.zeros(len(ngrams), np.float32)
            backoffs[followed] = automaton.backoff[layer.states.stop : layer.states.stop + len(followed)]
            orders.append(_table(ngrams, automaton.arc_scores[layer.arcs], backoffs))
            contexts = ngrams[followed]
        return NgramTables(self.words, orders)

    def arc_layers(self) -> Iterator[Layer]:
        """Yield the orders from 2 to the last that has n-grams.

        States are numbered as the arcs that lead to them first, so the contexts of an order are one slice.
        """
        automaton = self.automaton
        states = slice(1, len(self.words) + 1)
        while (arcs := slice(*map(int, automaton.first_arc[[states.start, states.stop]]))).stop > arcs.start:
            followed = arcs.start + np.flatnonzero(automaton.arc_states[arcs] >= states.stop)
            yield Layer(states, arcs, followed)
            states = slice(states.stop, states.stop + len(followed))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The words and their numbers."""
        return {word: number for number, word in enumerate(self.words)}

    def find_numbers(self, words: Sequence[str]) -> Array:
        """Return the numbers (M,) int32 of words; words that the model lacks have that of the unknown word."""
        if words is self.words:  # needs no dictionary, which takes a while for many words
            return np.arange(len(words), dtype=np.int32)
        return np.array([self.number(word) for word in words], np.int32)

    def number(self, word: str) -> int:
        """Return the number of a word, or that of the unknown word if the model lacks it."""
        return self.numbers.get(word, self.unknown)

    @cached_property
    def is_of_characters(self) -> bool:
        """Whether every word is a single character or stands for a space."""
        return all(len(word) == 1 or word in SPACES for word in self.words if word not in SPECIAL)

    def start(self) -> int:
        """Return the state at the beginning of a sentence."""
        return self.numbers[START] + 1 if START in self.numbers else 0

    def score(self, state: int, word: str) -> tuple[float, int]:
        """Return the natural-log probability of a word (or `</s>`) after a state, and the next state."""
        score, after = score_word(self.automaton, state, self.number(word))
        return float(score), int(after)

    def score_sentence(self, words: Sequence[str]) -> Array:
        """Return (len(words) + 1,) natural-log probabilities of a sentence's words and its end."""
        numbers = np.array([self.number(word) for word in [*words, END]], np.int64)
        scores = np.empty(len(numbers))
        score_sequence(self.automaton, self.start(), numbers, scores)
        return scores

    def perplexity(self, sentences: Iterable[Sequence[str]]) -> Perplexity:
        """Measure the model on sentences of words.

        Raises:
            ModelError: If there is no sentence.
        """
        total = total_known = 0.0
        num_words = num_unknown = num_sentences = 0
        for words in sentences:
            scores = self.score_sentence(words)
            unknown = np.array([self.number(word) == self.unknown for word in words] + [False])
            total += float(scores.sum())
            total_known += float(scores[~unknown].sum())
            num_words += len(scores)
            num_unknown += int(unknown.sum())
            num_sentences += 1
        if num_sentences == 0:
            raise ModelError("there is no sentence to measure the language model on")
        known = max(num_words - num_unknown, 1)
        perplexities = exp_capped(-total / num_words), exp_capped(-total_known / known)
        return Perplexity(*perplexities, num_words, num_unknown, num_sentences)


def exp_capped(nats: float) -> float:
    """Return e to a power, or the largest value that a float can hold."""
    return math.exp(min(nats, 700.0))


def _table(ngrams: Array, scores: Array, backoffs: Array) -> OrderTable:
    return OrderTable(ngrams.astype(np.int32), scores / np.float32(_LOG_10), backoffs / np.float32(_LOG_10))


def unigram_automaton(scores: Array, backoffs: Array) -> Automaton:
    """Make a model of single words from natural-log probabilities (W,) and backoffs (W,)."""
    return Automaton(
        word_scores=scores.astype(np.float32),
        first_arc=np.zeros(len(scores) + 2, np.int32),
        backoff=np.concatenate([[0], backoffs]).astype(np.float32),
        suffix=np.zeros(len(scores) + 1, np.int32),
        arc_words=np.zeros(0, np.int32),
        arc_scores=np.zeros(0, np.float32),
        arc_states=np.zeros(0, np.int32),
    )


def _add_order(
    automaton: Automaton, words: Sequence[str], table: OrderTable, num_contexts: int, *, is_last: bool
) -> Automaton:
    """Add the n-grams of the next order as arcs, and as states unless it is the last.

    State `1 + W + arc` is the n-gram of that arc, so that arcs and states stay in the same order.
    """
    contexts = np.empty(len(table.ngrams), np.int64)
    find_contexts(automaton, table.ngrams, contexts)
    if (contexts < 0).any():
        ngram = table.ngrams[int(np.argmax(contexts < 0))]
        raise ModelError(
            f"the n-gram {_join(words, ngram)!r} has no entry for its context {_join(words, ngram[:-1])!r}"
        )
    keys = contexts * len(words) + table.ngrams[:, -1]
    rising = np.argsort(keys, kind="stable")
    table, keys = OrderTable(*(array[rising] for array in table)), keys[rising]
    duplicates = np.flatnonzero(keys[1:] == keys[:-1])
    if len(duplicates):
        raise ModelError(f"the n-gram {_join(words, table.ngrams[duplicates[0]])!r} appears twice")
    num_ngrams = len(automaton.backoff) + len(keys)
    if num_ngrams > MAX_STATES:
        raise ModelError(f"{num_ngrams} n-grams are more than the 2**31 that a model can hold; prune it")
    return _append_arcs(automaton, table, contexts[rising], num_contexts, is_last=is_last)


def _append_arcs(
    automaton: Automaton, table: OrderTable, contexts: Array, num_contexts: int, *, is_last: bool
) -> Automaton:
    """Append n-grams, sorted by context and word, as arcs; `num_contexts` states are of the order before."""
    num_states, num_arcs, num_new = len(automaton.backoff), len(automaton.arc_words), len(contexts)
    # Contexts are states of the order before, which are the last ones so far.
    ends = np.searchsorted(contexts, np.arange(num_states - num_contexts, num_states), side="right")
    first_arc = np.concatenate([automaton.first_arc[: num_states - num_contexts + 1], num_arcs + ends])
    suffixes = np.empty(num_new, np.int32)
    connect(automaton, contexts, table.ngrams[:, -1], suffixes)
    states, new_backoff = suffixes, np.zeros(0, np.float32)
    if not is_last:
        states = np.arange(num_states, num_states + num_new, dtype=np.int32)
        new_backoff = table.backoffs * np.float32(_LOG_10)
        first_arc = np.concatenate([first_arc, np.full(num_new, num_arcs + num_new)])
    scores = table.scores * np.float32(_LOG_10)
    return automaton._replace(
        first_arc=first_arc.astype(np.int32),
        backoff=np.concatenate([automaton.backoff, new_backoff]).astype(np.float32),
        suffix=np.concatenate([automaton.suffix, suffixes[: len(new_backoff)]]).astype(np.int32),
        arc_words=np.concatenate([automaton.arc_words, table.ngrams[:, -1]]).astype(np.int32),
        arc_scores=np.concatenate([automaton.arc_scores, scores]).astype(np.float32),
        arc_states=np.concatenate([automaton.arc_states, states]).astype(np.int32),
    )


def _drop_idle_states(automaton: Automaton, num_words: int) -> Automaton:
    """Remove the longer contexts that nothing continues, if backing off from them costs nothing."""
    kept = (np.diff(automaton.first_arc) > 0) | (automaton.backoff != 0)
    kept[: num_words + 1] = True
    shorter = np.arange(len(kept))
    while not (is_kept := kept[shorter]).all():
        shorter = np.where(is_kept, shorter, automaton.suffix[shorter])
    numbers = (np.cumsum(kept) - 1)[shorter].astype(np.int32)
    return automaton._replace(
        first_arc=automaton.first_arc[np.append(kept, True)],
        backoff=automaton.backoff[kept],
        suffix=numbers[automaton.suffix[kept]],
        arc_states=numbers[automaton.arc_states],
    )


def _join(words: Sequence[str], ngram: Array) -> str:
    return " ".join(words[number] for number in ngram)
