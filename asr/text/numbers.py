"""Numbers in text, spelled out as words of a language."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial

from num2words import CONVERTER_CLASSES, num2words

from asr.errors import ConfigError
from asr.text.number_forms import (
    FRACTION,
    ORDINAL_SUFFIXES,
    TIME,
    VERSION,
    say_fraction,
    say_ordinal,
    say_time,
    say_version,
    to_plural,
)

_CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB", "₴": "UAH", "¥": "JPY"}
_UNKNOWN_CURRENCIES = {"en": {"¥": "yen"}, "de": {"¥": "Yen"}}  # which num2words cannot name
_MAGNITUDES = {"k": "thousand", "m": "million", "mn": "million", "bn": "billion"}
_PERCENT = {"en": "percent", "de": "Prozent", "nl": "procent", "fr": "pour cent", "es": "por ciento"}
_PERCENT |= {"pt": "por cento", "it": "per cento", "sv": "procent", "da": "procent", "no": "prosent"}
_PERCENT |= {"pl": "procent", "cs": "procent", "fi": "prosenttia", "hu": "százalék", "ru": "процентов"}
_YEARS = ("en", "de")  # languages in which years are said in hundreds
_DECIMAL_POINT = ("bn", "en", "he", "ja", "kn", "ko", "te", "th", "zh")  # elsewhere 1.000 is a thousand and 0,5 a half
# Languages that write 1 000 000, with a plain space as well as with the typographic ones that all languages use.
_SPACED = ("be", "cs", "fi", "fr", "hu", "lt", "lv", "no", "pl", "ru", "sk", "sv", "uk")

# What the point is called where num2words drops zeros or digits after it, or fails; empty: not known.
_POINTS = {"en": "point", "bn": "দশমিক", "ce": "", "cy": "pwynt", "fa": "ممیز", "id": "koma", "it": "virgola"}
_POINTS |= {"tr": "virgül", "vi": "phẩy"}

_Parts = Mapping[str, str | None]
_Say = Callable[[re.Match[str], str], str]


def spell_out_numbers(text: str, language: str) -> str:
    """Write numbers as words: 7, 1st, 3.5, .5, ½, 2 3/4, 1,000, $5, $2 million, 20%, 1984, 1990s, 10:30.

    Numbers with a leading zero and those too long to have a name are spelled digit by digit;
    four digits from 1100 to 1999 are years.

    Raises:
        ConfigError: If num2words does not know the language, such as "en" or "pt_BR".
    """
    if language not in CONVERTER_CLASSES:
        languages = ", ".join(sorted(CONVERTER_CLASSES))
        raise ConfigError(f"normalizer.spell_out_numbers: no language {language!r}; there are: {languages}")
    if any(map(str.isnumeric, text)):
        for pattern, say in _forms(language):
            text = pattern.sub(partial(_with_spaces, say, language), text)
    return text


def _with_spaces(say: _Say, language: str, match: re.Match[str]) -> str:
    return f" {say(match, language)} "


def _forms(language: str) -> list[tuple[re.Pattern[str], _Say]]:
    """Return patterns and how to say what they match, in the order in which they apply."""
    versions: list[tuple[re.Pattern[str], _Say]] = []
    if language[:2] in _DECIMAL_POINT:  # elsewhere points separate thousands, and the parts of a date
        versions.append((VERSION, say_version))
    return [(TIME, say_time), (FRACTION, say_fraction), *versions, (_amount_pattern(language), _say_number)]


@lru_cache(maxsize=8)
def _amount_pattern(language: str) -> re.Pattern[str]:
    code, signs = language[:2], "".join(_CURRENCIES)
    has_point = code in _DECIMAL_POINT
    point, comma = (r"\.", ",") if has_point else (",", r"\.")
    wholes = [
        rf"\d{{1,3}}(?:{comma}\d{{3}})+(?!\d)",
        r"\d{1,3}(?:'\d{3})+(?!\d)",  # in Switzerland
        rf"\d{{1,3}}(?:{point}\d{{3}}){{2,}}(?![.,]?\d)",  # another language's thousands: several points are none
        rf"\d{{1,3}}(?:{point}\d{{3}})+(?={comma}\d{{1,2}}(?!\d))",
    ]
    wholes += [r"\d{1,2}(?:,\d{2})+,\d{3}(?!\d)"] if has_point else []  # in India
    wholes += [r"[1-9]\d{0,2}(?: \d{3})+(?!\d)"] if code in _SPACED else []
    foreign = rf"|(?<={point}\d{{3}}){comma}(?P<foreign>\d{{1,2}})(?!\d)"
    bare = rf"(?<![\w.,])[{'.' if has_point else '.,'}](?P<bare>\d+)"
    suffixes = rf"(?P<ordinal>{ORDINAL_SUFFIXES[code]})?" if code in ORDINAL_SUFFIXES else ""
    suffixes += r"(?P<plural>(?<=\d\d)s\b|(?<=0)'s\b)?" if code == "en" else ""
    magnitude = r"(?:(?P<magnitude>\s(?:thousand|[mbt]rillion|[mb]illion)|k|mn?|bn)\b)?" if code == "en" else ""
    return re.compile(
        rf"(?:(?<!\S)(?P<minus>[-\u2212]))?(?P<currency>[{signs}])?"
        rf"(?:(?P<whole>{'|'.join(wholes)}|\d+)(?:{point}(?P<fraction>\d+){foreign})?|{bare})"
        rf"{suffixes}(?P<percent>\s?%)?(?(currency){magnitude}|(?P<currency_after>\s?[{signs}](?!\d))?)",
        re.IGNORECASE,
    )


def _say_number(match: re.Match[str], language: str) -> str:
    parts = match.groupdict()
    if parts["bare"]:
        parts |= {"whole": "0", "fraction": parts["bare"]}
    elif parts["foreign"]:
        parts["fraction"] = parts["foreign"]
    sign = (parts["currency"] or parts["currency_after"] or "").strip()
    words = _say_amount(parts, sign, language) if sign else _say(parts, language)
    if parts["minus"]:
        words = f"{num2words(-1, lang=language).split()[0]} {words}"
    return f"{words} {_PERCENT.get(language[:2], '%')}" if parts["percent"] else words


def _say(parts: _Parts, language: str, *, may_be_year: bool = True) -> str:
    whole, fraction = parts["whole"] or "", parts["fraction"] or ""
    digits, plural = re.sub(r"\D", "", whole), parts.get("plural") and not fraction
    by_digit = (len(digits) > 1 and int(digits[0]) == 0) or len(digits) > 15
    is_year = may_be_year and language[:2] in _YEARS and digits == whole and len(digits) == 4 and not fraction
    is_year = is_year and 1100 <= int(digits) < (2100 if plural else 2000)
    # Some languages lack ordinals or fractions.
    with suppress(NotImplementedError, OverflowError, TypeError, AttributeError, KeyError):
        if by_digit:
            pass
        elif fraction and language[:2] in _POINTS:
            whole_words = str(num2words(int(digits), lang=language))
            return " ".join(filter(None, [whole_words, _POINTS[language[:2]], *_say_digits(fraction, language)]))
        elif fraction:
            return str(num2words(f"{int(digits)}.{_ascii(fraction)}", lang=language))
        elif suffix := parts.get("ordinal"):
            return say_ordinal(int(digits), suffix, language)
        else:
            words = str(num2words(int(digits), lang=language, to="year" if is_year else "cardinal"))
            return to_plural(words) if plural else words
    words = " ".join(_say_digits(digits + fraction, language))
    return to_plural(words) if plural else words


def _say_digits(digits: str, language: str) -> list[str]:
    return [str(num2words(int(digit), lang=language)) for digit in digits]


def _ascii(digits: str) -> str:
    return "".join(str(int(digit)) for digit in digits)


def _say_amount(parts: _Parts, sign: str, language: str) -> str:
    """$5 is five dollars, $1.50 one dollar fifty cents, $1.5 million one point five million dollars."""
    whole, cents = _say({**parts, "fraction": None}, language, may_be_year=False), parts["fraction"] or ""
    magnitude = (parts.get("magnitude") or "").strip().lower()
    forms = getattr(CONVERTER_CLASSES[language], "CURRENCY_FORMS", {}).get(_CURRENCIES[sign])
    if magnitude or forms is None or len(cents) not in (0, 2):
        name = (
            _UNKNOWN_CURRENCIES.get(language[:2], {}).get(sign, sign) if forms is None else _name(forms[0], 2, language)
        )
        number = _say(parts, language, may_be_year=False)
        return " ".join(filter(None, (number, _MAGNITUDES.get(magnitude, magnitude), name)))
    amount = int(re.sub(r"\D", "", parts["whole"] or ""))
    words = f"{whole} {_name(forms[0], amount, language)}"
    if not cents or int(cents) == 0:
        return words
    cents_words = f"{num2words(int(cents), lang=language)} {_inflect(forms[1], int(cents), language)}"
    return f"{words} {cents_words}" if amount else cents_words


def _name(forms: tuple[str, ...], amount: int, language: str) -> str:
    """Return the first word of a currency's name: people say pounds, not pounds sterling."""
    return _inflect(forms, amount, language).split()[0]


def _inflect(forms: tuple[str, ...], amount: int, language: str) -> str:
    with suppress(NotImplementedError):  # some languages have one form for all numbers
        return str(CONVERTER_CLASSES[language].pluralize(amount, forms))
    return forms[0]
