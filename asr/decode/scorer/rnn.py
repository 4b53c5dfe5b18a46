"""A recurrent language model over the recogniser's tokens, for scoring within the beam.

Both need the same alphabet: each token of the recogniser is one of the language model's, or unknown to it.
"""

from collections.abc import Sequence

import numpy as np

from asr.decode.scorer.external import Context
from asr.errors import ConfigError
from asr.jit import Array
from asr.language.ngram.model import END
from asr.language.rnn.bptt import LINE_BREAK
from asr.language.rnn.model import UNKNOWN_SCORE, RnnModel

_UNKNOWN = -1


class RnnLM:
    """Scores the recogniser's tokens, many states at once (`BatchLanguageModel`) or one (`LanguageModel`).

    A token that the model does not have costs `UNKNOWN_SCORE`, and leaves the model's state unchanged.

    Args:
        model: The language model.
        symbols: (V,) the recogniser's tokens, the blank first.

    Raises:
        ConfigError: If the model lacks more than half of the tokens.
    """

    def __init__(self, model: RnnModel, symbols: Sequence[str]) -> None:
        ids = {symbol: token for token, symbol in enumerate(model.tokenizer.symbols) if token != LINE_BREAK}
        self.model = model
        self.symbols = list(symbols)
        self._ids = [_UNKNOWN, *(ids.get(symbol, _UNKNOWN) for symbol in symbols[1:])]
        # A shared token or two does not make the same alphabet: subword alphabets hold single letters as well.
        num_missing = sum(token == _UNKNOWN for token in self._ids[1:])
        if num_missing > len(symbols) // 2:
            raise ConfigError(
                f"the recurrent language model lacks {num_missing} of the recogniser's {len(symbols) - 1} tokens; "
                "within the beam both need the same alphabet, so use the model for rescoring instead"
            )
        self._columns = np.array([*self._ids, LINE_BREAK])

    def begin(self) -> Context:
        """See `BatchLanguageModel`."""
        log_probs, state = self.model.prefill([LINE_BREAK])
        return Context(self._rows(log_probs[None])[0], state)

    start = begin

    def extend(self, contexts: Sequence[Context], tokens: Sequence[int]) -> list[Context]:
        """See `BatchLanguageModel`."""
        extended = list(contexts)
        known = [index for index, token in enumerate(tokens) if self._ids[token] != _UNKNOWN]
        if known:
            states = np.concatenate([contexts[index].state for index in known], axis=1)  # (K, N, H)
            log_probs, states = self.model.step([self._ids[tokens[index]] for index in known], states)
            for column, (index, row) in enumerate(zip(known, self._rows(log_probs), strict=True)):
                extended[index] = Context(row, states[:, column : column + 1])
        return extended

    def score(self, state: Context, word: str) -> tuple[float, Context]:
        """See `LanguageModel`; `word` is a symbol or `</s>`."""
        if word == END:
            return float(state.scores[-1]), state
        token = self.symbols.index(word)
        return float(state.scores[token]), self.extend([state], [token])[0]

    def _rows(self, log_probs: Array) -> Array:
        """(N, V + 1) scores of the recogniser's tokens and the end, from (N, V') of the model's."""
        return np.where(self._columns == _UNKNOWN, UNKNOWN_SCORE, log_probs[:, self._columns].astype(np.float64))
