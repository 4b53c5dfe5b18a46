"""Decimals, fractions, money, percent and units: 3.14, 25½, $5.50, 10%, 60 mph."""

from typing import NamedTuple

from asr.text.written.cardinals import Number, parse_number, to_figures
from asr.text.written.vocabulary import (
    CURRENCIES,
    DIGITS,
    LONG_MEASURES,
    MEASURES,
    NUMBER_WORDS,
    SCALES,
    SMALL_CURRENCIES,
    is_counted,
)
from asr.text.written.window import Window, Written

_FRACTIONS = {("a", "half"): ("½", ".5"), ("a", "quarter"): ("¼", ".25"), ("three", "quarters"): ("¾", ".75")}
_MAX_DECIMALS = 12
# After "one point one" these show that the second one is no digit: one point one should remember.
_VERBS = {"must", "should", "shall", "can", "cannot", "could", "may", "might", "would", "will", "has", "needs", "ought"}
_POSSESSIVES = {"my", "your", "his", "her", "our", "their"}


class Amount(NamedTuple):
    """A number with what it is multiplied by: 2.5 million.

    Attributes:
        text: The number in figures.
        scale: Million, billion, ... or empty.
        end: The word after the amount.
        fraction: The decimals, or the sign of a fraction.
        number: The integer that it begins with.
    """

    text: str
    scale: str
    end: int
    fraction: str
    number: Number


