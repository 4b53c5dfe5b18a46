"""Guesses how words are pronounced that a lexicon lacks, by those that it holds.

A joint-sequence model (Bisani & Ney 2008): each letter of a word stands for no phone, for one or for
two, and n-grams of such pairs, in the order in which they are written, say which pairs are probable:

    r:R e:EH d:D        read      x:KS        a letter with two phones      e:        one with none
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from asr.jit import Array, jit_allocating, warm_up
from asr.language.ngram.kneser_ney import estimate
from asr.language.ngram.model import END, NgramModel
from asr.text.lexicon import Lexicon, Phones

ORDER = 6  # pairs in the longest n-grams
LEAST_OFTEN = 5  # pairs that occur less often are mistakes of the alignment, or of the lexicon
LONGEST = 40  # letters of a word
MOST_PAIRS = 10_000_000  # of letters with one or two phones
BEAM = 10  # beginnings of a pronunciation that are followed
_ROUNDS = 6  # of aligning anew by how often letters were paired with phones
_SMOOTHING = 0.1  # of these counts
_FIRST_COSTS = (3.0, 0.0, 4.0)  # natural logs, of no phone, one or two before anything is counted


class G2P:
    """Pronounces any word of letters that the lexicon's words are written in.

    It takes some seconds to learn from a lexicon of fifty thousand words.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        words = list(align_letters(lexicon))
        counts: dict[str, Counter[Phones]] = defaultdict(Counter)
        for letter, phones in (pair for word in words for pair in word):
            counts[letter][phones] += 1
        names = {(letter, phones): f"{letter}{i}" for letter, own in counts.items() for i, phones in enumerate(own)}
        self._pairs: dict[str, list[tuple[str, Phones]]] = {}
        for letter, own in counts.items():
            least = min(LEAST_OFTEN, max(own.values()))
            self._pairs[letter] = [(names[letter, phones], phones) for phones, n in own.items() if n >= least]
        if words:
            with estimate(lambda: [[names[pair] for pair in word] for word in words], ORDER) as tables:
                self._model = NgramModel.from_tables(tables)

    def guess(self, word: str) -> Phones | None:
        """The most probable phones of a word; None where there are none (see `ways`)."""
        return next(iter(self.ways(word)), None)

    def ways(self, word: str, least: float = 1.0) -> list[Phones]:
        """The most probable ways to pronounce a word, best first.

        Args:
            word: None of its letters may be in no word of the lexicon, nor may it be longer than words are: then
                there is no way.
            least: Ways that are less probable than this share of the best are left out.
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
        whole: dict[Phones, float] = {}
        for score, state, phones in beam:
            if phones:
                whole[phones] = max(whole.get(phones, -math.inf), score + self._model.score(state, END)[0])
        floor = max(whole.values(), default=0.0) + math.log(least)
        return sorted(
            (phones for phones, score in whole.items() if score >= floor), key=whole.__getitem__, reverse=True
        )


def align_letters(lexicon: Lexicon) -> Iterator[list[tuple[str, Phones]]]:
    """The pairs of each word and pronunciation, letter by letter.

    Words of more than two phones a letter are left out, and all where a script has too many letters to pair.
    """
    entries = [(word, phones) for word, ways in lexicon.pronunciations.items() for phones in ways]
    entries = [(word, phones) for word, phones in entries if len(phones) <= 2 * len(word)]
    if not entries:
        return
    letter_ids = {letter: number for number, letter in enumerate(sorted({x for word, _ in entries for x in word}))}
    phone_ids = {phone: number for number, phone in enumerate(lexicon.phones)}
    if len(letter_ids) * len(phone_ids) ** 2 > MOST_PAIRS:
        return
    letters = np.array([letter_ids[letter] for word, _ in entries for letter in word], np.int32)
    phones = np.array([phone_ids[phone] for _, way in entries for phone in way], np.int32)
    first_letter = np.cumsum([0, *(len(word) for word, _ in entries)])
    first_phone = np.cumsum([0, *(len(way) for _, way in entries)])
    costs = _first_costs(entries, letter_ids, phone_ids)
    _load_compiled()
    for _ in range(_ROUNDS):
        counts = np.zeros_like(costs)
        taken = _align(letters, first_letter, phones, first_phone, costs, counts)
        shares = (counts + _SMOOTHING) / (counts + _SMOOTHING).sum(axis=1, keepdims=True)
        costs = -np.log(shares)
    for number, (word, way) in enumerate(entries):
        pairs, start = [], 0
        for place, letter in enumerate(word):
            end = start + int(taken[first_letter[number] + place])
            pairs.append((letter, way[start:end]))
            start = end
        yield pairs


def _first_costs(entries: list[tuple[str, Phones]], letter_ids: dict[str, int], phone_ids: dict[str, int]) -> Array:
    """(letters, 1 + phones + phones ** 2) costs of what a letter may stand for, by what occurs in the same words."""
    together = np.full((len(letter_ids), len(phone_ids)), 0.5)
    for word, way in entries:
        together[np.ix_([letter_ids[x] for x in word], [phone_ids[x] for x in way])] += 1 / (len(word) * len(way))
    together /= together.sum(axis=0)
    single = -np.log(together / together.sum(axis=1, keepdims=True))
    none, one, two = _FIRST_COSTS
    double = (single[:, :, None] + single[:, None, :]).reshape(len(letter_ids), -1)
    return np.hstack([np.full((len(letter_ids), 1), none), single + one, double + two])


@jit_allocating
def _align(
    letters: Array, first_letter: Array, phones: Array, first_phone: Array, costs: Array, counts: Array
) -> Array:
    """How many phones each letter stands for in the cheapest alignments; counts what was paired with what."""
    num_phones = round(math.sqrt(costs.shape[1] - 0.75) - 0.5)  # since columns = 1 + P + P ** 2
    taken = np.zeros(len(letters), np.int8)
    for number in range(len(first_letter) - 1):
        word = letters[first_letter[number] : first_letter[number + 1]]
        way = phones[first_phone[number] : first_phone[number + 1]]
        best = np.full((len(word) + 1, len(way) + 1), np.inf)
        back = np.zeros((len(word) + 1, len(way) + 1), np.int8)
        best[0, 0] = 0.0
        for i in range(len(word)):
            for j in range(len(way) + 1):
                if best[i, j] == np.inf:
                    continue
                column = 0
                for take in range(min(2, len(way) - j) + 1):
                    if take == 1:
                        column = 1 + way[j]
                    elif take == 2:
                        column = 1 + num_phones + way[j] * num_phones + way[j + 1]
                    cost = best[i, j] + costs[word[i], column]
                    if cost < best[i + 1, j + take]:
                        best[i + 1, j + take] = cost
                        back[i + 1, j + take] = take
        j = len(way)
        for i in range(len(word), 0, -1):
            take = back[i, j]
            taken[first_letter[number] + i - 1] = take
            j -= take
            column = 0
            if take == 1:
                column = 1 + way[j]
            elif take == 2:
                column = 1 + num_phones + way[j] * num_phones + way[j + 1]
            counts[word[i - 1], column] += 1
    return taken


@warm_up("alignment of letters and phones")
def _load_compiled() -> None:
    one = np.zeros(1, np.int32)
    bounds = np.array([0, 1])
    _align(one, bounds, one, bounds, np.ones((1, 3)), np.zeros((1, 3)))
