"""Numbers in text, spelled out as words of a language."""

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache

from num2words import CONVERTER_CLASSES, num2words

from asr.errors import ConfigError

_CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP"}
_PERCENT = {"en": "percent", "de": "Prozent", "nl": "procent", "fr": "pour cent", "es": "por ciento"}
_PERCENT |= {"pt": "por cento", "it": "per cento"}
_YEARS = ("en", "de")  # languages in which years are said in hundreds
_DECIMAL_POINT = ("en", "he", "ja", "ko", "th", "zh")  # elsewhere 1.000 is a thousand and 0,5 a half


def spell_out_numbers(text: str, language: str) -> str:
    """Write numbers as words: 7, 1st, 3.5, 1,000, $5, 20%, 1984.

    Numbers with a leading zero and those too long to have a name are spelled digit by digit;
    four digits from 1100 to 1999 are years.

    Raises:
        ConfigError: If num2words does not know the language, such as "en" or "pt_BR".
    """
    if language not in CONVERTER_CLASSES:
        languages = ", ".join(sorted(CONVERTER_CLASSES))
        raise ConfigError(f"normalizer.spell_out_numbers: no language {language!r}; there are: {languages}")
    return _number_pattern(language).sub(lambda match: f" {_in_words(match, language)} ", text)


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
