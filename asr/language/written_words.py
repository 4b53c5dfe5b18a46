"""How words are written in a sentence: marks and capitals; and the vectors by which a network knows words.

Marks and cases are numbers: positions in `MARKS`, and one of `LOWER`, `CAPITAL` and `UPPER`.
"""

from collections.abc import Iterable, Mapping, Sequence
from zlib import crc32

from asr.text.spelling import lowercase

MARKS = ("", ",", ".", "?", "!", ";", ":", " –")
NO_MARK, COMMA, FULL_STOP, QUESTION, EXCLAMATION, DASH = 0, 1, 2, 3, 4, 7
CLOSING = (FULL_STOP, QUESTION, EXCLAMATION)  # those that may end a text
LOWER, CAPITAL, UPPER = range(3)

_PIECES = ((2, False), (3, False), (4, False), (3, True))  # letters of an ending or, if true, of a beginning
ROWS_PER_WORD = 1 + len(_PIECES)
UNKNOWN_ROW = 0  # of words without a vector of their own


class WordRows:
    """The rows of an embedding whose sum stands for a word: its own, if it is frequent, and those of its pieces.

    Row 0 belongs to all rare words, the next `num_words` to the frequent ones, the last `num_pieces` to pieces.

    Args:
        words: The frequent words, at most `num_words`.
        num_words: Rows for frequent words.
        num_pieces: Rows that pieces share.
    """

    def __init__(self, words: Sequence[str], num_words: int, num_pieces: int) -> None:
        self._own = {word: row for row, word in enumerate(words, start=1)}
        self._first_piece, self._num_pieces = 1 + num_words, num_pieces
        self._known: dict[str, tuple[int, ...]] = {}

    def __call__(self, word: str) -> tuple[int, ...]:
        """Return `ROWS_PER_WORD` rows, the word's own or `UNKNOWN_ROW` first."""
        rows = self._known.get(word)
        if rows is None:
            rows = (self._own.get(word, UNKNOWN_ROW), *map(self._piece_row, _pieces(word)))
            if len(self._known) < 1 << 17:  # what clients send must not fill the memory
                self._known[word] = rows
        return rows

    def _piece_row(self, piece: str) -> int:
        # The same in every process and version, unlike `hash`.
        return self._first_piece + crc32(piece.encode("utf-8", "surrogatepass")) % self._num_pieces


def _pieces(word: str) -> Iterable[str]:
    """Yield the beginning and the endings of a word; a shorter word is its own piece, with its boundary."""
    for size, is_beginning in _PIECES:
        if is_beginning:
            yield f"^{word[:size]}" if len(word) > size else f"^{word}$"
        else:
            yield f"{word[-size:]}${size}" if len(word) > size else f"^{word}${size}"


def write_word(word: str, case: int, spellings: Mapping[str, str], language: str = "") -> str:
    """Write a word with its capitals.

    Args:
        word: As recognised.
        case: `LOWER`, `CAPITAL` or `UPPER`.
        spellings: How some words are always written: "iphone" to "iPhone".
        language: Code of the language, which may be unknown.
    """
    if word in spellings:
        return spellings[word]
    if case == LOWER:
        return word
    first = next((index for index, letter in enumerate(word) if letter.isalpha()), 0)
    end = len(word) if case == UPPER else first + 1
    written = word[:first] + _to_upper(word[first:end], language) + word[end:]
    # Some letters have no capital that is the same letter, and must not become two.
    return written if lowercase(written, language) == lowercase(word, language) else word


def _to_upper(letters: str, language: str) -> str:
    return letters.replace("i", "İ").upper() if language in ("az", "tr") else letters.upper()


def find_case(word: str, written: str) -> int:
    """Return the case of a word, given how it is written; of a mixed one, that of its first letter."""
    if written == word:
        return LOWER
    letters = [letter for letter in written if letter.isalpha()]
    if len(letters) > 1 and all(map(str.isupper, letters)):
        return UPPER
    return CAPITAL if letters and not letters[0].islower() else LOWER
