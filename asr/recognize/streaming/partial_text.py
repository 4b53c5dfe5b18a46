"""Partial results: the log probabilities of an utterance in, block by block, tokens out.

Committed tokens never change. The tail after them may change with every block.
"""

from dataclasses import replace
from typing import TypeAlias

from asr.alignment import BLANK
from asr.decode.decoder import BeamDecoder
from asr.decode.greedy import collapse_path
from asr.errors import AsrError
from asr.recognize.utterance import SearchResult, choose_best
from asr.runtime.network import LogProbs

# Natural log. Previews search each frame again with every block, so wide searches are narrowed. Instead of 15 it takes
# half the time, and one preview in forty differs (measured with `english-tiny` on LibriSpeech dev).
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

    def finish(self, nbest: int = 1) -> SearchResult:
        """Return the hypotheses of the whole utterance, at most `nbest`; nothing can be fed afterwards."""
        return SearchResult.greedy(self.committed)


class BeamPartialText:
    """Runs beam search, carrying its state from block to block; the methods are those of `GreedyPartialText`."""

    def __init__(self, decoder: BeamDecoder) -> None:
        self.committed: list[int] = []
        self._frames: list[int] = []  # of the committed tokens
        self._state = decoder.start()

    def feed(self, log_probs: LogProbs) -> None:
        self._state.feed(log_probs)
        tokens, frames = self._state.commit()
        self.committed += tokens
        self._frames += frames

    def tail(self) -> list[int]:
        return list(self._state.best()[0].tokens)

    def preview(self, log_probs: LogProbs) -> list[int]:
        state = self._state.fork(beam_threshold=_PREVIEW_THRESHOLD)
        try:
            state.feed(log_probs)
        except AsrError:  # a vocabulary may allow no completion of a word that is cut off
            return self.tail()
        return list(state.best()[0].tokens)

    def finish(self, nbest: int = 1) -> SearchResult:
        hypotheses = [
            replace(one, tokens=(*self.committed, *one.tokens), frames=(*self._frames, *one.frames))
            for one in self._state.finish(nbest)
        ]
        return choose_best(hypotheses, None)


PartialText: TypeAlias = GreedyPartialText | BeamPartialText
