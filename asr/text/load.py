"""Settings and texts, or a model folder, in; the tokenizer out."""

import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from asr.config import TokenizerSettings
from asr.errors import ConfigError, ModelError, TextError, one_line
from asr.files import read_lines
from asr.text.lexicon import MOST_HOMOPHONES, read_lexicon
from asr.text.phones import LEXICON_FILE, PhoneTokenizer, is_word_end
from asr.text.tokenizer import (
    BLANK_SYMBOL,
    SPACE_NAME,
    SUBWORD_FILE,
    TOKENS_FILE,
    WORD_START,
    CharTokenizer,
    PieceTokenizer,
    SubwordTokenizer,
    Tokenizer,
    WordTokenizer,
)

_SYMBOLS = {"char": (".", "one character"), "word": (rf"{WORD_START}\S+", f"{WORD_START}WORD")}  # of tokens.txt


def build_tokenizer(texts: Iterable[str], settings: TokenizerSettings) -> Tokenizer:
    """Make a tokenizer that can encode all the normalised texts; the same texts give the same tokenizer.

    Raises:
        TextError: If there is no text, or the lexicon is broken.
        ConfigError: If SentencePiece cannot make that many units from these texts.
    """
    tokenizer = given_tokenizer(settings)
    if tokenizer is not None:
        return tokenizer
    texts = list(texts)
    if not any(text.strip() for text in texts):
        raise TextError("there is no text to make tokens from; every transcript is empty")
    if settings.kind == "subword":
        return SubwordTokenizer(_train_subwords(texts, settings.vocab_size))
    if settings.kind == "word":
        return WordTokenizer([BLANK_SYMBOL, *sorted({WORD_START + word for text in texts for word in text.split()})])
    # The space is always there: without it a language model could not separate words.
    return CharTokenizer([BLANK_SYMBOL, *sorted({" "}.union(*texts))])


def given_tokenizer(settings: TokenizerSettings) -> PhoneTokenizer | None:
    """Return the tokenizer that needs no text: that of a lexicon, if the settings have one.

    Raises:
        TextError: If the lexicon is broken.
        ConfigError: If phones are chosen without a lexicon.
    """
    if settings.kind != "phone":
        return None
    if settings.lexicon is None:
        raise ConfigError(
            "tokenizer.kind=phone needs a lexicon: tokenizer.lexicon=FILE, with a word and its phones on each line"
        )
    lexicon = read_lexicon(settings.lexicon)
    # Not only as many as it has: the model can be given a larger lexicon later.
    return PhoneTokenizer(lexicon, max(MOST_HOMOPHONES, lexicon.most_homophones))


def load_tokenizer(folder: Path, settings: TokenizerSettings) -> Tokenizer:
    """Read the tokenizer that `Tokenizer.save` wrote.

    Raises:
        ModelError: If a file is missing or broken.
    """
    symbols = _read_symbols(folder / TOKENS_FILE, settings.kind)
    if settings.kind == "char":
        return CharTokenizer(symbols)
    if settings.kind == "word":
        return WordTokenizer(symbols)
    if settings.kind == "piece":
        return PieceTokenizer(symbols)
    tokenizer: Tokenizer
    if settings.kind == "phone":
        path, unit = folder / LEXICON_FILE, "phones"
        tokenizer = _load_phones(path, symbols)
    else:
        path, unit = folder / SUBWORD_FILE, "units"
        tokenizer = _load_subwords(path)
    if tokenizer.symbols != symbols:
        raise ModelError(f"{path}: its {unit} are not those of {TOKENS_FILE}; both files must come from one training")
    return tokenizer


def _load_phones(path: Path, symbols: list[str]) -> PhoneTokenizer:
    try:
        lexicon = read_lexicon(path)
    except TextError as error:
        raise ModelError(str(error)) from None
    word_ends = list(filter(is_word_end, symbols))
    # A lexicon that replaces that of training may lack rare phones.
    phones = symbols[1 + len(word_ends) :]
    if lexicon.phones != phones and set(lexicon.phones) <= set(phones):
        lexicon = lexicon.with_phones(phones)
    try:
        return PhoneTokenizer(lexicon, len(word_ends))
    except TextError as error:
        raise ModelError(f"{path}: {error}") from None


def _load_subwords(path: Path) -> SubwordTokenizer:
    try:
        model = path.read_bytes()
        if not model:  # SentencePiece takes it for a model without units
            raise RuntimeError("the file is empty")
        return SubwordTokenizer(model)
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{path}: expected a SentencePiece model: {error}") from None


def _read_symbols(path: Path, kind: str) -> list[str]:
    lines = read_lines(path, ModelError, hint="; every model folder holds this file")
    symbols = [" " if line == SPACE_NAME else line for line in lines]
    if symbols[:1] != [BLANK_SYMBOL]:
        raise ModelError(f"{path}: the first line must be {BLANK_SYMBOL}, found {[*symbols, 'nothing'][0]!r}")
    if len(symbols) == 1:
        raise ModelError(f"{path}: there is no symbol but {BLANK_SYMBOL}")
    lines_of = {BLANK_SYMBOL: 1}
    for number, symbol in enumerate(symbols[1:], start=2):
        if not symbol or symbol in lines_of:
            problem = f"{symbol!r} is already on line {lines_of[symbol]}" if symbol else "the line is empty"
            raise ModelError(f"{path}:{number}: {problem}; expected one symbol per line, each once")
        pattern, expected = _SYMBOLS.get(kind, (".*", ""))
        if not re.fullmatch(pattern, symbol, re.DOTALL):
            raise ModelError(f"{path}:{number}: expected {expected}, found {symbol!r}")
        lines_of[symbol] = number
    return symbols


def _train_subwords(texts: list[str], vocab_size: int) -> bytes:
    from sentencepiece import SentencePieceTrainer

    model = BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=vocab_size,
            hard_vocab_limit=False,  # a small corpus may not hold that many units
            character_coverage=1.0,
            normalization_rule_name="identity",  # the texts are normalised already (text/normalize.py)
            unk_id=0,  # never comes out of `encode`, so the blank takes its place
            unk_piece=BLANK_SYMBOL,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            num_threads=1,  # the same units on every machine
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ConfigError(f"tokenizer.vocab_size={vocab_size}: SentencePiece cannot: {one_line(error)}") from None
    return model.getvalue()
