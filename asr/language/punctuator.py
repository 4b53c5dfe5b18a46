"""Words in, words as people write them out: with marks, and with capitals where sentences and names begin.

    she is here are you  ──►  She is here. Are you?

The network sees blocks of words with some context on both sides (`PunctuatorWindowSettings`), each by itself: what is
written depends on the words and where the text was flushed, and not on the pieces in which it came. Words are never
changed otherwise, lost or doubled. Without torch, and knows nothing of audio.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from asr.atomic import write_text
from asr.config import SETTINGS_FILE, PunctuatorSettings
from asr.errors import AsrError, ModelError
from asr.files import read_lines
from asr.language.written_words import (
    CAPITAL,
    CLOSING,
    FULL_STOP,
    LOWER,
    MARKS,
    ROWS_PER_WORD,
    UPPER,
    WordRows,
    write_word,
)
from asr.model_files import WEIGHTS_FILE
from asr.runtime.parameters import punctuator_shapes
from asr.runtime.punctuator_network import OnnxPunctuatorNetwork
from asr.text.spelling import lowercase
from asr.weights import Array, quantize_weights, read_weights, save_weights, to_half

PUNCTUATOR_FOLDER = "punctuator"  # in a recogniser's model folder
WORDS_FILE, SPELLINGS_FILE = "words.txt", "spellings.txt"


def is_punctuator_folder(path: Path) -> bool:
    """Whether a path is the folder of a punctuator, perhaps an incomplete one."""
    return any((path / name).is_file() for name in (WORDS_FILE, SPELLINGS_FILE))


class PunctuatorNetwork(Protocol):
    """A network that scores marks and cases; see `OnnxPunctuatorNetwork`."""

    after_mark: Array

    def run(self, rows: Array, silences: Array) -> tuple[Array, Array]:
        """Score words (T, P) with the seconds of silence (T,) after them: marks (T, M), cases (T, C)."""


class WrittenWord(NamedTuple):
    """A word as it is written, and the mark after it."""

    word: str
    punctuation: str

    @property
    def text(self) -> str:
        """Both together."""
        return self.word + self.punctuation


class Decisions(NamedTuple):
    """Decisions about N words, as numbers."""

    punctuation: Array  # (N,) marks
    cases: Array  # (N,)


class Punctuator:
    """Writes recognised words as sentences; threads may share it.

    Args:
        network: Predicts marks and cases.
        settings: With which it was trained.
        words: Those that have a vector of their own.
        spellings: Words that are always written in the same way, as they are written.
    """

    def __init__(
        self, network: PunctuatorNetwork, settings: PunctuatorSettings, words: Sequence[str], spellings: Sequence[str]
    ) -> None:
        sizes = settings.network
        self.network = network
        self.settings = settings
        language = settings.normalizer.language or settings.normalizer.spell_out_numbers or ""
        self._rows = WordRows(words, sizes.num_words, sizes.num_pieces)
        self._lower = partial(lowercase, language=language[:2].lower())
        self._spellings: Mapping[str, str] = {self._lower(spelling): spelling for spelling in spellings}
        self._language = language[:2].lower()

    @classmethod
    def load(cls, folder: Path | str, *, precision: str = "auto") -> "Punctuator":
        """Load a punctuator's folder; `precision`: see `OnnxPunctuatorNetwork`.

        Raises:
            ModelError: If it is not one, or its files do not fit together.
        """
        folder = Path(folder)
        try:
            settings = PunctuatorSettings.load(folder / SETTINGS_FILE)
            words, spellings = (list(read_lines(folder / name)) for name in (WORDS_FILE, SPELLINGS_FILE))
        except AsrError as error:
            raise ModelError(f"{folder}: not a usable punctuator: {error}") from None
        if len(words) > settings.network.num_words:
            raise ModelError(
                f"{folder / WORDS_FILE}: {len(words)} words; {SETTINGS_FILE} allows {settings.network.num_words}"
            )
        weights = read_weights(folder / WEIGHTS_FILE)
        weights.check(punctuator_shapes(settings.network), folder / WEIGHTS_FILE)
        return cls(OnnxPunctuatorNetwork(weights, settings.network, precision=precision), settings, words, spellings)

    def punctuate(self, words: Sequence[str], silences: Sequence[float] | None = None) -> list[str]:
        """Write a whole text, which begins and ends with these words.

        Args:
            words: As recognised.
            silences: Seconds of silence after each word, NaN where that is not known; None: nowhere.

        Returns:
            As many strings as words, each with its mark: "take", "coat,", "I". A dash follows a space: "go –".
        """
        stream = PunctuationStream(self)
        return [written.text for written in stream.feed(words, silences) + stream.finish()]

    def decide(self, words: Sequence[str], silences: Sequence[float] | None = None) -> Decisions:
        """Decide about the words of a whole text; see `punctuate`."""
        stream = PunctuationStream(self)
        stream.feed(words, silences)
        stream.finish()
        return Decisions(np.array(stream.punctuation, np.int8), np.array(stream.cases, np.int8))

    def write(self, word: str, punctuation: int, case: int) -> WrittenWord:
        """Write a word with its case, and the mark after it."""
        return WrittenWord(write_word(word, case, self._spellings, self._language), MARKS[punctuation])

    def start(self) -> "PunctuationStream":
        """Start a text whose words come piece by piece."""
        return PunctuationStream(self)

    def find_rows(self, words: Sequence[str]) -> Array:
        """Return the (N, P) int64 rows of words; see `WordRows`."""
        rows = [self._rows(self._lower(word)) for word in words]
        return np.array(rows, np.int64).reshape(-1, ROWS_PER_WORD)


class PunctuationStream:
    """Writes words that come piece by piece; what was returned never changes.

    A word is committed when its block and the look-ahead after it are complete, or when the stream is flushed: at the
    end of an utterance, say. The words before a flush remain context of those after it.

    Attributes:
        punctuation: The marks after the words committed so far.
        cases: Their cases.
    """

    def __init__(self, punctuator: Punctuator) -> None:
        self._punctuator = punctuator
        self._window = punctuator.settings.window
        self.punctuation: list[int] = []
        self.cases: list[int] = []
        self._before: tuple[Array, Array] = (
            punctuator.find_rows([]),
            np.zeros(0),
        )  # rows and silences of the left context
        self._words: list[str] = []  # not committed yet, from the position on
        self._silences: list[float] = []
        self._position = 0
        self._last: tuple[str, int] | None = None  # the last committed word, and the mark that would close a sentence

    @property
    def pending(self) -> Sequence[str]:
        """The words that were fed and are not committed yet."""
        return self._words[self._position :]

    def feed(self, words: Sequence[str], silences: Sequence[float] | None = None) -> list[WrittenWord]:
        """Take the next words; return those, perhaps of earlier pieces, that are committed now, as they are written.

        Raises:
            ValueError: If there are not as many silences as words.
        """
        if silences is not None and len(silences) != len(words):
            raise ValueError(f"{len(silences)} silences for {len(words)} words; expected one after each word")
        self._words += words
        self._silences += [float("nan")] * len(words) if silences is None else silences
        blocks = (len(self._words) - self._window.right) // self._window.block
        return self._commit_blocks([self._window.block] * blocks)

    def flush(self) -> list[WrittenWord]:
        """Commit all words, as the speaker pauses; the sentence may go on."""
        return self._commit_blocks(self._remaining())

    def finish(self) -> list[WrittenWord]:
        """Commit all words; the last closes a sentence."""
        return self._commit_blocks(self._remaining(), closes=True)

    def close(self) -> WrittenWord | None:
        """End the sentence that a flush left open; return its last word anew, or None if nothing was open.

        Nothing changes but the mark after this word.
        """
        if self._words or self._last is None or self.punctuation[-1] in CLOSING:
            return None
        word, self.punctuation[-1] = self._last
        return self._punctuator.write(word, self.punctuation[-1], self.cases[-1])

    def _remaining(self) -> list[int]:
        """Return the sizes of the blocks of all words that are not committed."""
        blocks, rest = divmod(len(self._words), self._window.block)
        return [self._window.block] * blocks + [rest] * (rest > 0)

    def _commit_blocks(self, sizes: Sequence[int], *, closes: bool = False) -> list[WrittenWord]:
        """Commit blocks of words; `closes` says whether the last word closes a sentence."""
        written: list[WrittenWord] = []
        for number, size in enumerate(sizes, start=1):
            written += self._commit(size, closes=closes and number == len(sizes))
        del self._words[: self._position], self._silences[: self._position]
        self._position = 0
        return written

    def _commit(self, count: int, *, closes: bool = False) -> list[WrittenWord]:
        """Decide about the next `count` words."""
        window = slice(self._position, self._position + count + self._window.right)
        words = self._words[window]
        rows = np.concatenate([self._before[0], self._punctuator.find_rows(words)])
        silences = np.concatenate([self._before[1], self._silences[window]])
        first = len(self._before[0])
        marks, cases = self._punctuator.network.run(rows, silences)
        chosen = marks[first : first + count].argmax(axis=1)
        self._last = words[count - 1], CLOSING[int(marks[first + count - 1, list(CLOSING)].argmax())]
        if closes:
            chosen[-1] = self._last[1]
        # A text begins as if a sentence had ended before it.
        previous = np.array([self.punctuation[-1] if self.punctuation else FULL_STOP, *chosen[:-1]])
        scores = cases[first : first + count] + self._punctuator.network.after_mark[previous]
        decided = scores.argmax(axis=1)
        decided[(previous == FULL_STOP) & (decided == LOWER)] = CAPITAL
        for run in _find_letters(words[:count]):
            if (decided[run] != LOWER).any():
                decided[run] = UPPER
        self._position += count
        kept = slice(max(0, first + count - self._window.left), first + count)
        self._before = rows[kept], silences[kept]
        self.punctuation += chosen.tolist()
        self.cases += decided.tolist()
        return list(map(self._punctuator.write, words[:count], chosen.tolist(), decided.tolist()))


def _find_letters(words: Sequence[str]) -> Iterator[slice]:
    """Yield where letters are spelled one by one, u s a, so that all of them are written alike.

    At the end of two letters a, i and o are words: plan b a.
    """
    letters = [len(word) == 1 and word.isalpha() for word in words]
    for is_letter, group in groupby(range(len(words)), key=letters.__getitem__):
        run = list(group)
        if is_letter and (len(run) > 2 or (len(run) == 2 and words[run[-1]] not in "aio")):
            yield slice(run[0], run[-1] + 1)


def save_punctuator(
    weights: Mapping[str, Array],
    settings: PunctuatorSettings,
    words: Sequence[str],
    spellings: Sequence[str],
    folder: Path,
) -> None:
    """Write a punctuator's folder, its matrices in 8 bits.

    Raises:
        ModelError: If a weight is not finite.
        AsrError: If the folder cannot be written to.
    """
    half = to_half(weights, folder / WEIGHTS_FILE)
    settings.save(folder / SETTINGS_FILE)
    for name, lines in ((WORDS_FILE, words), (SPELLINGS_FILE, spellings)):
        write_text(folder / name, "".join(f"{line}\n" for line in lines))
    save_weights(half, folder / WEIGHTS_FILE)  # last: if they are there, the rest is too
    quantize_weights(folder / WEIGHTS_FILE)
