"""What a rule sees of the words: a bounded part."""

from collections.abc import Sequence
from typing import NamedTuple

# The furthest that a rule looks ahead, so that the time for a text is proportional to its length.
MAX_AHEAD = 30


class Written(NamedTuple):
    """A group of consecutive words and what they are written as.

    Attributes:
        text: The written form; of a word that stays, the word itself.
        start: The first word.
        end: The word after the last one.
    """

    text: str
    start: int
    end: int


class Window:
    """Words in small letters around one place.

    Before the first word and after the last there are empty strings. `words` is all of them.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = [word.lower() for word in words]
        self._end = 0  # of what the rule may see

    def move_to(self, index: int) -> None:
        """Let the next rule look MAX_AHEAD words ahead of a word."""
        self._end = min(index + MAX_AHEAD, len(self.words))

    def __getitem__(self, index: int) -> str:
        return self.words[index] if 0 <= index < self._end else ""

    def has(self, index: int, parts: Sequence[str]) -> bool:
        """Return whether these words begin at a word."""
        return all(self[index + offset] == part for offset, part in enumerate(parts))

    def keep(self, start: int, end: int) -> list[Written]:
        """Leave words as they are."""
        return [Written(self.words[index], index, index + 1) for index in range(start, end)]
