"""External language models, which are Python objects: the search stops, asks for gains, and continues.

The compiled search knows a model's states by number. It lists the prefixes whose gains are pending;
an external LM fills them in, each once. `ExternalLM` asks word by word or token by token;
`BatchExternalLM` asks for all pending states of a frame at once:

    pending states ──► contexts not computed yet ──► one step of the network ──► rows of gains
"""

import copy
import math
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from asr.decode.kernel.memory import NONE, SearchBuffers
from asr.decode.kernel.scores import HOT, TOKEN_LEVEL, Scorer
from asr.decode.scorer.word_trie import SEPARATORS
from asr.jit import Array


class LanguageModel(Protocol):
    """Interface of a language model.

    `NgramModel` runs inside the compiled search. Any other object is asked from Python, word
    by word or token by token, which is slower and otherwise equivalent.
    """

    def start(self) -> Any:
        """Return the state at the beginning of an utterance."""

    def score(self, state: Any, word: str) -> tuple[float, Any]:
        """Return the natural-log probability, at most 0, of a word (or token, or `</s>`), and the state after it."""


class Context(NamedTuple):
    """A language model's prediction and state after some tokens."""

    scores: Array  # (V + 1,) natural-log probabilities of each token to follow and, last, of the end
    state: Any  # the model's own


@runtime_checkable
class BatchLanguageModel(Protocol):
    """A token-level language model that extends many contexts at once."""

    def begin(self) -> Context:
        """Return the context before any token."""

    def extend(self, contexts: Sequence[Context], tokens: Sequence[int]) -> list[Context]:
        """Return each context extended by a token."""


def make_external_lm(model: Any, symbols: Sequence[str], scorer: Scorer) -> "ExternalLM | BatchExternalLM | None":
    """Return what a search asks for a model's gains; None if the model is compiled or absent."""
    if not scorer.lm.is_external:
        return None
    if scorer.lm_level == TOKEN_LEVEL and isinstance(model, BatchLanguageModel):
        return BatchExternalLM(model, len(symbols))
    return ExternalLM(model, symbols)


class ExternalLM:
    """Asks one language model on behalf of one search; the number of the model's first state is 0."""

    def __init__(self, model: LanguageModel, symbols: Sequence[str]) -> None:
        self._model = model
        self._symbols = symbols
        self._states = [model.start()]  # by number
        self._stem = ""  # of an open word whose first letters are committed

    def fork(self) -> "ExternalLM":
        """Return another for a copy of the search."""
        fork = copy.copy(self)
        fork._states = list(self._states)
        return fork

    def fill_pending(self, search: SearchBuffers, scorer: Scorer) -> None:
        """Fill in the gains that the search has asked for."""
        for node_id in search.pending[: search.progress["num_pending"][0]].tolist():
            if scorer.lm_level == TOKEN_LEVEL:
                self._fill_row(search, scorer, node_id)
            else:
                self._end_word(search, scorer, node_id)

    def closing_gains(self, search: SearchBuffers, scorer: Scorer, node_ids: Array) -> Array:
        """Return (N,) gains if the utterance ends after prefixes (N,): of their last words and the sentence end."""
        return np.array([self._closing_gain(search, scorer, node_id) for node_id in node_ids.tolist()])

    def commit(self, tokens: Sequence[int]) -> None:
        """Remember the word that tokens leave open when they leave the search's tree."""
        for token in tokens:
            symbol = self._symbols[token]
            self._stem = symbol[1:] if symbol[:1] in SEPARATORS else self._stem + symbol

    def renumber(self, numbers: Array) -> Array:
        """Forget all states but these; returns their new numbers."""
        used, renumbered = np.unique(numbers, return_inverse=True)
        self._states = [self._states[number] for number in used.tolist()]
        return renumbered.reshape(numbers.shape).astype(np.int32)

    def _closing_gain(self, search: SearchBuffers, scorer: Scorer, node_id: int) -> float:
        node = search.nodes[node_id]
        gain, state = 0.0, int(node["state"])
        if scorer.lm_level != TOKEN_LEVEL and node["trie_node"] != 0:
            if math.isnan(node["word_gain"]):
                self._end_word(search, scorer, node_id)
            gain, state = float(node["word_gain"]), int(node["state_after"])
        if math.isinf(gain):
            return gain
        return gain + _weigh(self._ask(state, "</s>")[0], scorer)

    def _fill_row(self, search: SearchBuffers, scorer: Scorer, node_id: int) -> None:
        node = search.nodes[node_id]
        for token, symbol in enumerate(self._symbols[1:], start=1):
            score, state = self._ask(int(node["state"]), symbol)
            search.row_gains[node["row"], token] = _weigh(score, scorer) + scorer.weights.beta
            search.row_states[node["row"], token] = self._add_state(state)

    def _end_word(self, search: SearchBuffers, scorer: Scorer, node_id: int) -> None:
        node, trie = search.nodes[node_id], scorer.trie
        trie_node = node["trie_node"]
        if trie.is_closed and (trie_node == NONE or trie.words[trie_node] == NONE):
            node["word_gain"] = -math.inf
            return
        score, state = self._ask(int(node["state"]), self._word(search, node_id))
        price = scorer.weights.unknown_score if trie.words[trie_node] <= HOT else 0.0
        node["word_gain"] = _weigh(score, scorer) + scorer.weights.beta + price - trie.look_ahead[trie_node]
        node["state_after"] = self._add_state(state)

    def _word(self, search: SearchBuffers, node_id: int) -> str:
        """Return the word that a prefix is spelling."""
        word = ""
        while (parent := int(search.nodes["parent"][node_id])) != NONE:
            symbol = self._symbols[search.nodes["token"][node_id]]
            word = symbol.lstrip(SEPARATORS) + word
            if symbol[:1] in SEPARATORS:
                return word
            node_id = parent
        return self._stem + word

    def _ask(self, state: int, word: str) -> tuple[float, Any]:
        score, state_after = self._model.score(self._states[state], word)
        score = float(score)
        if not score <= 0:
            raise ValueError(f"the language model gave {word!r} the log probability {score}; expected at most 0")
        return score, state_after

    def _add_state(self, state: Any) -> int:
        self._states.append(state)
        return len(self._states) - 1


