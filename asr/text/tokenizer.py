"""Normalised text in, token ids out, and back.

Token 0 is the CTC blank and stands for no text. A symbol that is not in the alphabet is an error that
names it, never a silent loss. Knows nothing of networks.
"""

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from asr.errors import TextError

BLANK_SYMBOL = "<blank>"
SPACE_NAME = "<space>"  # how tokens.txt writes the space
TOKENS_FILE = "tokens.txt"
SUBWORD_FILE = "subword.model"
WORD_START = "\u2581"  # how SentencePiece writes the space before a word


class WordTokens(NamedTuple):
    """A word and its tokens: those from `first` up to, but not including, `last`."""

    text: str
    first: int
    last: int


class Tokenizer(ABC):
    """Encodes text with a fixed list of symbols."""

    symbols: list[str]  # by token id; 0 is `<blank>`
    word_ends: frozenset[int] = frozenset()  # tokens that stand for no sound but end a word; empty in most alphabets
    # Words and the tokens of each of their pronunciations; None if the symbols spell words.
    pronunciations: Mapping[str, Sequence[tuple[int, ...]]] | None = None

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = list(symbols)
        self._ids = {symbol: token for token, symbol in enumerate(self.symbols) if token > 0}

    @property
    def vocab_size(self) -> int:
        """The number of tokens, including the blank."""
        return len(self.symbols)

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text.

        Raises:
            TextError: If a symbol of the text is not in the alphabet.
        """

    @abstractmethod
    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of the tokens; blanks stand for nothing.

        Raises:
            ValueError: If a token is not one of 0 to vocab_size - 1.
        """

    def save(self, folder: Path) -> None:
        """Write `tokens.txt`: one symbol per line, whose number (from 0) is the token id."""
        lines = [SPACE_NAME if symbol == " " else symbol for symbol in self.symbols]
        (folder / TOKENS_FILE).write_bytes("".join(f"{line}\n" for line in lines).encode())

    def _check_tokens(self, tokens: Sequence[int]) -> None:
        size = self.vocab_size
        if len(tokens) and not (min(tokens) >= 0 and max(tokens) < size):
            wrong = next(token for token in tokens if not 0 <= token < size)
            raise ValueError(f"token {wrong} does not exist; there are 0 to {size - 1}")


