"""Phrase boosting: credit for words and phrases that the user expects.

A phrase is matched letter by letter from a word's beginning to a word's end, however the tokens
divide it. Credit grows in equal parts with each letter, and is taken back when the
match fails; only a complete phrase keeps it. So at any time the boost of a prefix is the weight
of the phrases it holds, and a part of the one it may be spelling, whatever its tokens.

Words outside the vocabulary cost `unknown_score`, hot or not, so that a hot word changes nothing
unless its phrase is said. A complete phrase of positive weight refunds that, as credit as soon
as such a word of it has ended. (Two phrases that overlap in such a word both refund it.)

Credit is not yet earned, and heavy credit would crowd other hypotheses out of the beam
while a phrase that only sounds similar is being spelled. So it is kept apart from what is earned, and
counts in pruning as if no weight were above `MAX_PRUNING_CREDIT`.
"""

import re
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import combinations

import numpy as np

from asr.decode.kernel.scores import PhraseTables
from asr.decode.scorer.word_trie import Alphabet
from asr.errors import ConfigError, TextError

DEFAULT_WEIGHT = 6.0  # natural log: about e**6 = 400 times as probable
MAX_PRUNING_CREDIT = 10.0  # natural log, for a complete phrase: as much as the default beam threshold
MAX_WEIGHT = 100.0  # either way; more could not change the result, and overflow
_MAX_REFUND = 100.0  # for all the unknown words of a phrase

_SEPARATOR = 0
# A number with a colon, as a whole, or a time at the end: 10:30, 3:16:8, "at 10:30"; "room 101:8" has a weight.
_NUMBERS = re.compile(r"^\s*[\d:.,]*\d\s*:\s*[\d.]+\s*$|\b\d{1,2}:\d\d\s*$")


def parse_hotword(text: str) -> tuple[str, float]:
    """Parse `phrase` or `phrase:weight`.

    What follows the last colon is a weight if it is a number, unless both sides make a number or a time, as in 10:30.

    Raises:
        ConfigError: If the phrase or the weight is empty, or the weight is not within ±100.
    """
    phrase, colon, weight = text.rpartition(":")
    value: float | None = None
    if colon and not _NUMBERS.search(text):
        with suppress(ValueError):
            value = float(weight)
    if value is None and (not colon or weight.strip()):
        phrase, value = text, DEFAULT_WEIGHT
    if value is None or not _plain_spaces(phrase) or not abs(value) <= MAX_WEIGHT:
        raise ConfigError(
            f"{text!r}: a hot word is written phrase or phrase:weight, with a weight of at most {MAX_WEIGHT:g}"
        )
    return _plain_spaces(phrase), value


def parse_hotwords(hotwords: Mapping[str, float] | Iterable[str]) -> dict[str, float]:
    """Return phrases and their weights, from a mapping or from `phrase[:weight]` items; the last of equals counts."""
    if isinstance(hotwords, str):
        raise ConfigError(f"hotwords is the text {hotwords!r}; expected a list of phrases, such as [{hotwords!r}]")
    if isinstance(hotwords, Mapping):
        return {_plain_spaces(phrase): float(weight) for phrase, weight in hotwords.items()}
    return dict(parse_hotword(item) for item in hotwords)


def find_outside_words(hotwords: Mapping[str, float], vocabulary: Collection[str]) -> list[str]:
    """Return the words of phrases with positive weight that are not in the vocabulary, each once."""
    words = (word for phrase, weight in hotwords.items() if weight > 0 for word in phrase.split())
    return [word for word in dict.fromkeys(words) if word not in vocabulary]


def build_phrases(
    hotwords: Mapping[str, float], alphabet: Alphabet, *, outside: Collection[str] = (), unknown_score: float = 0.0
) -> PhraseTables:
    """Build the matching automaton (Aho & Corasick 1975), and the effect of each token in it.

    Phrases of positive weight refund `unknown_score` for each of their words that is `outside` the vocabulary.

    Raises:
        TextError: If the alphabet cannot spell a phrase.
        ConfigError: If a phrase is empty or its weight is not within ±100.
    """
    matcher = _Matcher(len(alphabet.letters))
    hot = {tuple(phrase.split()) for phrase, weight in hotwords.items() if weight > 0}
    for phrase, weight in hotwords.items():
        if unknown := alphabet.find_unknown(phrase):
            lack = "alphabet has no" if alphabet.pronunciations is None else "lexicon has no pronunciation of"
            raise TextError(f"hot word {phrase!r}: the {lack} {' '.join(unknown)}; write it as the model would")
        if not phrase or not abs(weight) <= MAX_WEIGHT:
            raise ConfigError(
                f"hot word {phrase!r} with weight {weight}: expected some letters and a weight within ±{MAX_WEIGHT:g}"
            )
        is_refunded = _find_refunded(phrase.split(), hot, outside)
        price = min(max(-unknown_score, 0.0), _MAX_REFUND / max(sum(is_refunded), 1))
        for letters in alphabet.encode(phrase):
            matcher.add(letters, weight, [price * refunded for refunded in is_refunded])
    matcher.link()
    return matcher.tabulate(alphabet, is_boosted=bool(hotwords))


