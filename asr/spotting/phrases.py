"""Phrases in, the sequences of labels that spell or pronounce them out; log probabilities in, those of labels out.

A label is a token, or the boundary between words, which stands for any of the word ends of phones, or for the space of
characters. A boundary on both sides of a phrase keeps `art` from being found in `party`. Subword units begin words
themselves; nothing says where a word ends before the next begins, so `art` may be found in `artist`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product
from unicodedata import combining
from unicodedata import normalize as normalize_unicode

import numpy as np

from asr.config import NormalizerSettings
from asr.errors import TextError
from asr.jit import Array
from asr.language.g2p import G2P
from asr.recognize.options import find_unspellable, train_g2p
from asr.text.normalize import normalize
from asr.text.phones import PhoneTokenizer
from asr.text.tokenizer import Tokenizer

MOST_PRONUNCIATIONS = 6  # of a word
MOST_SEQUENCES = 24  # of a phrase
# Guesses of words that the lexicon lacks are kept if they are at least this probable, relative to the best.
_GUESS_SHARE = 0.1

Labels = tuple[int, ...]


@dataclass(frozen=True)
class Phrase:
    """What is searched for.

    Attributes:
        text: As it was given.
        sequences: The labels of each pronunciation or spelling, none twice.
    """

    text: str
    sequences: tuple[Labels, ...]


class LabelEncoder:
    """Encodes phrases, and brings log probabilities of tokens to those of labels.

    Attributes:
        boundary: The label of the boundary between words, which follows the tokens.
    """

    def __init__(self, tokenizer: Tokenizer, normalizer: NormalizerSettings) -> None:
        self._tokenizer = tokenizer
        self._normalizer = normalizer
        self.boundary = tokenizer.vocab_size
        self._boundary_tokens = _find_boundary_tokens(tokenizer)

    def encode(self, text: str) -> Phrase:
        """Encode a phrase.

        Raises:
            TextError: If there is nothing to search for, or the model cannot spell or pronounce it.
        """
        words = normalize(text, self._normalizer)
        if not words:
            raise TextError(f"{text!r}: nothing to search for; give words")
        if isinstance(self._tokenizer, PhoneTokenizer):
            sequences = self._pronounce(words.split(), self._tokenizer)
        else:
            sequences = [self._encode_letters(words)]
        return Phrase(text, tuple(dict.fromkeys(sequences)))

    def to_ratios(self, log_probs: Array) -> tuple[Array, Array]:
        """Compare (T, V) natural-log probabilities of tokens with the best of their frames.

        Returns:
            (T, V + 1) float32 differences of labels, at most 0, and (T,) the highest log probability of each frame.
        """
        log_probs = np.asarray(log_probs, np.float32)
        if self._boundary_tokens:
            boundary = np.logaddexp.reduce(log_probs[:, self._boundary_tokens], axis=1)
        else:
            boundary = np.full(len(log_probs), -math.inf, np.float32)
        labels = np.column_stack([log_probs, boundary])  # (T, V + 1)
        best = labels.max(axis=1)
        return labels - best[:, None], best

    def _pronounce(self, words: Sequence[str], tokenizer: PhoneTokenizer) -> list[Labels]:
        """Combine the pronunciations of the words, the first ones of all words first."""
        # The lexicon of a language without accents may still have the word: café.
        found = [_pronunciations(word, tokenizer) or _pronunciations(_drop_accents(word), tokenizer) for word in words]
        ways = [several[:MOST_PRONUNCIATIONS] for several in found]
        for word, several in zip(words, ways, strict=True):
            if not several:
                raise TextError(f"{word!r}: cannot be pronounced; write it in the letters of the lexicon")
        return [
            (self.boundary, *(label for way in combination for label in (*way, self.boundary)))
            for combination in islice(product(*ways), MOST_SEQUENCES)
        ]

    def _encode_letters(self, words: str) -> Labels:
        if find_unspellable(words, self._tokenizer):
            words = _drop_accents(words)
        if lost := find_unspellable(words, self._tokenizer):
            raise TextError(f"{words!r}: the alphabet has no {' '.join(lost)}; write the phrase as the model would")
        tokens = tuple(self._tokenizer.encode(words))
        if not self._boundary_tokens:
            return tokens
        labels = tuple(self.boundary if token in self._boundary_tokens else token for token in tokens)
        return (self.boundary, *labels, self.boundary)


def _drop_accents(text: str) -> str:
    return "".join(letter for letter in normalize_unicode("NFD", text) if not combining(letter))


def _pronunciations(word: str, tokenizer: PhoneTokenizer) -> list[Labels]:
    """Return the phones of each pronunciation of a word, without word ends."""
    if word in tokenizer.pronunciations:
        known = [tuple(map(int, tokens)) for tokens in tokenizer.pronunciations[word]]
        return list(dict.fromkeys(tokens[:-1] for tokens in known))
    g2p: G2P = train_g2p(tokenizer.lexicon)
    numbers = {symbol: token for token, symbol in enumerate(tokenizer.symbols)}
    return [tuple(numbers[phone] for phone in phones) for phones in g2p.pronounce(word, _GUESS_SHARE)]


def _find_boundary_tokens(tokenizer: Tokenizer) -> list[int]:
    """Return the tokens that are nothing but a boundary between words; subword units and whole words have none."""
    spaces = [token for token, symbol in enumerate(tokenizer.symbols) if symbol == " "]
    return sorted(tokenizer.word_ends) or spaces
