"""Transcripts in, plain words out: one spelling for what sounds the same.

Knows nothing of alphabets: letters of every script stay, and the tokenizer decides whether a model has them.
"""

import re
import unicodedata
from functools import lru_cache

from asr.config import NormalizerSettings
from asr.errors import TextError
from asr.text.annotations import drop_annotations, find_annotations
from asr.text.spelling import (
    JOINERS,
    join_thousands,
    lowercase,
    place_sigmas,
    remove_invisible,
    tidy_joiners,
    unify_letters,
)

# Typed and typographic relatives of the apostrophe, the Hebrew geresh among them.
_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u02b9\u00b4`\uff07\u05f3"), "'")
# Marks that belong to a word when they stand inside it: rock'n'roll, Catalan col·lega.
_INNER_MARKS = "'\u00b7"
# Words in small letters a to z, which no setting changes: most lines of a language model's text.
_PLAIN = re.compile("[a-z]+(?:'[a-z]+)*(?: [a-z]+(?:'[a-z]+)*)*")
_GERSHAYIM = "\u05f4"  # stands inside Hebrew acronyms, which are read as words

# Widths, ligatures, positional forms and mathematical letters are spellings of plain letters.
# Superscripts, fractions, circled and squared signs are not: NFKC would make 2½ into 21⁄2 and 5º into 5o.
_VARIANTS = ("<compat>", "<font>", "<wide>", "<narrow>", "<initial>", "<medial>", "<final>", "<isolated>", "<noBreak>")


def normalize(text: str, settings: NormalizerSettings) -> str:
    """Bring a transcript into the form used in training and scoring.

    Composes characters, replaces other forms of a letter, apostrophes and spaces by plain ones, and removes characters
    that nobody sees; then, depending on the settings, drops annotations, spells out numbers, lowercases and removes
    punctuation. A dash or any other mark splits words; an apostrophe within a word stays. Normalising twice changes
    nothing more.

    Returns:
        The words, separated by single spaces; empty if there are none.

    Raises:
        ConfigError: If numbers are to be spelled out in a language that num2words lacks.
        TextError: If there are annotations and the settings refuse them.
    """
    if _PLAIN.fullmatch(text):
        _replace_numbers("", settings.spell_out_numbers)  # names an unknown language
        return text
    language = (settings.language or settings.spell_out_numbers or "")[:2].lower()
    text = unicodedata.normalize("NFC", text.translate(_APOSTROPHES))
    if settings.spell_out_numbers is not None:
        text = join_thousands(text)
    text = unicodedata.normalize("NFC", "".join(map(_plain_form, text))).translate(_APOSTROPHES)
    text = _handle_annotations(unify_letters(remove_invisible(text), language), settings)
    text = _replace_numbers(text, settings.spell_out_numbers)
    if settings.lowercase:
        text = lowercase(text, language)
    if settings.strip_punctuation:
        text = _strip_punctuation(text)
    text = " ".join(text.split())
    return unicodedata.normalize("NFC", place_sigmas(text) if settings.lowercase else text)


def _replace_numbers(text: str, language: str | None) -> str:
    if language is None:
        return text
    from asr.text.numbers import spell_out_numbers  # num2words loads all its languages

    return tidy_joiners(spell_out_numbers(text, language))  # those of digits join words no more


def _handle_annotations(text: str, settings: NormalizerSettings) -> str:
    if settings.annotations == "drop":
        return drop_annotations(text, settings.extra_annotations)
    if settings.annotations == "error" and (found := find_annotations(text, settings.extra_annotations)):
        remedy = "remove them, or set normalizer.annotations to drop or keep"
        raise TextError(f"{text!r} has annotations: {', '.join(dict.fromkeys(found))}; {remedy}")
    return text


@lru_cache(maxsize=4096)
def _plain_form(symbol: str) -> str:
    if not unicodedata.decomposition(symbol).startswith(_VARIANTS):
        return symbol
    plain = unicodedata.normalize("NFKC", symbol)
    # A free-standing accent decomposes into a space and a mark, which would cling to the next word.
    return symbol if plain[0] == " " and len(plain) > 1 else plain


def _strip_punctuation(text: str) -> str:
    text = re.sub("'{2,}", " ", "".join(map(_without_punctuation, text)))
    words = (word.strip(_INNER_MARKS) for word in text.split())
    return " ".join(filter(None, words))


@lru_cache(maxsize=4096)
def _without_punctuation(symbol: str) -> str:
    """Return the symbol itself, a space or nothing."""
    if symbol in _INNER_MARKS or symbol in JOINERS:
        return symbol
    category = unicodedata.category(symbol)
    if category == "Me" or symbol == _GERSHAYIM:  # enclosing marks are drawn around letters and not pronounced
        return ""
    return " " if category[0] in "PSZ" or category == "Cc" else symbol
