"""Normalised text in, token ids out, and back.

Token 0 is the CTC blank and stands for no text. Knows nothing of networks; what cannot be
spelled is an error that names the symbol, never a silent loss.
"""

import copy
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from asr.config import TokenizerSettings
from asr.errors import ConfigError, ModelError, TextError
from asr.files import read_lines
from asr.text.lexicon import Lexicon, Phones, read_lexicon

BLANK_SYMBOL = "<blank>"
SPACE_NAME = "<space>"  # how tokens.txt writes the space
TOKENS_FILE = "tokens.txt"
SUBWORD_FILE = "subword.model"
LEXICON_FILE = "lexicon.txt"
WORD_START = "\u2581"  # how SentencePiece writes the space before a word
WORD_END = "|"  # before a number: the mark of a word's end, among words that sound alike the n-th's


class Tokenizer(ABC):
    """Spells text with a fixed list of symbols.

    Attributes:
        symbols: The symbol of each token; its index is the token id, and 0 is `<blank>`.
        marks: Tokens that stand for no sound but end a word, where there are any.
        pronunciations: Words and the tokens of each way to say them, where words are not spelled by the symbols.
    """

    symbols: list[str]
    marks: frozenset[int] = frozenset()
    pronunciations: Mapping[str, Sequence[tuple[int, ...]]] | None = None

    @property
    def vocab_size(self) -> int:
        """Number of tokens, the blank included."""
        return len(self.symbols)

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Spell a text.

        Raises:
            TextError: If a symbol of the text is not in the alphabet.
        """

    @abstractmethod
    def decode(self, tokens: Sequence[int]) -> str:
        """The text that the tokens spell; blanks spell nothing.

        Raises:
            ValueError: If a token is none of 0 to vocab_size - 1.
        """

    def save(self, folder: Path) -> None:
        """Write `tokens.txt`: one symbol a line, the line's number (from 0) is the id."""
        lines = [SPACE_NAME if symbol == " " else symbol for symbol in self.symbols]
        (folder / TOKENS_FILE).write_bytes("".join(f"{line}\n" for line in lines).encode())

    def _check_tokens(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            if not 0 <= token < self.vocab_size:
                raise ValueError(f"token {token} does not exist; there are 0 to {self.vocab_size - 1}")


class CharTokenizer(Tokenizer):
    """One token a character.

    Args:
        symbols: `<blank>`, then single characters.

    Raises:
        TextError: If a character is a line break or other white space than the space.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        for symbol in symbols[1:]:
            if symbol.isspace() and symbol != " ":
                raise TextError(f"{_describe(symbol)} cannot be a token; normalise the text before it is spelled")
        self.symbols = list(symbols)
        self._ids = {symbol: token for token, symbol in enumerate(self.symbols) if token > 0}

    def encode(self, text: str) -> list[int]:
        try:
            return [self._ids[symbol] for symbol in text]
        except KeyError as error:
            raise _unknown_symbol(error.args[0], text) from None

    def decode(self, tokens: Sequence[int]) -> str:
        self._check_tokens(tokens)
        return "".join(self.symbols[token] for token in tokens if token != 0)


class WordTokenizer(Tokenizer):
    """One token a word, for vocabularies that are closed: digits, commands.

    Args:
        symbols: `<blank>`, then words, each after the mark of a word's start.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = list(symbols)
        self._ids = {symbol: token for token, symbol in enumerate(self.symbols) if token > 0}

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


class PhoneTokenizer(Tokenizer):
    """Phones and, at the end of each word, a mark; words that sound alike differ in their mark.

    So tokens stand for one text only, as letters do, and what is heard stays apart from how it is spelled. (Phones
    as units of CTC: Miao et al. 2015, EESEN.)

    Args:
        lexicon: The words that can be spelled; a word is spelled by its first pronunciation.
        num_marks: How many words may sound alike; None: as many as do.

    Raises:
        TextError: If a phone looks like the blank or like a mark, or more words sound alike than there are marks.
    """

    def __init__(self, lexicon: Lexicon, num_marks: int | None = None) -> None:
        if num_marks is not None and num_marks < lexicon.most_alike:
            raise TextError(f"{lexicon.most_alike} of its words sound alike; {num_marks} at most can be told apart")
        marks = [f"{WORD_END}{number}" for number in range(1, (num_marks or lexicon.most_alike) + 1)]
        self.symbols = [BLANK_SYMBOL, *marks, *lexicon.phones]
        for phone in lexicon.phones:
            if phone in (BLANK_SYMBOL, SPACE_NAME) or _is_mark(phone) or WORD_START in phone:
                raise TextError(f"{phone!r} is no name for a phone: it means something else; give it another name")
        self.lexicon = lexicon
        self.marks = frozenset(range(1, len(marks) + 1))
        ids = {symbol: token for token, symbol in enumerate(self.symbols)}
        self._words: dict[tuple[int, ...], str] = {}
        ways: dict[str, list[tuple[int, ...]]] = {}
        sounds = {phones: tuple(map(ids.__getitem__, phones)) for phones in lexicon.words}
        for phones, words in lexicon.words.items():
            self._words.update({(*sounds[phones], mark): word for mark, word in enumerate(words, start=1)})
        for word, several in lexicon.ways.items():
            ways[word] = [(*sounds[phones], 1 + lexicon.words[phones].index(word)) for phones in several]
        self.pronunciations: dict[str, list[tuple[int, ...]]] = ways

    def adding(self, words: Mapping[str, Phones]) -> "PhoneTokenizer":
        """One that also spells words that the lexicon lacks; this one, and the lexicon, stay as they are.

        A word is left out where so many sound alike that there is no mark left for it.
        """
        made = copy.copy(self)
        made._words, made.pronunciations = dict(self._words), dict(self.pronunciations)
        for word, phones in words.items():
            sounds = [self.symbols.index(phone) for phone in phones]
            free = (mark for mark in sorted(self.marks) if (*sounds, mark) not in made._words)
            mark = next(free, None)
            if mark is not None and word not in made.pronunciations:
                tokens = (*sounds, mark)
                made._words[tokens] = word
                made.pronunciations[word] = [tokens]
        return made

    def encode(self, text: str) -> list[int]:
        tokens: list[int] = []
        for word in text.split():
            ways = self.pronunciations.get(word)
            if ways is None:
                raise TextError(
                    f"the lexicon has no pronunciation of {word!r}; add a line to it, the word and its phones; "
                    f"found in {text!r}"
                )
            tokens += ways[0]
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text that the tokens stand for.

        Phones that are no word stay phones, with hyphens; those after the last mark count only where they are a word.
        """
        self._check_tokens(tokens)
        words: list[str] = []
        sounds: list[int] = []
        for token in tokens:
            if token in self.marks:
                words.append(self._word(sounds, token))
                sounds = []
            elif token != 0:
                sounds.append(token)
        words.append(self._words.get((*sounds, 1), ""))
        return " ".join(word for word in words if word)

    def save(self, folder: Path) -> None:
        """Write `tokens.txt` and `lexicon.txt`."""
        super().save(folder)
        self.lexicon.save(folder / LEXICON_FILE)

    def _word(self, sounds: Sequence[int], mark: int) -> str:
        known = self._words.get((*sounds, mark)) or self._words.get((*sounds, 1))
        return known or "-".join(self.symbols[sound].lower() for sound in sounds)


class SubwordTokenizer(Tokenizer):
    """SentencePiece units (Kudo & Richardson 2018).

    Args:
        model: A serialised SentencePiece model whose unit 0 is `<blank>`, in the unknown unit's place.
    """

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._processor = SentencePieceProcessor(model_proto=model)
        self.symbols = [self._processor.id_to_piece(token) for token in range(self._processor.get_piece_size())]

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


def build_tokenizer(texts: Iterable[str], settings: TokenizerSettings) -> Tokenizer:
    """Make a tokenizer that can spell all the texts; the same texts give the same tokenizer.

    Args:
        texts: Normalised transcripts.
        settings: Characters, words, phones or subword units, and how many of those.

    Raises:
        TextError: If there is no text, or the lexicon is broken.
        ConfigError: If SentencePiece cannot make so many units of these texts.
    """
    given = given_tokenizer(settings)
    if given is not None:
        return given
    texts = list(texts)
    if not any(text.strip() for text in texts):
        raise TextError("there is no text to make tokens of; every transcript is empty")
    if settings.kind == "subword":
        return SubwordTokenizer(_train_subwords(texts, settings.vocab_size))
    if settings.kind == "word":
        return WordTokenizer([BLANK_SYMBOL, *sorted({WORD_START + word for text in texts for word in text.split()})])
    # With the space, always: a language model could not tell words apart without.
    return CharTokenizer([BLANK_SYMBOL, *sorted({" "}.union(*texts))])


def given_tokenizer(settings: TokenizerSettings) -> PhoneTokenizer | None:
    """The tokenizer that there is before any text is read: that of a lexicon.

    Raises:
        TextError: If the lexicon is broken.
        ConfigError: If phones are wanted without a lexicon.
    """
    if settings.kind != "phone":
        return None
    if settings.lexicon is None:
        raise ConfigError("tokenizer.kind=phone needs a lexicon: tokenizer.lexicon=FILE, a word and its phones a line")
    return PhoneTokenizer(read_lexicon(settings.lexicon))


def load_tokenizer(folder: Path, settings: TokenizerSettings) -> Tokenizer:
    """Read the tokenizer that `Tokenizer.save` wrote.

    Raises:
        ModelError: If a file is missing or broken.
    """
    symbols = _read_symbols(folder / TOKENS_FILE)
    if settings.kind == "char":
        for number, symbol in enumerate(symbols[1:], start=2):
            if len(symbol) != 1:
                raise ModelError(f"{folder / TOKENS_FILE}:{number}: expected one character, found {symbol!r}")
        return CharTokenizer(symbols)
    if settings.kind == "word":
        for number, symbol in enumerate(symbols[1:], start=2):
            if len(symbol.split()) != 1 or not symbol.startswith(WORD_START) or symbol == WORD_START:
                raise ModelError(f"{folder / TOKENS_FILE}:{number}: expected {WORD_START}WORD, found {symbol!r}")
        return WordTokenizer(symbols)
    if settings.kind == "phone":
        return _load_phones(folder, symbols)
    path = folder / SUBWORD_FILE
    try:
        model = path.read_bytes()
        if not model:  # SentencePiece takes it for a model without units
            raise RuntimeError("the file is empty")
        tokenizer = SubwordTokenizer(model)
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{path}: expected a SentencePiece model: {error}") from None
    if tokenizer.symbols != symbols:
        raise ModelError(f"{path}: its units are not those of {TOKENS_FILE}; both files must come from one training")
    return tokenizer


def _is_mark(symbol: str) -> bool:
    return symbol.startswith(WORD_END) and symbol[1:].isdecimal()


def _load_phones(folder: Path, symbols: list[str]) -> PhoneTokenizer:
    path = folder / LEXICON_FILE
    num_marks = sum(map(_is_mark, symbols))
    try:
        lexicon = read_lexicon(path)
    except TextError as error:
        raise ModelError(str(error)) from None
    try:
        tokenizer = PhoneTokenizer(lexicon, num_marks)
    except TextError as error:
        raise ModelError(f"{path}: {error}") from None
    if tokenizer.symbols != symbols:
        raise ModelError(f"{path}: its phones are not those of {TOKENS_FILE}; both files must come from one training")
    return tokenizer


def _read_symbols(path: Path) -> list[str]:
    lines = read_lines(path, ModelError, hint="; every model folder holds this file")
    symbols = [" " if line == SPACE_NAME else line for line in lines]
    if not symbols or symbols[0] != BLANK_SYMBOL:
        raise ModelError(
            f"{path}: the first line must be {BLANK_SYMBOL}, found {symbols[0] if symbols else 'nothing'!r}"
        )
    if len(symbols) == 1:
        raise ModelError(f"{path}: there is no symbol but {BLANK_SYMBOL}")
    seen: dict[str, int] = {}
    for number, symbol in enumerate(symbols, start=1):
        if not symbol or symbol in seen:
            found = f"{symbol!r} stands on line {seen[symbol]} already" if symbol else "the line is empty"
            raise ModelError(f"{path}:{number}: {found}; expected one symbol a line, each once")
        seen[symbol] = number
    return symbols


def _train_subwords(texts: list[str], vocab_size: int) -> bytes:
    model = BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=vocab_size,
            hard_vocab_limit=False,  # a small corpus may not hold so many units
            character_coverage=1.0,
            normalization_rule_name="identity",  # text/normalize.py has been over it
            unk_id=0,  # never comes out of `encode`, so the blank takes its place
            unk_piece=BLANK_SYMBOL,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            num_threads=1,  # the same units on every machine
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"tokenizer.vocab_size={vocab_size}: SentencePiece cannot: {reason}") from None
    return model.getvalue()


def _unknown_symbol(symbol: str, text: str) -> TextError:
    return TextError(f"{_describe(symbol)} is not in the alphabet; found in {text!r}")


def _describe(symbol: str) -> str:
    if len(symbol) != 1:
        return repr(symbol)
    return f"{symbol!r} (U+{ord(symbol):04X} {unicodedata.name(symbol, 'unnamed')})"
