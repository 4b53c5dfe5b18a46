"""Years, decades and days of a month: 1984, 1980s, May 3, 2020, the 3rd of May."""

from typing import NamedTuple

from asr.text.written.cardinals import Number, parse_number, to_ordinal_figures
from asr.text.written.vocabulary import (
    BARE_SCALES,
    COMPOUNDS,
    DECADES,
    MONTHS,
    NUMBER_WORDS,
    ORDINALS_BELOW_HUNDRED,
    TEENS,
    TENS,
    UNITS,
    VERB_MONTHS,
    is_counted,
)
from asr.text.written.window import Window, Written

# Before a year. After the first ones a number may not be a time.
_SURE = {"in", "since", "year", "circa", "spring", "summer", "autumn", "winter", "early", "late", "mid", *MONTHS}
_LIKELY = {*_SURE, "by", "until", "till", "from", "before", "after", "during", "of", "fall", "anno", "through"}
_DATE_BEFORE = {"on", "of", "by", "since", "until", "till", "from", "last", "next", "before", "after", "early", "late"}
_DATE_BEFORE |= {"to", "through", "dated", "in", "this", "and"}
_DAY_BEFORE = {"on", "since", "until", "till", "by", "from", "before", "after", "dated", "through"}
_PRICE_BEFORE = {"cost", "costs", "for", "paid", "pay", "charge"}
_WEEKDAYS = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
_CENTURIES = {**TEENS, "twenty": 20}
_ERAS = {"b": "BC", "a": "AD"}


class Year(NamedTuple):
    value: int
    end: int


def write_year(words: Window, start: int) -> list[Written] | None:
    """Write a year or a decade: nineteen eighty four, nineteen hundred and five, the nineteen eighties."""
    if decade := _parse_decade(words, start):
        return [Written(f"{decade.value}s", start, decade.end)]
    if era := _write_era(words, start):
        return era
    year = parse_year(words, start, certain=False)
    return [Written(str(year.value), start, year.end)] if year else None


def parse_year(words: Window, start: int, *, certain: bool) -> Year | None:
    """Parse a year where one is likely, or where it is certain that one must stand if any: after a day and a month."""
    if words[start - 1] in NUMBER_WORDS and not certain:
        return None
    return _parse_pair(words, start, certain) or _parse_thousand(words, start, certain)


def _parse_decade(words: Window, start: int) -> Year | None:
    century, decade = _CENTURIES.get(words[start]), DECADES.get(words[start + 1])
    if century is None or century < 13 or decade is None or words[start - 1] in NUMBER_WORDS:
        return None
    return Year(century * 100 + decade, start + 2)


def _write_era(words: Window, start: int) -> list[Written] | None:
    """Write a year before or after Christ: five hundred b c."""
    number = parse_number(words, start)
    pair = _parse_pair(words, start, certain=True) or _parse_three_digits(words, start)
    value, end = pair or ((number.value, number.end) if number and not number.ordinal else (0, start))
    letters = (words[end], words[end + 1])
    if value and letters in (("b", "c"), ("a", "d")) and words[start - 1] not in NUMBER_WORDS:
        text = str(value) if value < 10_000 else f"{value:,}"
        return [Written(text, start, end), Written(_ERAS[letters[0]], end, end + 2)]
    return None


def _parse_three_digits(words: Window, start: int) -> tuple[int, int] | None:
    """Parse a year such as seven fifty, and where it ends."""
    low = _parse_low(words, start + 1) if words[start] in UNITS else None
    return (UNITS[words[start]] * 100 + low[0], low[1]) if low else None


