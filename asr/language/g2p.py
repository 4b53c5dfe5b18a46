"""Grapheme to phoneme: guesses pronunciations of words that a lexicon lacks, from those that it has.

A joint-sequence model (Bisani & Ney 2008): each letter of a word stands for no phone, one or two, and
n-grams of such pairs, in the order of the letters, say which pairs are probable:

    r:R e:EH d:D        read      x:KS        a letter with two phones      e:        one with none
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from asr.jit import Array, jit, warm_up
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import END, NgramModel
from asr.text.lexicon import Lexicon, Phones

ORDER = 6  # pairs in the longest n-grams
LEAST_OFTEN = 5  # rarer pairs are mistakes of the alignment, or of the lexicon
LONGEST = 40  # letters of a word
MOST_PAIRS = 10_000_000  # of letters with one or two phones
BEAM = 10  # prefixes of a pronunciation that are extended
_ROUNDS = 6  # of alignment, each with costs from the counts of the one before
_SMOOTHING = 0.1  # of these counts
_FIRST_COSTS = (3.0, 0.0, 4.0)  # natural logs, of no phone, one or two before anything is counted


class G2P:
    """Pronounces any word that is written in the letters of a lexicon.

    Learning from a lexicon of fifty thousand words takes a few seconds.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        words = list(align_letters(lexicon))
        counts: dict[str, Counter[Phones]] = defaultdict(Counter)
        for letter, phones in (pair for word in words for pair in word):
            counts[letter][phones] += 1
        names: dict[tuple[str, Phones], str] = {}
        self._pairs: dict[str, list[tuple[str, Phones]]] = {}
        for letter, phone_counts in counts.items():
            names |= {(letter, phones): f"{letter}{i}" for i, phones in enumerate(phone_counts)}
            least = min(LEAST_OFTEN, max(phone_counts.values()))
            self._pairs[letter] = [(names[letter, phones], phones) for phones, n in phone_counts.items() if n >= least]
        if words:
            with estimate(lambda: [[names[pair] for pair in word] for word in words], ORDER) as tables:
                self._model = NgramModel.from_tables(tables)

    def guess(self, word: str) -> Phones | None:
        """Return the most probable phones of a word; None if there are none (see `pronounce`)."""
        return next(iter(self.pronounce(word)), None)

    def pronounce(self, word: str, share: float = 1.0) -> list[Phones]:
        """Return the most probable pronunciations of a word, best first, down to a share of the best one's probability.

        There is none if a letter is in no word of the lexicon, or the word is longer than `LONGEST`.
        """
        if len(word) > LONGEST or not self._pairs.keys() >= set(word):
            return []
        beam: list[tuple[float, int, Phones]] = [(0.0, self._model.start(), ())]
        for letter in word:
            longer: dict[tuple[int, Phones], float] = {}
            for score, state, phones in beam:
                for pair, sounds in self._pairs[letter]:
                    gain, after = self._model.score(state, pair)
                    key = after, phones + sounds
                    longer[key] = max(longer.get(key, -math.inf), score + gain)
            beam = heapq.nlargest(BEAM, ((score, *key) for key, score in longer.items()))
        complete: dict[Phones, float] = {}
        for score, state, phones in beam:
            if phones:
                complete[phones] = max(complete.get(phones, -math.inf), score + self._model.score(state, END)[0])
        floor = max(complete.values(), default=0.0) + math.log(share)
        probable = (phones for phones, score in complete.items() if score >= floor)
        return sorted(probable, key=complete.__getitem__, reverse=True)


def align_letters(lexicon: Lexicon) -> Iterator[list[tuple[str, Phones]]]:
    """Yield the pairs of each word and pronunciation, letter by letter.

    Words of more than two phones per letter are left out; so are all words if a script has too many letters to pair.
    """
    pronunciations = lexicon.pronunciations.items()
    entries = [(word, phones) for word, several in pronunciations for phones in several if len(phones) <= 2 * len(word)]
    letter_ids = {letter: number for number, letter in enumerate(sorted({x for word, _ in entries for x in word}))}
    phone_ids = {phone: number for number, phone in enumerate(lexicon.phones)}
    if not entries or len(letter_ids) * len(phone_ids) ** 2 > MOST_PAIRS:
        return
    letters = np.array([letter_ids[letter] for word, _ in entries for letter in word], np.int32)
    phones = np.array([phone_ids[phone] for _, pronunciation in entries for phone in pronunciation], np.int32)
    first_letter = np.cumsum([0, *(len(word) for word, _ in entries)])
    first_phone = np.cumsum([0, *(len(pronunciation) for _, pronunciation in entries)])
    costs = _first_costs(entries, letter_ids, phone_ids)
    _load_compiled()
    for _ in range(_ROUNDS):
        counts = np.zeros_like(costs)
        num_taken = _align(letters, first_letter, phones, first_phone, costs, counts)
        costs = -np.log((counts + _SMOOTHING) / (counts + _SMOOTHING).sum(axis=1, keepdims=True))
    remaining = iter(num_taken.tolist())
    for word, pronunciation in entries:
        pairs, start = [], 0
        for letter, taken in zip(word, remaining, strict=False):
            pairs.append((letter, pronunciation[start : start + taken]))
            start += taken
        yield pairs