class CharTokenizer(Tokenizer):
    """One token per character.

    Raises:
        TextError: If a character is a line break or other white space than the space.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        for symbol in symbols[1:]:
            if symbol.isspace() and symbol != " ":
                raise TextError(f"{_describe(symbol)} cannot be a token; normalise the text first")
        super().__init__(symbols)

    def encode(self, text: str) -> list[int]:
        try:
            return [self._ids[symbol] for symbol in text]
        except KeyError as error:
            raise _unknown_symbol(error.args[0], text) from None

    def decode(self, tokens: Sequence[int]) -> str:
        self._check_tokens(tokens)
        return "".join(self.symbols[token] for token in tokens if token != 0)


class WordTokenizer(Tokenizer):
    """One token per word, for closed vocabularies: digits, commands; each symbol is a word after `WORD_START`."""

    def encode(self, text: str) -> list[int]:
        try:
            return [self._ids[WORD_START + word] for word in text.split()]
        except KeyError as error:
            word = error.args[0].removeprefix(WORD_START)
            raise TextError(
                f"the word {word!r} is none of the model's {self.vocab_size - 1}; found in {text!r}"
            ) from None

    def decode(self, tokens: Sequence[int]) -> str:
        self._check_tokens(tokens)
        return " ".join(self.symbols[token].removeprefix(WORD_START) for token in tokens if token != 0)


class SubwordTokenizer(Tokenizer):
    """Units of a serialised SentencePiece model (Kudo & Richardson 2018); 0, its unknown unit, is `<blank>`."""

    def __init__(self, model: bytes) -> None:
        from sentencepiece import SentencePieceProcessor  # which most models do without

        self._model = model
        self._processor = SentencePieceProcessor(model_proto=model)
        super().__init__([self._processor.id_to_piece(token) for token in range(self._processor.get_piece_size())])

    def encode(self, text: str) -> list[int]:
        if WORD_START in text:
            raise _unknown_symbol(WORD_START, text)
        tokens: list[int] = self._processor.encode(text)
        if 0 in tokens:
            alphabet = set("".join(self.symbols[1:])) | {" "}
            raise _unknown_symbol(next((symbol for symbol in text if symbol not in alphabet), text), text)
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        self._check_tokens(tokens)
        pieces = "".join(self.symbols[token] for token in tokens if token != 0)
        return pieces.replace(WORD_START, " ").removeprefix(" ")

    def save(self, folder: Path) -> None:
        """Write `tokens.txt` and `subword.model`."""
        super().save(folder)
        (folder / SUBWORD_FILE).write_bytes(self._model)


class PieceTokenizer(Tokenizer):
    """Units of other programs: pieces of words, the first of which begins with `WORD_START`, words or characters.

    Without the model that cut the training texts into units, a text is cut into the longest ones that fit, from left to
    right. Units in angle brackets, such as `<unk>`, stand for no text.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(symbols)
        self._marks_words = any(symbol.startswith(WORD_START) for symbol in symbols)
        self._texts = ["" if _is_special(symbol) else symbol.replace(WORD_START, " ") for symbol in symbols]
        self._ids = {text: token for token, text in enumerate(self._texts) if text and token > 0}
        self._longest = max(map(len, self._ids), default=0)

    def encode(self, text: str) -> list[int]:
        rest = " " + text if self._marks_words and text else text
        tokens = []
        while rest:
            sizes = range(min(len(rest), self._longest), 0, -1)
            size = next((size for size in sizes if rest[:size] in self._ids), None)
            if size is None:
                raise _unknown_symbol(rest[0], text)
            tokens.append(self._ids[rest[:size]])
            rest = rest[size:]
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        self._check_tokens(tokens)
        text = "".join(self._texts[token] for token in tokens)
        return text.removeprefix(" ") if self._marks_words else text


def group_tokens(
    tokens: Sequence[int], tokenizer: Tokenizer, decode: Callable[[Sequence[int]], str] | None = None
) -> list[WordTokens]:
    """Group tokens into words, which a space separates, `WORD_START` begins or a word end follows.

    Spaces and word ends belong to no word.

    Args:
        tokens: Of any text.
        tokenizer: What they are tokens of.
        decode: Returns the text of a word's tokens; None: the tokenizer's method.
    """
    decode = tokenizer.decode if decode is None else decode
    bounds: list[tuple[int, int, int]] = []  # of each word: its first token, the one after its last, or after its end
    first: int | None = None  # of the current word
    for index, token in enumerate(tokens):
        symbol = tokenizer.symbols[token]
        is_end = token in tokenizer.word_ends
        if first is not None and (is_end or symbol.startswith((" ", WORD_START))):
            bounds.append((first, index, index + is_end))
            first = None
        if first is None and not is_end and symbol.strip(" " + WORD_START):
            first = index
    if first is not None:
        bounds.append((first, len(tokens), len(tokens)))
    words = (WordTokens(decode(tokens[start:end]).strip(), start, last) for start, last, end in bounds)
    return [word for word in words if word.text]


def _is_special(symbol: str) -> bool:
    return len(symbol) > 2 and symbol.startswith("<") and symbol.endswith(">")


def _unknown_symbol(symbol: str, text: str) -> TextError:
    return TextError(f"{_describe(symbol)} is not in the alphabet; found in {text!r}")


def _describe(symbol: str) -> str:
    if len(symbol) != 1:
        return repr(symbol)
    return f"{symbol!r} (U+{ord(symbol):04X} {unicodedata.name(symbol, 'unnamed')})"
