"""Partial results: the log probabilities of an utterance in, block by block, tokens out.

Committed tokens never change. The tail after them may change with every block.
"""

from typing import TypeAlias

from asr.alignment import BLANK
from asr.decode.decoder import BeamDecoder
from asr.decode.greedy import collapse_path
from asr.errors import AsrError
from asr.runtime.network import LogProbs

# Natural log. Previews search each frame again with every block. With this threshold that takes half the time it
# takes with the one of `english`, 15; one preview in forty differs (measured on LibriSpeech dev).
_PREVIEW_THRESHOLD = 10.0


class GreedyPartialText:
    """Follows the most probable path and commits every token at once.

    Attributes:
        committed: Tokens that will not change any more.
    """

    def __init__(self) -> None:
        self.committed: list[int] = []
        self._previous = BLANK

    def feed(self, log_probs: LogProbs) -> None:
        """Decode (T, V) further log probabilities."""
        path = log_probs.argmax(-1).tolist()
        self.committed += collapse_path(path, previous=self._previous)
        self._previous = path[-1] if path else self._previous

    def tail(self) -> list[int]:
        """Return the most probable tokens after the committed ones."""
        return []

    def preview(self, log_probs: LogProbs) -> list[int]:
        """Return what `tail` would be after (T, V) further log probabilities, without decoding them for good."""
        return collapse_path(log_probs.argmax(-1).tolist(), previous=self._previous)

    def finish(self) -> list[int]:
        """Return all tokens of the utterance; nothing can be fed afterwards."""
        return self.committed


class BeamPartialText:
    """Runs beam search, carrying its state from block to block; the methods are those of `GreedyPartialText`."""

    def __init__(self, decoder: BeamDecoder) -> None:
        self.committed: list[int] = []
        self._state = decoder.start()

    def feed(self, log_probs: LogProbs) -> None:
        self._state.feed(log_probs)
        self.committed += self._state.commit()[0]

    def tail(self) -> list[int]:
        return list(self._state.best()[0].tokens)

    def preview(self, log_probs: LogProbs) -> list[int]:
        state = self._state.fork(beam_threshold=_PREVIEW_THRESHOLD)
        try:
            state.feed(log_probs)
        except AsrError:  # a vocabulary may allow no completion of a word that is cut off
            return self.tail()
        return list(state.best()[0].tokens)

    def finish(self) -> list[int]:
        return [*self.committed, *self._state.finish()[0].tokens]


PartialText: TypeAlias = GreedyPartialText | BeamPartialText