def parse_amount(words: Window, start: int) -> Amount | None:
    """Parse a cardinal with its decimals or its half; None if none begins here."""
    number = parse_number(words, start)
    if number is None or number.ordinal:
        return None
    if words[number.end] == "point" and (decimals := _parse_decimals(words, start, number)):
        digits, end = decimals
        scale = words[end] if words[end] in SCALES else ""
        return Amount(f"{to_figures(number.value)}.{digits}", scale, end + bool(scale), digits, number)
    if number.scale:
        factor = SCALES[number.scale]
        return Amount(to_figures(number.value // factor), number.scale, number.end, "", number)
    if fraction := _parse_fraction(words, number.end):
        sign, digits = fraction
        end = number.end + 3
        if words[end] in SCALES and words[end] != "thousand":
            return Amount(f"{to_figures(number.value)}{digits}", words[end], end + 1, digits, number)
        text = to_figures(number.value) + (digits if _is_percent(words, end) else sign)
        return Amount(text, "", end, sign, number)
    return Amount(to_figures(number.value), "", number.end, "", number)


def _parse_decimals(words: Window, start: int, number: Number) -> tuple[str, int] | None:
    """Parse the digits after a point, and where they end."""
    end, digits = number.end + 1, ""
    while words[end] in DIGITS and len(digits) < _MAX_DECIMALS:
        digits += DIGITS[words[end]]
        end += 1
    if number.value == 1 and (words[start - 1] == "at" or (digits == "1" and words[end] in _VERBS)):
        return None  # at one point; one point one should remember
    more = words[end] in NUMBER_WORDS and words[end] not in SCALES
    return None if not digits or more or words[end] in ("hundred", "point") else (digits, end)


def _parse_fraction(words: Window, start: int) -> tuple[str, str] | None:
    if words[start] != "and" or (words[start + 1], words[start + 2]) not in _FRACTIONS:
        return None
    return _FRACTIONS[words[start + 1], words[start + 2]]


def _is_percent(words: Window, index: int) -> bool:
    return words[index] == "percent" or (words[index] == "per" and words[index + 1] == "cent")


def is_measured(words: Window, index: int) -> bool:
    """Return whether money, percent or a unit stands at a word."""
    return _is_percent(words, index) or words[index] in CURRENCIES or words[index] in SMALL_CURRENCIES


def write_amount(words: Window, start: int) -> list[Written] | None:
    """Write a number in figures if it has decimals, or a sign or a unit after it."""
    amount = parse_amount(words, start)
    if amount is None:
        return None
    if (words[start] == "a" and amount.number.parts == 1) and (amount.scale or not is_measured(words, amount.end)):
        return None  # a hundred miles, a million dollars
    if _is_percent(words, amount.end):
        if amount.scale:
            return None
        return [Written(f"{amount.text}%", start, amount.end + 1 + (words[amount.end] == "per"))]
    return (
        _write_money(words, start, amount)
        or _write_pounds(words, start, amount)
        or _write_measure(words, start, amount)
        or (_write_number(words, start, amount) if amount.fraction and _is_plain(amount) else None)
    )


def _is_plain(amount: Amount) -> bool:
    """Return whether an amount reads better in figures without a unit: 2.5, 25½, but two and a half."""
    return amount.fraction.isascii() or amount.number.value >= 10


def _write_number(words: Window, start: int, amount: Amount) -> list[Written]:
    end = amount.end - bool(amount.scale)
    return [Written(amount.text, start, end), *words.keep(end, amount.end)]


def _write_money(words: Window, start: int, amount: Amount) -> list[Written] | None:
    sign = CURRENCIES.get(words[amount.end], "")
    if not sign or not (amount.fraction.isascii()):
        return None
    end = amount.end + 1
    if amount.scale:
        return [Written(f"{sign}{amount.text} {amount.scale}", start, end)]
    if not amount.fraction and (cents := _parse_cents(words, end, ("cent", "cents"), 10)):
        return [Written(f"{sign}{amount.text}.{cents[0]}", start, cents[1])]
    return [Written(f"{sign}{amount.text}", start, end)]


def _write_pounds(words: Window, start: int, amount: Amount) -> list[Written] | None:
    """Write pounds as money where pence or sterling follow: five pounds fifty, but five pounds of sugar.

    Below twenty a bare number after pounds may be one of shillings.
    """
    if words[amount.end] not in ("pound", "pounds"):
        return None
    end = amount.end + 1
    if words[end] == "sterling":
        scale = f" {amount.scale}" if amount.scale else ""
        return [Written(f"£{amount.text}{scale}", start, end + 1)]
    if amount.scale or amount.fraction:
        return None
    cents = _parse_cents(words, end, ("pence", "p"), 10)
    if cents and int(cents[0]) < 20 and cents[1] == end + 1:
        return words.keep(start, cents[1])
    return [Written(f"£{amount.text}.{cents[0]}", start, cents[1])] if cents else None


def _parse_cents(words: Window, start: int, names: tuple[str, ...], least: int) -> tuple[str, int] | None:
    """Parse "and fifty cents", "fifty cents" or "fifty"; two digits and where they end."""
    joined = words[start] == "and"
    number = parse_number(words, start + joined)
    if number is None or number.ordinal or not 0 < number.value < 100:
        return None
    if words[number.end] in names:
        return f"{number.value:02}", number.end + 1
    following = words[number.end]
    if joined or number.value < least or following in NUMBER_WORDS or following in ("and", "or", "to", "point"):
        return None
    return None if is_counted(following) or is_measured(words, number.end) else (f"{number.value:02}", number.end)


def _write_measure(words: Window, start: int, amount: Amount) -> list[Written] | None:
    """Write a number before a unit; cents and pence are units, too."""
    end = amount.end
    name = words[end]
    for measure, text in LONG_MEASURES.items():
        if words.has(end, measure):
            after = end + len(measure)
            if text[0] == "°" and not amount.scale:
                return [Written(f"{amount.text} {text}", start, after)]
            kept = text == " ".join(measure)
            unit = words.keep(end, after) if kept else [Written(text, end, after)]
            return [*_write_number(words, start, amount), *unit]
    is_unit = name in MEASURES or (name in SMALL_CURRENCIES and words[start - 1] not in _POSSESSIVES)  # my two cents
    return [*_write_number(words, start, amount), *words.keep(end, end + 1)] if is_unit else None
