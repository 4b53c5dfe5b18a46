"""Phrase boosting: credit for words and phrases that the user expects.

A phrase is matched letter by letter from a word's beginning to a word's end, in whatever way
the tokens cut it. Credit grows in equal parts with each letter, and is given back when the
match fails; only a whole phrase keeps it. So at any time the boost of a prefix is the weight
of the phrases it holds, and a part of the one it may be spelling, whichever way it came there.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from asr.compiled import Array
from asr.decode.spelling import Spelling
from asr.errors import ConfigError, TextError

DEFAULT_WEIGHT = 6.0  # natural log: about e**6 = 400 times as probable
MAX_WEIGHT = 100.0  # either way; more could not change what is found, and overflow

_SEPARATOR = 0


class PhraseTable(NamedTuple):
    """What each token does to each state of matching."""

    start: int
    next_state: Array  # (P, V) int32
    gains: Array  # (P, V) float64, natural log
    end_gains: Array  # (P,) float64, when the utterance ends


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
    return " ".join(phrase.split()), value


def read_hotwords(hotwords: Mapping[str, float] | Iterable[str]) -> dict[str, float]:
    """Phrases and their weights, from a mapping or from `phrase[:weight]` items."""
    if isinstance(hotwords, str):
        raise ConfigError(f"hotwords is the text {hotwords!r}; expected a list of phrases, such as [{hotwords!r}]")
    if isinstance(hotwords, Mapping):
        return {" ".join(phrase.split()): float(weight) for phrase, weight in hotwords.items()}
    return dict(parse_hotword(item) for item in hotwords)


def build_phrase_table(hotwords: Mapping[str, float], spelling: Spelling) -> PhraseTable:
    """Build the matching automaton (Aho & Corasick 1975) and what each token does in it.

    Args:
        hotwords: Weights of phrases, natural log.
        spelling: The letters of the tokens.

    Raises:
        TextError: If the alphabet cannot spell a phrase.
        ConfigError: If a phrase is empty or its weight is not within ±100.
    """
    matcher = _Matcher(len(spelling.letters))
    for phrase, weight in hotwords.items():
        letters = spelling.encode(phrase)
        if letters is None:
            unknown = sorted({character for character in phrase if character not in spelling.letters})
            raise TextError(
                f"hot word {phrase!r}: the alphabet has no {' '.join(unknown)}; write it as the model would"
            )
        if not letters or not abs(weight) <= MAX_WEIGHT:
            raise ConfigError(
                f"hot word {phrase!r} with weight {weight}: expected some letters and a weight within ±{MAX_WEIGHT:g}"
            )
        matcher.add(letters, weight)
    matcher.link()
    return matcher.tabulate(spelling)


class _Matcher:
    """States are nodes of a tree of the phrases, each between separators."""

    def __init__(self, num_letters: int) -> None:
        self.num_letters = num_letters
        self.following: list[dict[int, int]] = [{}]
        self.credit = [0.0]  # for a match under way
        self.earned = [0.0]  # for phrases that are whole on entering the state

    def add(self, letters: list[int], weight: float) -> None:
        state = 0
        for matched, letter in enumerate([_SEPARATOR, *letters]):
            state = self._child(state, letter)
            # A penalty falls due only for the whole phrase: on credit it would hurt its neighbours.
            self.credit[state] = max(self.credit[state], weight * matched / len(letters))
        self.earned[self._child(state, _SEPARATOR)] += weight

    def link(self) -> None:
        """Complete the transitions: where a match fails, its longest suffix that may match goes on."""
        fallback = [0] * len(self.following)
        self.step = np.zeros((len(self.following), self.num_letters), np.int64)
        queue = deque([0])
        while queue:
            state = queue.popleft()
            self.credit[state] = max(self.credit[state], self.credit[fallback[state]])
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
        credit, earned = np.array(self.credit), np.array(self.earned)
        next_state = np.zeros((num_states, num_tokens), np.int32)
        gains = np.zeros((num_states, num_tokens))
        for token in range(num_tokens):
            letters = spelling.token_letters[spelling.first_letter[token] : spelling.first_letter[token + 1]].tolist()
            state = np.arange(num_states)
            for letter in [_SEPARATOR] * int(spelling.starts_word[token]) + letters:
                state = self.step[state, letter]
                gains[:, token] += earned[state]
            gains[:, token] += credit[state] - credit
            next_state[:, token] = state
        ended = self.step[:, _SEPARATOR]
        return PhraseTable(int(self.step[0, _SEPARATOR]), next_state, gains, earned[ended] - credit)

    def _child(self, state: int, letter: int) -> int:
        if letter not in self.following[state]:
            self.following[state][letter] = len(self.following)
            self.following.append({})
            self.credit.append(0.0)
            self.earned.append(0.0)
        return self.following[state][letter]
