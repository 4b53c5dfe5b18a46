"""What a rule sees of the words: a bounded part, with a record of looks past the end."""

from collections.abc import Sequence
from typing import NamedTuple

# The furthest that a rule looks ahead; so many words at most are open while speech goes on.
MAX_OPEN_WORDS = 30


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

    Before the first word and after the last there are empty strings. `words` is all of them. `past_end` says whether
    a rule looked after the last: then its result may change as words are added.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = [word.lower() for word in words]
        self._size = len(self.words)
        self._limit = 0
        self.past_end = False

    def move_to(self, index: int) -> None:
        """Let the next rule look MAX_OPEN_WORDS words ahead of a word."""
        self._limit = index + MAX_OPEN_WORDS
        self.past_end = False

    def __getitem__(self, index: int) -> str:
        if index < 0 or index >= self._limit:
            return ""
        if index >= self._size:
            self.past_end = True
            return ""
        return self.words[index]

    def has(self, index: int, parts: Sequence[str]) -> bool:
        """Return whether these words begin at a word."""
        return all(self[index + offset] == part for offset, part in enumerate(parts))

    def keep(self, start: int, end: int) -> list[Written]:
        """Leave words as they are."""
        return [Written(self.words[index], index, index + 1) for index in range(start, end)]
