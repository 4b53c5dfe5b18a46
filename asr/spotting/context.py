"""The words around a match: what is said shortly before and after it, decoded as in recognition."""

from asr.recognize.utterance import UtteranceDecoder
from asr.runtime.network import LogProbs
from asr.spotting.spotter import Match

SECONDS = 3.0  # on each side
MOST_WORDS = 6  # on each side


class ContextDecoder:
    """Decodes the surroundings of matches; the match itself is taken as given, whatever the decoder's vocabulary."""

    def __init__(self, decoder: UtteranceDecoder) -> None:
        self._decoder = decoder
        self._num_frames = round(SECONDS / decoder.timing.frame_seconds)

    def decode(self, log_probs: LogProbs, match: Match) -> tuple[str, str]:
        """Return the words before and after a match in (T, V) log probabilities of its utterance."""
        first, end = max(0, match.start - self._num_frames), match.end + self._num_frames
        before = self._words(log_probs[first : match.start])
        after = self._words(log_probs[match.end : end])
        # A word at the edge may be incomplete.
        before = before[1:] if first > 0 else before
        after = after[:-1] if end < len(log_probs) else after
        return " ".join(before[-MOST_WORDS:]), " ".join(after[:MOST_WORDS])

    def _words(self, log_probs: LogProbs) -> list[str]:
        if len(log_probs) == 0:
            return []
        return self._decoder.to_text(self._decoder.search(log_probs).tokens).split()
