"""Words as phones: the tokenizer of a lexicon (Miao et al. 2015, EESEN, have phones as units of CTC).

A token that stands for no sound ends each word. There are several of them, so that homophones differ: `red` is
`R EH D |1`, `read` is `R EH D |2`. Each token sequence then stands for one text only, and acoustics are
separated from spelling.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from asr.errors import TextError
from asr.text.lexicon import Lexicon, Phones
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizer import BLANK_SYMBOL, SPACE_NAME, WORD_START, Tokenizer

LEXICON_FILE = "lexicon.txt"
_WORD_END = "|"  # before a number, which distinguishes homophones


class PhoneTokenizer(Tokenizer):
    """Phones and, after each word, a word end; a word is encoded by its first pronunciation.

    `num_word_ends` homophones can be distinguished; None: as many as the lexicon has.

    Raises:
        TextError: If a phone has the name of another symbol, or more words sound alike than there are word ends.
    """

    def __init__(self, lexicon: Lexicon, num_word_ends: int | None = None) -> None:
        most = lexicon.most_homophones
        if num_word_ends is not None and num_word_ends < most:
            raise TextError(f"{most} of its words sound alike; {num_word_ends} at most can be distinguished")
        word_ends = [f"{_WORD_END}{number}" for number in range(1, (num_word_ends or most) + 1)]
        super().__init__([BLANK_SYMBOL, *word_ends, *lexicon.phones])
        for phone in lexicon.phones:
            if phone in (BLANK_SYMBOL, SPACE_NAME) or is_word_end(phone) or WORD_START in phone:
                raise TextError(f"{phone!r} cannot name a phone: it has another meaning; give the phone another name")
        self.lexicon = lexicon
        self.word_ends = frozenset(range(1, len(word_ends) + 1))
        tokens = np.zeros((len(lexicon.sounds), 1 + lexicon.sounds.shape[1]), np.min_scalar_type(self.vocab_size))
        tokens[:, :-1] = lexicon.sounds
        tokens += (tokens > 0) * tokens.dtype.type(len(word_ends))
        tokens[np.arange(len(tokens)), np.count_nonzero(tokens, axis=1)] = 1 + lexicon.homophones
        self.pronunciations: Pronunciations = Pronunciations(lexicon.numbers, lexicon.owners, tokens)

    def with_words(self, words: Mapping[str, Phones]) -> "PhoneTokenizer":
        """Return a tokenizer that also encodes words that the lexicon lacks; this one and the lexicon do not change.

        A word is left out if it has more homophones than there are word ends.
        """
        added: dict[tuple[int, ...], str] = {}
        for word, phones in words.items():
            sounds = [self._ids[phone] for phone in phones]
            candidates = ((*sounds, word_end) for word_end in sorted(self.word_ends))
            is_free = (way for way in candidates if way not in added and self.pronunciations.find_word(way) is None)
            if word not in self.pronunciations and (tokens := next(is_free, None)) is not None:
                added[tokens] = word
        extended = copy.copy(self)
        extended.pronunciations = self.pronunciations.with_words({word: tokens for tokens, word in added.items()})
        return extended

    def encode(self, text: str) -> list[int]:
        tokens: list[int] = []
        for word in text.split():
            if word not in self.pronunciations:
                raise TextError(
                    f"the lexicon has no pronunciation of {word!r}; add a line to it, the word and its phones; "
                    f"found in {text!r}"
                )
            tokens += self.pronunciations[word][0]
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of the tokens; phones that form no word are written out, joined by hyphens.

        Those after the last word end count only if they form a word.
        """
        self._check_tokens(tokens)
        words: list[str] = []
        start = 0
        for index, token in enumerate(tokens):
            if token in self.word_ends:
                words.append(self._word(tokens[start:index], token))
                start = index + 1
        words.append(self._find_word(tokens[start:], 1) or "")
        return " ".join(word for word in words if word)

    def save(self, folder: Path) -> None:
        """Write `tokens.txt` and `lexicon.txt`."""
        super().save(folder)
        self.lexicon.save(folder / LEXICON_FILE)

    def _word(self, sounds: Sequence[int], word_end: int) -> str:
        word = self._find_word(sounds, word_end) or self._find_word(sounds, 1)
        return word or "-".join(self.symbols[sound].lower() for sound in sounds if sound != 0)

    def _find_word(self, sounds: Sequence[int], word_end: int) -> str | None:
        return self.pronunciations.find_word([*filter(None, sounds), word_end])  # without blanks


def is_word_end(symbol: str) -> bool:
    """Whether a symbol names the end of a word."""
    return symbol.startswith(_WORD_END) and symbol[1:].isdecimal()