def _find_refunded(words: Sequence[str], hot: Collection[tuple[str, ...]], outside: Collection[str]) -> list[bool]:
    """Return for which of its words a phrase refunds the price: not for those of a hot phrase within it, which does."""
    refunded = [tuple(words) in hot and word in outside for word in words]
    if any(refunded):
        for first, last in combinations(range(len(words) + 1), 2):
            if last - first < len(words) and tuple(words[first:last]) in hot:
                refunded[first:last] = [False] * (last - first)
    return refunded


def _plain_spaces(phrase: str) -> str:
    return " ".join(phrase.replace("▁", " ").split())


class _Matcher:
    """An automaton whose states are nodes of a trie of the phrases, each between separators."""

    def __init__(self, num_letters: int) -> None:
        self.num_letters = num_letters
        self.children: list[dict[int, int]] = [{}]
        self.credit = [0.0]  # for a match under way
        self.pruning_credit = [0.0]  # the part of it that counts in pruning
        self.earned = [0.0]  # for phrases that are complete on entering the state

    def add(self, letters: list[int], weight: float, refunds: Sequence[float]) -> None:
        """Add a phrase that refunds the prices of its words."""
        state, num_ended = 0, -1
        for num_matched, letter in enumerate([_SEPARATOR, *letters]):
            state = self._find_or_add_child(state, letter)
            num_ended += letter == _SEPARATOR
            share, refund = num_matched / len(letters), sum(refunds[:num_ended])
            # A penalty falls due only for the complete phrase: as credit it would hurt its neighbours.
            self.credit[state] = max(self.credit[state], weight * share + refund)
            pruning_credit = min(weight, MAX_PRUNING_CREDIT) * share + refund
            self.pruning_credit[state] = max(self.pruning_credit[state], pruning_credit)
        self.earned[self._find_or_add_child(state, _SEPARATOR)] += weight + sum(refunds)

    def link(self) -> None:
        """Complete the transitions: when a match fails, its longest suffix that may match continues."""
        fallback = [0] * len(self.children)
        self.step = np.zeros((len(self.children), self.num_letters), np.int64)  # (states, letters)
        queue = deque([0])
        while queue:
            state = queue.popleft()
            self.credit[state] = max(self.credit[state], self.credit[fallback[state]])
            self.pruning_credit[state] = max(self.pruning_credit[state], self.pruning_credit[fallback[state]])
            if state:
                self.earned[state] += self.earned[fallback[state]]
                self.step[state] = self.step[fallback[state]]
            for letter, child in self.children[state].items():
                fallback[child] = int(self.step[state, letter])
                self.step[state, letter] = child
                queue.append(child)

    def tabulate(self, alphabet: Alphabet, *, is_boosted: bool) -> PhraseTables:
        """Follow every token's letters from every state."""
        tokens = alphabet.tokens
        num_states, num_tokens = len(self.children), len(tokens.starts_word)
        earned = np.array(self.earned)
        next_state = np.zeros((num_states, num_tokens), np.int32)
        gains = np.zeros((num_states, num_tokens))
        for token in range(num_tokens):
            letters = tokens.letters[tokens.first_letter[token] : tokens.first_letter[token + 1]].tolist()
            before, after = int(tokens.starts_word[token]), int(tokens.ends_word[token])
            states = np.arange(num_states)
            for letter in [_SEPARATOR] * before + letters + [_SEPARATOR] * after:
                states = self.step[states, letter]
                gains[:, token] += earned[states]
            next_state[:, token] = states
        return PhraseTables(
            is_boosted=is_boosted,
            start=int(self.step[0, _SEPARATOR]),
            next_state=next_state,
            gains=gains,
            credit=np.array(self.credit),
            pruning_boost=np.exp(self.pruning_credit),
            end_gains=earned[self.step[:, _SEPARATOR]],
        )

    def _find_or_add_child(self, state: int, letter: int) -> int:
        child = self.children[state].setdefault(letter, len(self.children))
        if child == len(self.children):
            self.children.append({})
            for values in (self.credit, self.pruning_credit, self.earned):
                values.append(0.0)
        return child
