"""Language models of tokens that read many states at once: the search stops, asks for all it wants, and goes on.

A context is what the model has read; each is read once, together with the others of its frame.
The search knows a state by number, `context * V + token`: that context, and then the token, which
nobody has read yet. With the blank for its token it is the context itself.

    search wants  3 states ──► contexts not read yet ──► one step of the network ──► rows of gains
"""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np

from asr.decode.kernel.memory import Search
from asr.decode.kernel.scores import Scorer
from asr.jit import Array


class Context(NamedTuple):
    """What a model has read."""

    scores: Array  # (V + 1,) natural-log probabilities of each token to follow and, last, of the end
    state: Any  # the model's own


class BatchLanguageModel(Protocol):
    """A language model that reads on from many contexts at once."""

    def begin(self) -> Context:
        """Nothing has been read."""

    def extend(self, contexts: Sequence[Context], tokens: Sequence[int]) -> list[Context]:
        """Read a token after each context."""


def is_batch_language_model(model: Any) -> TypeGuard[BatchLanguageModel]:
    """Whether a language model can be asked for many states at once."""
    return hasattr(model, "begin") and hasattr(model, "extend")


class BatchExternalScorer:
    """Asks one language model on behalf of one search; see `ExternalScorer`, in whose place it stands."""

    def __init__(self, model: BatchLanguageModel, vocab_size: int) -> None:
        self._model = model
        self._vocab_size = vocab_size
        self._contexts: list[Context] = []
        self._read: dict[int, int] = {}  # contexts that came of states with a token unread

    def fork(self) -> "BatchExternalScorer":
        """Another for a copy of the search."""
        made = copy.copy(self)
        made._contexts, made._read = list(self._contexts), dict(self._read)
        return made

    def start(self) -> int:
        """Number of the model's first state."""
        self._contexts, self._read = [self._model.begin()], {}
        return 0

    def answer(self, search: Search, fusion: Scorer) -> None:
        """Fill in the gains that the search has asked for."""
        wanted = search.nodes[search.wanted[: int(search.progress["num_wanted"][0])]]
        contexts = self._find(wanted["state"].tolist())
        scores = self._weighted_scores(contexts, fusion)
        search.row_gains[wanted["row"]] = scores[:, :-1] + fusion.beta
        firsts = self._vocab_size * np.array(contexts, np.int32)[:, None]
        search.row_states[wanted["row"]] = firsts + np.arange(self._vocab_size, dtype=np.int32)

    def closing_gains(self, search: Search, fusion: Scorer, node_ids: Array) -> Array:
        """(N,) gains when the utterance ends after prefixes (N,)."""
        contexts = self._find(search.nodes["state"][node_ids].tolist())
        return self._weighted_scores(contexts, fusion)[:, -1]

    def settle(self, tokens: Sequence[int]) -> None:
        """Tokens that leave the search's tree: the states remember them."""

    def keep(self, numbers: Array) -> Array:
        """Forget all contexts but those of these states; returns the states' new numbers."""
        known = np.array([self._vocab_size * self._read.get(number, -1) for number in numbers.tolist()], np.int64)
        resolved = np.where(known >= 0, known, numbers)
        used, places = np.unique(resolved // self._vocab_size, return_inverse=True)
        self._contexts, self._read = [self._contexts[context] for context in used.tolist()], {}
        kept: Array = (self._vocab_size * places.reshape(numbers.shape) + resolved % self._vocab_size).astype(np.int32)
        return kept

    def _weighted_scores(self, contexts: Sequence[int], fusion: Scorer) -> Array:
        """(N, V + 1) weighted log probabilities; see `weigh`."""
        scores = np.array([self._contexts[context].scores for context in contexts], np.float64)
        if np.isnan(scores).any():
            # To the search NaN would mean that it has to ask again, without end.
            raise ValueError("the language model gave a token the log probability NaN; it is broken")
        impossible = np.isneginf(scores)
        weighted: Array = np.where(impossible, -np.inf, fusion.alpha * np.where(impossible, 0.0, scores))
        return weighted

    def _find(self, numbers: Sequence[int]) -> list[int]:
        """The contexts of states, which are read if they have not been."""
        unread = [number for number in dict.fromkeys(numbers) if number % self._vocab_size and number not in self._read]
        if unread:
            parents = [self._contexts[number // self._vocab_size] for number in unread]
            self._read |= {number: len(self._contexts) + index for index, number in enumerate(unread)}
            self._contexts += self._model.extend(parents, [number % self._vocab_size for number in unread])
        return [self._read.get(number, number // self._vocab_size) for number in numbers]
