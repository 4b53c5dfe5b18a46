"""Integers in words: two hundred and six thousand, a hundred and first."""

from typing import NamedTuple

from asr.text.written.vocabulary import (
    BELOW_HUNDRED,
    ORDINAL_SCALES,
    ORDINAL_UNITS,
    ORDINALS_BELOW_HUNDRED,
    SCALES,
    TENS,
    UNITS,
)
from asr.text.written.window import Window


class Number(NamedTuple):
    """An integer in words.

    Attributes:
        value: The number.
        end: The word after it.
        ordinal: Whether it is a place in an order.
        parts: How many numbers were added up: two in a hundred and five.
        scale: Million, billion, ... if that is the only scale in it; else empty.
        in_hundreds: Whether it was said in hundreds: nineteen hundred and five.
    """

    value: int
    end: int
    ordinal: bool = False
    parts: int = 1
    scale: str = ""
    in_hundreds: bool = False


def parse_number(words: Window, start: int) -> Number | None:
    """Parse the longest cardinal or ordinal that begins at a word; None if none does.

    `and` may follow hundreds and scales: one hundred and two, two thousand and ten. A first `a` is a one.
    """
    if words[start] == "zero":
        return Number(0, start + 1)
    total, smallest, parts, end, scale = 0, 0, 0, start, ""
    while True:
        joined = parts > 0 and words[end] == "and"
        group = _parse_group(words, end + joined)
        if group is None:
            break
        factor = SCALES.get(words[group.end], 0) or ORDINAL_SCALES.get(words[group.end], 0)
        if group.ordinal or not factor:
            if parts and group.value >= (100 if joined else min(smallest, 1000)):
                break
            return Number(total + group.value, group.end, group.ordinal, parts + group.parts, "", group.in_hundreds)
        if parts and factor >= smallest:
            break
        parts, total, smallest = parts + group.parts, total + group.value * factor, factor
        scale = words[group.end] if parts == group.parts and factor >= 10**6 else ""
        end = group.end + 1
        if words[end - 1] in ORDINAL_SCALES:
            return Number(total, end, True, parts)
    return Number(total, end, False, parts, scale) if parts else None


def _parse_group(words: Window, start: int) -> Number | None:
    """Parse a number below ten thousand without thousand: nine hundred and one, fifteen hundred."""
    first = _parse_below_hundred(words, start)
    if first is None or first.ordinal:
        return first
    if words[first.end] == "hundredth":
        return Number(first.value * 100, first.end + 1, True)
    if words[first.end] != "hundred" or (first.value % 10 == 0 and first.value > 9):
        return first
    value, end = first.value * 100, first.end + 1
    joined = words[end] == "and"
    rest = None if words[end + joined] == "a" else _parse_below_hundred(words, end + joined)
    second_hand = not joined and words[end] == "second"  # five hundred second hand cars
    if rest is None or second_hand or words[rest.end] in ("hundred", "hundredth"):
        return Number(value, end, in_hundreds=first.value > 9)
    return Number(value + rest.value, rest.end, rest.ordinal, 2, in_hundreds=first.value > 9)


def _parse_below_hundred(words: Window, start: int) -> Number | None:
    word = words[start]
    if word == "a" and words[start + 1] in ("hundred", *SCALES):
        return Number(1, start + 1)
    if word in ORDINALS_BELOW_HUNDRED:
        return Number(ORDINALS_BELOW_HUNDRED[word], start + 1, True)
    if word not in BELOW_HUNDRED:
        return None
    if word in TENS:
        following = words[start + 1]
        if following in UNITS:
            return Number(TENS[word] + UNITS[following], start + 2)
        if following in ORDINAL_UNITS:
            return Number(TENS[word] + ORDINAL_UNITS[following], start + 2, True)
    return Number(BELOW_HUNDRED[word], start + 1)


def to_figures(value: int) -> str:
    """Write an integer with a comma for each thousand."""
    return f"{value:,}"


def to_ordinal_figures(value: int) -> str:
    """Write a place in an order: 1st, 22nd, 113th."""
    suffix = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value:,}{suffix}"