class BatchExternalLM:
    """Asks one language model for many states at once, on behalf of one search; same interface as `ExternalLM`.

    A state's number is `context * V + token`: the context extended by the token, which is computed only when its
    gains are needed. With the blank as token it is the context itself.
    """

    def __init__(self, model: BatchLanguageModel, vocab_size: int) -> None:
        self._model = model
        self._vocab_size = vocab_size
        self._contexts = [model.begin()]
        self._extended: dict[int, int] = {}  # states with a token, and the contexts computed for them

    def fork(self) -> "BatchExternalLM":
        """Return another for a copy of the search."""
        fork = copy.copy(self)
        fork._contexts, fork._extended = list(self._contexts), dict(self._extended)
        return fork

    def fill_pending(self, search: SearchBuffers, scorer: Scorer) -> None:
        """Fill in the gains that the search has asked for."""
        pending = search.nodes[search.pending[: search.progress["num_pending"][0]]]
        contexts = self._find(pending["state"].tolist())
        scores = self._weighted_scores(contexts, scorer)  # (N, V + 1)
        search.row_gains[pending["row"]] = scores[:, :-1] + scorer.weights.beta
        firsts = self._vocab_size * np.array(contexts, np.int32)[:, None]
        search.row_states[pending["row"]] = firsts + np.arange(self._vocab_size, dtype=np.int32)

    def closing_gains(self, search: SearchBuffers, scorer: Scorer, node_ids: Array) -> Array:
        """Return (N,) gains if the utterance ends after prefixes (N,)."""
        contexts = self._find(search.nodes["state"][node_ids].tolist())
        return self._weighted_scores(contexts, scorer)[:, -1]

    def commit(self, tokens: Sequence[int]) -> None:
        """Do nothing: the states remember tokens that leave the search's tree."""

    def renumber(self, numbers: Array) -> Array:
        """Forget all contexts but those of these states; returns the states' new numbers."""
        extended = [self._vocab_size * self._extended.get(number, -1) for number in numbers.tolist()]
        resolved = np.where(np.array(extended, np.int64) >= 0, extended, numbers)
        used, indices = np.unique(resolved // self._vocab_size, return_inverse=True)
        self._contexts, self._extended = [self._contexts[context] for context in used.tolist()], {}
        new_contexts = indices.reshape(numbers.shape)
        return (self._vocab_size * new_contexts + resolved % self._vocab_size).astype(np.int32)

    def _weighted_scores(self, contexts: Sequence[int], scorer: Scorer) -> Array:
        """(N, V + 1) weighted log probabilities; see `_weigh`."""
        scores = np.array([self._contexts[context].scores for context in contexts], np.float64)
        if np.isnan(scores).any():
            # To the search NaN would mean that it has to ask again, without end.
            raise ValueError("the language model gave a token the log probability NaN; it is broken")
        is_impossible = np.isneginf(scores)
        return np.where(is_impossible, -np.inf, scorer.weights.alpha * np.where(is_impossible, 0.0, scores))

    def _find(self, numbers: Sequence[int]) -> list[int]:
        """Return the contexts of states; those not computed yet are."""
        pairs = {number: divmod(number, self._vocab_size) for number in numbers if number not in self._extended}
        new = {number: (context, token) for number, (context, token) in pairs.items() if token}
        if new:
            self._extended |= dict(zip(new, count(len(self._contexts))))
            contexts, tokens = zip(*new.values(), strict=True)
            self._contexts += self._model.extend([self._contexts[context] for context in contexts], tokens)
        return [self._extended.get(number, number // self._vocab_size) for number in numbers]


def _weigh(score: float, scorer: Scorer) -> float:
    """Return a weighted log probability; -inf stays -inf under a weight of 0, which would make it NaN."""
    return score if score == -math.inf else scorer.weights.alpha * score
