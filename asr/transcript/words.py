"""Words with their times and confidences, and segments of them: what transcripts are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

DOUBTFUL = 0.5  # a word with a lower confidence is more likely wrong than right


@dataclass(frozen=True)
class Word:
    """A word and when it was said.

    Attributes:
        text: In the spelling of the model's alphabet.
        start, end: Seconds from the start of the recording, half-open.
        confidence: Probability that the word is right; None if the model is not calibrated.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None


@dataclass(frozen=True)
class Segment:
    """Speech between two pauses, as subtitles and readers need it.

    Attributes:
        words: At least one, in order of time.
    """

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words, separated by spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def start(self) -> float:
        """Seconds at which the first word starts."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Seconds at which the last word ends."""
        return self.words[-1].end

    @property
    def confidence(self) -> float | None:
        """The expected share of words that are right; None if a word has no confidence."""
        return mean_confidence(self.words)


def mean_confidence(words: Sequence[Word]) -> float | None:
    """Average the confidences of words; None if there are no words or one has no confidence."""
    confidences = [word.confidence for word in words if word.confidence is not None]
    return sum(confidences) / len(confidences) if confidences and len(confidences) == len(words) else None
