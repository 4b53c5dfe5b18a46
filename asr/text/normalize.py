"""Transcripts in, plain words out: one spelling for what sounds the same.

Knows nothing of alphabets: letters of every script stay, and whether a model can spell them
is the tokenizer's question.
"""

import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache

from num2words import CONVERTER_CLASSES, num2words

from asr.config import NormalizerSettings
from asr.errors import ConfigError

# Typed and typographic relatives of the apostrophe, the Hebrew geresh among them.
_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u02b9\u00b4`\uff07\u05f3"), "'")
# Marks that belong to a word when they stand inside it: rock'n'roll, Catalan col·lega.
_INNER_MARKS = "'\u00b7"
# Persian and the Indian scripts spell with them; after an emoji they are nothing.
_JOINERS = "\u200c\u200d"
_GERSHAYIM = "\u05f4"  # stands inside Hebrew acronyms, which are read as words

# Widths, ligatures, positional forms and mathematical letters are spellings of plain letters.
# Superscripts, fractions, circled and squared signs are not: NFKC would make 2½ into 21⁄2 and 5º into 5o.
_PLAIN_FORMS = (
    "<compat>",
    "<font>",
    "<wide>",
    "<narrow>",
    "<initial>",
    "<medial>",
    "<final>",
    "<isolated>",
    "<noBreak>",
)

_CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP"}
_PERCENT = {
    "en": "percent",
    "de": "Prozent",
    "nl": "procent",
    "fr": "pour cent",
    "es": "por ciento",
    "pt": "por cento",
    "it": "per cento",
}
_YEARS = ("en", "de")  # languages that read years in hundreds
_DECIMAL_POINT = ("en", "he", "ja", "ko", "th", "zh")  # elsewhere 1.000 is a thousand and 0,5 a half


def normalize(text: str, settings: NormalizerSettings) -> str:
    """Bring a transcript into the form that is trained on and scored.

    Canonical composition and plain forms of letters, straight apostrophes, single spaces; then,
    as the settings say, numbers in words, lower case, no punctuation. A dash or any other mark
    splits words; an apostrophe within a word stays. Normalising twice changes nothing more.

    Args:
        text: Any script.
        settings: What to do.

    Returns:
        The words, separated by single spaces; empty if there are none.

    Raises:
        ConfigError: If numbers are to be spelled out in a language that num2words does not know.
    """
    text = _plain(text)
    if settings.spell_out_numbers is not None:
        text = spell_out_numbers(text, settings.spell_out_numbers)
    if settings.lowercase:
        text = text.lower()
    if settings.strip_punctuation:
        text = _strip_punctuation(text)
    return unicodedata.normalize("NFC", " ".join(text.split()))


def spell_out_numbers(text: str, language: str) -> str:
    """Write numbers as words: 7, 1st, 3.5, 1,000, $5, 20%, 1984.

    Digits after a leading zero, and numbers too long to have a name, are read one by one;
    four digits from 1100 to 1999 are read as years.

    Args:
        text: Any text.
        language: A language of num2words, such as "en" or "pt_BR".

    Raises:
        ConfigError: If num2words does not know the language.
    """
    if language not in CONVERTER_CLASSES:
        known = ", ".join(sorted(CONVERTER_CLASSES))
        raise ConfigError(f"normalizer.spell_out_numbers: no language {language!r}; there are: {known}")
    return _number_pattern(language).sub(lambda match: f" {_in_words(match, language)} ", text)


def _plain(text: str) -> str:
    composed = unicodedata.normalize("NFC", text.translate(_APOSTROPHES))
    return unicodedata.normalize("NFC", "".join(map(_plain_form, composed))).translate(_APOSTROPHES)


@lru_cache(maxsize=4096)
def _plain_form(symbol: str) -> str:
    if not unicodedata.decomposition(symbol).startswith(_PLAIN_FORMS):
        return symbol
    plain = unicodedata.normalize("NFKC", symbol)
    # A free-standing accent decomposes into a space and a mark, which would cling to the next word.
    return symbol if plain[0] == " " and len(plain) > 1 else plain


def _strip_punctuation(text: str) -> str:
    text = re.sub("'{2,}", " ", "".join(map(_without_punctuation, text)))
    words = (word.lstrip(_INNER_MARKS + _JOINERS).rstrip(_INNER_MARKS) for word in text.split())
    return " ".join(filter(None, words))


@lru_cache(maxsize=4096)
def _without_punctuation(symbol: str) -> str:
    """The symbol itself, a space in its place, or nothing."""
    if symbol in _INNER_MARKS or symbol in _JOINERS:
        return symbol
    category = unicodedata.category(symbol)
    # Formatting marks, enclosing marks and variation selectors are drawn around letters, not said.
    if category in ("Cf", "Me") or symbol == _GERSHAYIM or "\ufe00" <= symbol <= "\ufe0f":
        return ""
    return " " if category[0] in "PSZ" or category == "Cc" else symbol


@lru_cache(maxsize=8)
def _number_pattern(language: str) -> re.Pattern[str]:
    point, comma = (r"\.", ",") if language[:2] in _DECIMAL_POINT else (",", r"\.")
    ordinal = r"(?P<ordinal>(?:st|nd|rd|th)\b)?" if language[:2] == "en" else ""
    return re.compile(
        r"(?:(?<!\S)(?P<minus>[-\u2212]))?(?P<currency>[$€£])?"
        rf"(?P<whole>\d{{1,3}}(?:{comma}\d{{3}})+(?!\d)|\d+)(?:{point}(?P<fraction>\d+))?"
        rf"{ordinal}(?P<percent>\s?%)?(?P<currency_after>\s?[$€£])?",
        re.IGNORECASE,
    )


def _in_words(match: re.Match[str], language: str) -> str:
    parts = match.groupdict()
    sign = (parts["currency"] or parts["currency_after"] or "").strip()
    words = _say_amount(parts, sign, language) if sign else _say(parts, language)
    if parts["minus"]:
        words = f"{num2words(-1, lang=language).split()[0]} {words}"
    return f"{words} {_PERCENT.get(language[:2], '%')}" if parts["percent"] else words


def _say(parts: Mapping[str, str | None], language: str, *, may_be_year: bool = True) -> str:
    whole, fraction = parts["whole"] or "", parts["fraction"] or ""
    digits = re.sub(r"\D", "", whole)
    by_digit = (len(digits) > 1 and int(digits[0]) == 0) or len(digits) > 15
    is_year = (
        may_be_year and language[:2] in _YEARS and digits == whole and len(digits) == 4 and 1100 <= int(digits) < 2000
    )
    kind = "ordinal" if parts.get("ordinal") else "year" if is_year and not fraction else "cardinal"
    with suppress(NotImplementedError, OverflowError, TypeError):  # some languages lack ordinals or fractions
        if fraction and not by_digit:
            return str(num2words(f"{digits}.{fraction}", lang=language))
        if not by_digit:
            return str(num2words(int(digits), lang=language, to=kind))
    return " ".join(str(num2words(int(digit), lang=language)) for digit in digits + fraction)


def _say_amount(parts: Mapping[str, str | None], sign: str, language: str) -> str:
    """$5 is five dollars, $1.50 one dollar fifty cents."""
    whole, cents = _say(dict(parts, fraction=None), language, may_be_year=False), parts["fraction"] or ""
    forms = getattr(CONVERTER_CLASSES[language], "CURRENCY_FORMS", {}).get(_CURRENCIES[sign])
    if forms is None or len(cents) not in (0, 2):
        return f"{_say(parts, language, may_be_year=False)} {sign}"
    pluralize = CONVERTER_CLASSES[language].pluralize
    amount = int(re.sub(r"\D", "", parts["whole"] or ""))
    # The first word of the name: people say pounds, not pounds sterling.
    words = f"{whole} {pluralize(amount, forms[0]).split()[0]}"
    if not cents or int(cents) == 0:
        return words
    return f"{words} {num2words(int(cents), lang=language)} {pluralize(int(cents), forms[1])}"