def _first_costs(entries: list[tuple[str, Phones]], letter_ids: dict[str, int], phone_ids: dict[str, int]) -> Array:
    """Return (letters, 1 + phones + phones ** 2) costs of each letter's phones, from how often words have both."""
    together = np.full((len(letter_ids), len(phone_ids)), 0.5)
    for word, phones in entries:
        rows, columns = [letter_ids[letter] for letter in word], [phone_ids[phone] for phone in phones]
        together[np.ix_(rows, columns)] += 1 / (len(word) * len(phones))
    together /= together.sum(axis=0)
    single = -np.log(together / together.sum(axis=1, keepdims=True))
    none, one, two = _FIRST_COSTS
    double = (single[:, :, None] + single[:, None, :]).reshape(len(letter_ids), -1)  # (letters, phones ** 2)
    return np.hstack([np.full((len(letter_ids), 1), none), single + one, double + two])


def _align(
    letters: Array, first_letter: Array, phones: Array, first_phone: Array, costs: Array, counts: Array
) -> Array:
    """Find the cheapest alignment of each word: the number of phones of each letter; `counts` counts the pairs."""
    num_taken = np.zeros(len(letters), np.int8)
    shape = tuple(int(np.diff(first).max(initial=0)) + 1 for first in (first_letter, first_phone))
    scratch = np.empty(shape), np.empty(shape, np.int8)
    _align_words((letters, first_letter), (phones, first_phone), costs, counts, num_taken, scratch)
    return num_taken


@jit
def _align_words(
    all_letters: tuple[Array, ...],
    all_phones: tuple[Array, ...],
    costs: Array,
    counts: Array,
    num_taken: Array,
    scratch: tuple[Array, ...],
) -> None:
    (letters, first_letter), (phones, first_phone), (all_best, all_backpointers) = all_letters, all_phones, scratch
    num_phones = round(math.sqrt(costs.shape[1] - 0.75) - 0.5)  # since columns = 1 + P + P ** 2
    for number in range(len(first_letter) - 1):
        # 1. The least cost of each beginning of the word and its phones.
        word = letters[first_letter[number] : first_letter[number + 1]]  # (I,)
        sounds = phones[first_phone[number] : first_phone[number + 1]]  # (J,)
        best = all_best[: len(word) + 1, : len(sounds) + 1]  # (I + 1, J + 1)
        backpointers = all_backpointers[: len(word) + 1, : len(sounds) + 1]
        best[:] = np.inf
        backpointers[:] = 0
        _fill_table(word, sounds, num_phones, costs, best, backpointers)
        # 2. The cheapest alignment, from its end.
        taken = num_taken[first_letter[number] : first_letter[number + 1]]
        _trace_back(word, sounds, num_phones, backpointers, taken, counts)


@jit
def _fill_table(word: Array, sounds: Array, num_phones: int, costs: Array, best: Array, backpointers: Array) -> None:
    """Find the least cost of each number of letters and of phones, and the number of phones of the last letter."""
    best[0, 0] = 0.0
    for i in range(len(word)):
        for j in range(len(sounds) + 1):
            if best[i, j] == np.inf:
                continue
            for taken in range(min(2, len(sounds) - j) + 1):
                cost = best[i, j] + costs[word[i], _column(sounds, j, taken, num_phones)]
                if cost < best[i + 1, j + taken]:
                    best[i + 1, j + taken] = cost
                    backpointers[i + 1, j + taken] = taken


@jit
def _trace_back(
    word: Array, sounds: Array, num_phones: int, backpointers: Array, num_taken: Array, counts: Array
) -> None:
    """Follow the cheapest alignment from its end, and count its pairs."""
    j = len(sounds)
    for i in range(len(word), 0, -1):
        taken = backpointers[i, j]
        num_taken[i - 1] = taken
        j -= taken
        counts[word[i - 1], _column(sounds, j, taken, num_phones)] += 1


@jit
def _column(sounds: Array, first: int, taken: int, num_phones: int) -> int:
    """Return the column of no phone, one or two."""
    if taken == 0:
        return 0
    if taken == 1:
        return 1 + sounds[first]
    return 1 + num_phones + sounds[first] * num_phones + sounds[first + 1]


@warm_up("alignment of letters and phones")
def _load_compiled() -> None:
    """Run on toy data, so that the message about compilation comes before the work."""
    zero = np.zeros(1, np.int32)
    bounds = np.array([0, 1])
    _align(zero, bounds, zero, bounds, np.ones((1, 3)), np.zeros((1, 3)))
