"""Language models that are Python objects: the search stops, asks, and goes on.

The compiled search knows their states by number. It names the prefixes whose gains it lacks;
`ExternalScorer` fills them in, each once.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from asr.decode.kernel.memory import NONE, Search
from asr.decode.kernel.scores import HOT, TOKEN_LEVEL, Scorer
from asr.decode.scorer.word_trie import SEPARATORS
from asr.jit import Array


class Model(Protocol):
    """See `LanguageModel` in blend.py."""

    def start(self) -> Any: ...

    def score(self, state: Any, word: str) -> tuple[float, Any]: ...


def weigh(score: float, alpha: float) -> float:
    """A weighted log probability; what is impossible stays so under a weight of 0, where the product would be NaN."""
    return score if score == -math.inf else alpha * score


class ExternalScorer:
    """Asks one language model on behalf of one search."""

    def __init__(self, model: Any, symbols: Sequence[str]) -> None:
        self.model: Model = model
        self.symbols = symbols
        self.states: list[Any] = []
        self.stem = ""  # of an open word whose first letters are settled

    def fork(self) -> "ExternalScorer":
        """Another for a copy of the search."""
        made = copy.copy(self)
        made.states = list(self.states)
        return made

    def start(self) -> int:
        """Number of the model's first state."""
        return self._number(self.model.start())

    def answer(self, search: Search, fusion: Scorer) -> None:
        """Fill in the gains that the search has asked for."""
        for node_id in search.wanted[: int(search.progress["num_wanted"][0])].tolist():
            if fusion.level == TOKEN_LEVEL:
                self._fill_row(search, fusion, node_id)
            else:
                self._end_word(search, fusion, node_id)

    def closing_gains(self, search: Search, fusion: Scorer, node_ids: Array) -> Array:
        """(N,) gains when the utterance ends after prefixes (N,): their last words and the sentence end."""
        return np.array([self._closing_gain(search, fusion, node_id) for node_id in node_ids.tolist()])

    def settle(self, tokens: Sequence[int]) -> None:
        """Take note of tokens that leave the search's tree."""
        for token in tokens:
            symbol = self.symbols[token]
            self.stem = symbol[1:] if symbol[:1] in SEPARATORS else self.stem + symbol

    def keep(self, numbers: Array) -> Array:
        """Forget all states but these; returns their new numbers."""
        used, renumbered = np.unique(numbers, return_inverse=True)
        self.states = [self.states[number] for number in used.tolist()]
        found: Array = renumbered.reshape(numbers.shape).astype(np.int32)
        return found

    def _closing_gain(self, search: Search, fusion: Scorer, node_id: int) -> float:
        node = search.nodes[node_id]
        gain, state = 0.0, int(node["state"])
        if fusion.level != TOKEN_LEVEL and node["spelled"] != 0:
            if math.isnan(node["word_gain"]):
                self._end_word(search, fusion, node_id)
            gain, state = float(node["word_gain"]), int(node["state_after"])
        if math.isinf(gain):
            return gain
        return gain + weigh(self._ask(state, "</s>")[0], fusion.alpha)

    def _fill_row(self, search: Search, fusion: Scorer, node_id: int) -> None:
        node = search.nodes[node_id]
        for token, symbol in enumerate(self.symbols[1:], start=1):
            score, state = self._ask(int(node["state"]), symbol)
            search.row_gains[node["row"], token] = weigh(score, fusion.alpha) + fusion.beta
            search.row_states[node["row"], token] = self._number(state)

    def _end_word(self, search: Search, fusion: Scorer, node_id: int) -> None:
        node = search.nodes[node_id]
        if fusion.closed and (node["spelled"] == NONE or fusion.words[node["spelled"]] == NONE):
            node["word_gain"] = -math.inf
            return
        score, state = self._ask(int(node["state"]), self._word(search, node_id))
        price = fusion.unknown_gain if fusion.words[node["spelled"]] <= HOT else 0.0
        node["word_gain"] = weigh(score, fusion.alpha) + fusion.beta + price - fusion.advance[node["spelled"]]
        node["state_after"] = self._number(state)

    def _word(self, search: Search, node_id: int) -> str:
        """The word that a prefix is spelling."""
        pieces: list[str] = []
        while node_id != NONE:
            if search.nodes["parent"][node_id] == NONE:
                pieces.append(self.stem)
                break
            symbol = self.symbols[search.nodes["token"][node_id]]
            pieces.append(symbol.lstrip(SEPARATORS))
            if symbol[:1] in SEPARATORS:
                break
            node_id = int(search.nodes["parent"][node_id])
        return "".join(reversed(pieces))

    def _ask(self, state: int, word: str) -> tuple[float, Any]:
        score, after = self.model.score(self.states[state], word)
        score = float(score)
        if not score <= 0:
            raise ValueError(f"the language model gave {word!r} the log probability {score}; expected at most 0")
        return score, after

    def _number(self, state: Any) -> int:
        self.states.append(state)
        return len(self.states) - 1