def _parse_pair(words: Window, start: int, certain: bool) -> Year | None:
    """Parse a year of two numbers: nineteen eighty four, nineteen oh five."""
    century = _CENTURIES.get(words[start])
    if century is None:
        return None
    low = _parse_low(words, start + 1)
    if low is None:
        return None
    value, end = low
    likely, sure = words[start - 1] in _LIKELY, words[start - 1] in _SURE
    is_list = words[end] in NUMBER_WORDS and not (words[start + 1] in TENS and (certain or sure))
    if is_list or words[end] in (*BARE_SCALES, "point"):
        return None
    if words[start + 1] in ("oh", "o") and century < 13 and not (certain or sure):
        return None
    if certain or (sure and (century > 12 or not is_counted(words[end]))):
        return Year(century * 100 + value, end)
    if century < 13 or is_counted(words[end]) or words[start - 1] in _PRICE_BEFORE:
        return None
    # sixteen seventeen and fifteen twenty may be a list
    steps = value in (century + 1, century + 2) or (value % 10 == 0 and value == century // 10 * 10 + 10)
    if (steps or (century == 20 and value > 39)) and not likely:
        return None
    return Year(century * 100 + value, end)


def _parse_low(words: Window, start: int) -> tuple[int, int] | None:
    """Parse the last two digits of a year and where they end."""
    word = words[start]
    if word in ("oh", "o"):
        return (UNITS[words[start + 1]], start + 2) if words[start + 1] in UNITS else None
    if word in TEENS or word in COMPOUNDS:
        return {**TEENS, **COMPOUNDS}[word], start + 1
    if word in TENS:
        unit = UNITS.get(words[start + 1], 0)
        return TENS[word] + unit, start + 1 + (unit > 0)
    return None


def _parse_thousand(words: Window, start: int, certain: bool) -> Year | None:
    """Parse a year that is said as other numbers are: two thousand and ten, nineteen hundred, one thousand and one."""
    number = parse_number(words, start)
    if number is None or number.ordinal or words[start] == "a" or not _may_be_year(words, number):
        return None
    likely, sure = certain or words[start - 1] in _LIKELY, certain or words[start - 1] in _SURE
    value = number.value
    if 1300 <= value < 2000 and number.in_hundreds:
        is_year = sure or (number.parts > 1 and (likely or value >= 1500))
    elif 2000 <= value < 2100:
        is_year = sure or (value > 2000 and (likely or words[start - 1] not in ("about", "around", "over", "nearly")))
    else:
        is_year = sure and 1000 <= value < 2000 and number.parts > 1
    return Year(value, number.end) if is_year else None


def _may_be_year(words: Window, number: Number) -> bool:
    following = words[number.end]
    if following in NUMBER_WORDS or following in ("point", "and") or is_counted(following):
        return following == "and" and words[number.end + 1] not in (*NUMBER_WORDS, "a")
    return True


def write_month(words: Window, start: int) -> list[Written] | None:
    """Write a month and its day or year: may third twenty twenty, june thirty, july nineteen seventy six."""
    month = words[start].capitalize()
    day = _parse_day(words, start)
    if day:
        year = _parse_year_after(words, day.end)
        comma = "," if year else ""
        pieces = [Written(month, start, start + 1), Written(f"{day.value}{comma}", start + 1, day.end)]
        return [*pieces, *_write_year_after(year, day.end)]
    year = parse_year(words, start + 1, certain=words[start] not in VERB_MONTHS or words[start - 1] in _DATE_BEFORE)
    if year and not is_counted(words[year.end]):
        return [Written(month, start, start + 1), *_write_year_after(year, start + 1)]
    return None


def _parse_day(words: Window, start: int) -> Number | None:
    """Parse the day after a month. May and march are verbs, too, and cardinals often count something else."""
    month, before = words[start], words[start - 1]
    the = words[start + 1] == "the"
    day = parse_number(words, start + 1 + the)
    if day is None or not 0 < day.value <= MONTHS[month]:
        return None
    if words[day.end] in NUMBER_WORDS and not _is_year(words, day):
        return None
    if words[start + 1] == "a" or is_counted(words[day.end]):
        return None
    dated = before in _DATE_BEFORE or before in _WEEKDAYS or (words[day.end] == "to" and words[day.end + 1] in MONTHS)
    has_year = _is_year(words, day)
    if not day.ordinal:
        return day if not the and (has_year or (before in _DAY_BEFORE and month not in VERB_MONTHS)) else None
    return day if month not in VERB_MONTHS or dated or has_year else None


def _is_year(words: Window, day: Number) -> bool:
    return _parse_year_after(words, day.end) is not None


def _parse_year_after(words: Window, start: int) -> Year | None:
    year = parse_year(words, start, certain=True)
    return None if year is None or is_counted(words[year.end]) else year


def _write_year_after(year: Year | None, start: int) -> list[Written]:
    return [Written(str(year.value), start, year.end)] if year else []


def write_day(words: Window, start: int) -> list[Written] | None:
    """Write a day before its month: third of may, twenty first of may nineteen eighty."""
    if words[start] not in ORDINALS_BELOW_HUNDRED and words[start] not in TENS:
        return None
    day = parse_number(words, start)
    if day is None or not day.ordinal or words[day.end] != "of":
        return None
    month = words[day.end + 1]
    if day.value > MONTHS.get(month, 0) or words[start - 1] in NUMBER_WORDS:
        return None
    if words[start - 1] in ("and", "or") and words[start - 2] in ORDINALS_BELOW_HUNDRED:
        return None  # the first and second of june
    after = day.end + 2
    pieces = [Written(to_ordinal_figures(day.value), start, day.end), *words.keep(day.end, day.end + 1)]
    return [
        *pieces,
        Written(month.capitalize(), after - 1, after),
        *_write_year_after(_parse_year_after(words, after), after),
    ]
