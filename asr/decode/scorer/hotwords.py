"""Phrase boosting: credit for words and phrases that the user expects.

A phrase is matched letter by letter from a word's beginning to a word's end, in whatever way
the tokens cut it. Credit grows in equal parts with each letter, and is given back when the
match fails; only a whole phrase keeps it. So at any time the boost of a prefix is the weight
of the phrases it holds, and a part of the one it may be spelling, whichever way it came there.

Words outside the vocabulary cost `unknown_score`, hot or not, so that a hot word changes nothing
where its phrase is not said. A whole phrase of positive weight gives that back, on credit as soon
as such a word of it has ended. (Two phrases that overlap in such a word both give it back.)

Credit is not yet earned, and heavy credit would crowd what else may have been said out of the beam
while a phrase that only sounds alike is being spelled. So it is kept apart from what is earned, and
counts in the choice of the beam as if no weight were above `MOST_LIFT`.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from asr.decode.scorer.word_trie import Spelling
from asr.errors import ConfigError, TextError
from asr.jit import Array

DEFAULT_WEIGHT = 6.0  # natural log: about e**6 = 400 times as probable
MOST_LIFT = 10.0  # natural log, for a whole phrase: as far again as prefixes may fall behind by default
MAX_WEIGHT = 100.0  # either way; more could not change what is found, and overflow
_MAX_REFUND = 100.0  # for all the unknown words of a phrase

_SEPARATOR = 0


class PhraseTable(NamedTuple):
    """What each token does to each state of matching."""

    start: int
    next_state: Array  # (P, V) int32
    gains: Array  # (P, V) float64, natural log, of phrases that a token makes whole
    credit: Array  # (P,) float64, natural log, of the phrase under way
    lift: Array  # (P,) float64, natural log, what of that counts in the choice of the beam
    end_gains: Array  # (P,) float64, of phrases that the utterance's end makes whole


def parse_hotword(text: str) -> tuple[str, float]:
    """Read `phrase` or `phrase:weight`.

    Raises:
        ConfigError: If the phrase is empty or the weight is no number within ±100.
    """
    phrase, colon, weight = text.rpartition(":")
    if not colon:
        phrase, weight = text, str(DEFAULT_WEIGHT)
    try:
        value = float(weight)
    except ValueError:
        raise ConfigError(
            f"{text!r}: the weight of a hot word is a number, as in 'new york:8'; found {weight!r}"
        ) from None
    if not phrase.strip() or not abs(value) <= MAX_WEIGHT:
        raise ConfigError(
            f"{text!r}: a hot word is written phrase or phrase:weight, with a weight of at most {MAX_WEIGHT:g}"
        )
    return _plain_spaces(phrase), value


def read_hotwords(hotwords: Mapping[str, float] | Iterable[str]) -> dict[str, float]:
    """Phrases and their weights, from a mapping or from `phrase[:weight]` items."""
    if isinstance(hotwords, str):
        raise ConfigError(f"hotwords is the text {hotwords!r}; expected a list of phrases, such as [{hotwords!r}]")
    if isinstance(hotwords, Mapping):
        return {_plain_spaces(phrase): float(weight) for phrase, weight in hotwords.items()}
    return dict(parse_hotword(item) for item in hotwords)


def find_outside_words(hotwords: Mapping[str, float], known: Collection[str]) -> list[str]:
    """The words of phrases of positive weight that are not known, each once."""
    words = (word for phrase, weight in hotwords.items() if weight > 0 for word in phrase.split())
    return [word for word in dict.fromkeys(words) if word not in known]


def build_phrase_table(
    hotwords: Mapping[str, float], spelling: Spelling, *, outside: Collection[str] = (), unknown_score: float = 0.0
) -> PhraseTable:
    """Build the matching automaton (Aho & Corasick 1975) and what each token does in it.

    Args:
        hotwords: Weights of phrases, natural log.
        spelling: The letters of the tokens.
        outside: The words that cost `unknown_score`; phrases of positive weight give that back.
        unknown_score: Natural log.

    Raises:
        TextError: If the alphabet cannot spell a phrase.
        ConfigError: If a phrase is empty or its weight is not within ±100.
    """
    matcher = _Matcher(len(spelling.letters))
    hot = {tuple(phrase.split()) for phrase, weight in hotwords.items() if weight > 0}
    for phrase, weight in hotwords.items():
        if unknown := spelling.find_unknown(phrase):
            lack = "alphabet has no" if spelling.pronunciations is None else "lexicon has no pronunciation of"
            raise TextError(f"hot word {phrase!r}: the {lack} {' '.join(unknown)}; write it as the model would")
        if not phrase or not abs(weight) <= MAX_WEIGHT:
            raise ConfigError(
                f"hot word {phrase!r} with weight {weight}: expected some letters and a weight within ±{MAX_WEIGHT:g}"
            )
        owed = _owed_words(phrase.split(), hot, outside)
        price = min(max(-unknown_score, 0.0), _MAX_REFUND / max(sum(owed), 1))
        for letters in spelling.encode(phrase):
            matcher.add(letters, weight, [price * is_owed for is_owed in owed])
    matcher.link()
    return matcher.tabulate(spelling)


def _owed_words(words: Sequence[str], hot: Collection[tuple[str, ...]], outside: Collection[str]) -> list[bool]:
    """For which of its words a phrase gives back the price: not for those of a hot phrase within it, which does so."""
    owed = [tuple(words) in hot and word in outside for word in words]
    if any(owed):
        for first, last in combinations(range(len(words) + 1), 2):
            if last - first < len(words) and tuple(words[first:last]) in hot:
                owed[first:last] = [False] * (last - first)
    return owed


def _plain_spaces(phrase: str) -> str:
    return " ".join(phrase.replace("▁", " ").split())


class _Matcher:
    """States are nodes of a tree of the phrases, each between separators."""

    def __init__(self, num_letters: int) -> None:
        self.num_letters = num_letters
        self.following: list[dict[int, int]] = [{}]
        self.credit = [0.0]  # for a match under way
        self.lift = [0.0]  # what of that counts in the choice of the beam
        self.earned = [0.0]  # for phrases that are whole on entering the state

    def add(self, letters: list[int], weight: float, prices: Sequence[float]) -> None:
        """Add a phrase that gives back the prices of its words."""
        state, ended = 0, -1
        for matched, letter in enumerate([_SEPARATOR, *letters]):
            state = self._child(state, letter)
            ended += letter == _SEPARATOR
            share, paid = matched / len(letters), sum(prices[:ended])
            # A penalty falls due only for the whole phrase: on credit it would hurt its neighbours.
            self.credit[state] = max(self.credit[state], weight * share + paid)
            self.lift[state] = max(self.lift[state], min(weight, MOST_LIFT) * share + paid)
        self.earned[self._child(state, _SEPARATOR)] += weight + sum(prices)

    def link(self) -> None:
        """Complete the transitions: where a match fails, its longest suffix that may match goes on."""
        fallback = [0] * len(self.following)
        self.step = np.zeros((len(self.following), self.num_letters), np.int64)
        queue = deque([0])
        while queue:
            state = queue.popleft()
            self.credit[state] = max(self.credit[state], self.credit[fallback[state]])
            self.lift[state] = max(self.lift[state], self.lift[fallback[state]])
            if state:
                self.earned[state] += self.earned[fallback[state]]
                self.step[state] = self.step[fallback[state]]
            for letter, child in self.following[state].items():
                fallback[child] = int(self.step[state, letter])
                self.step[state, letter] = child
                queue.append(child)

    def tabulate(self, spelling: Spelling) -> PhraseTable:
        """Follow every token's letters from every state."""
        num_states, num_tokens = len(self.following), len(spelling.starts_word)
        earned = np.array(self.earned)
        next_state = np.zeros((num_states, num_tokens), np.int32)
        gains = np.zeros((num_states, num_tokens))
        for token in range(num_tokens):
            letters = spelling.token_letters[spelling.first_letter[token] : spelling.first_letter[token + 1]].tolist()
            state = np.arange(num_states)
            around = int(spelling.starts_word[token]), int(spelling.ends_word[token])
            for letter in [_SEPARATOR] * around[0] + letters + [_SEPARATOR] * around[1]:
                state = self.step[state, letter]
                gains[:, token] += earned[state]
            next_state[:, token] = state
        ended = self.step[:, _SEPARATOR]
        start = int(self.step[0, _SEPARATOR])
        return PhraseTable(start, next_state, gains, np.array(self.credit), np.array(self.lift), earned[ended])

    def _child(self, state: int, letter: int) -> int:
        if letter not in self.following[state]:
            self.following[state][letter] = len(self.following)
            self.following.append({})
            self.credit.append(0.0)
            self.lift.append(0.0)
            self.earned.append(0.0)
        return self.following[state][letter]
