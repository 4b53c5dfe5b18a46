"""Times of day: 3:30 p.m., at 3:30, 5 o'clock."""

from typing import NamedTuple

from asr.text.written.amounts import is_measured
from asr.text.written.cardinals import parse_number
from asr.text.written.vocabulary import NUMBER_WORDS, TENS, UNITS, is_counted
from asr.text.written.window import Window, Written

_BEFORE = {"at", "until", "till", "by", "before", "after", "since", "from", "it's"}
_CLOCK_VERBS = {(one, verb) for one in ("it", "time", "now") for verb in ("is", "was")} | {
    ("it's", "now"),
    ("is", "now"),
}
_CLOCK_VERBS |= {(one, "says") for one in ("watch", "clock")}
_BEFORE_FIRST = {"at", "from", "between"}  # before a full hour that another time follows
_STREETS = {"street", "avenue", "road", "drive", "lane", "boulevard", "court"}
_ABOUT = {"about", "around", "exactly", "precisely", "almost", "nearly", "say"}
_BETWEEN = {"to", "until", "till", "and", "or", "through"}
_AFTER = {
    "train",
    "bus",
    "flight",
    "show",
    "showing",
    "screening",
    "ferry",
    "plane",
    "meeting",
    "appointment",
    "deadline",
    "alarm",
}
_DAYTIMES = {("in", "the", "morning"), ("in", "the", "afternoon"), ("in", "the", "evening"), ("at", "night")}
_DAYTIMES |= {(one, day) for one in ("this", "tomorrow", "yesterday") for day in ("morning", "afternoon", "evening")}
_DAYTIMES |= {("tonight",), ("today",), ("tomorrow",), ("yesterday",), ("sharp",)}
_PRICED = {"a", "an", "per", "each", "apiece"}  # at two fifty a share


class Time(NamedTuple):
    text: str
    end: int
    has_minutes: bool


def write_time(words: Window, start: int) -> list[Written] | None:
    """Write a time of day where words around it say that it is one."""
    if words[start - 1] in NUMBER_WORDS:
        return None
    time = _parse_time(words, start)
    if time is None:
        return None
    if clock := _write_clock(words, start, time):
        return clock
    half = _write_half_of_day(words, start, time)
    if half:
        return half
    return _write_times(words, start, time)


def _write_times(words: Window, start: int, time: Time) -> list[Written] | None:
    """Write a time with minutes, and a second one after it: at nine thirty or ten fifteen, from two to three thirty."""
    is_time = _is_time(words, start, time) if time.has_minutes else words[start - 1] in _BEFORE_FIRST
    pieces, after = [Written(time.text, start, time.end)], time.end + 1
    second = _parse_time(words, after) if words[time.end] in _BETWEEN else None
    if second and second.has_minutes and not _is_amount(words, second.end):
        half = _write_half_of_day(words, after, second)
        if is_time or (time.has_minutes and (half or _is_time(words, after, second))):
            second_pieces = half or [Written(second.text, after, second.end)]
            return [*pieces, *words.keep(time.end, after), *second_pieces]
    return pieces if is_time and time.has_minutes else None


def _parse_time(words: Window, start: int) -> Time | None:
    """Parse an hour up to twelve, and minutes if there are any: three, three thirty, three oh five."""
    hour = parse_number(words, start)
    hours = UNITS | {"ten": 10, "eleven": 11, "twelve": 12}
    if words[start] not in hours or hour is None:
        return None
    name, end = words[start], start + 1
    if words[end] in ("oh", "o") and words[end + 1] in UNITS:
        return Time(f"{hours[name]}:0{UNITS[words[end + 1]]}", end + 2, True)
    minutes = parse_number(words, end) if words[end] in NUMBER_WORDS else None
    if minutes and not minutes.ordinal and minutes.parts == 1 and 10 <= minutes.value < 60:
        return Time(f"{hours[name]}:{minutes.value}", minutes.end, True)
    return Time(str(hours[name]), end, False)


def _write_clock(words: Window, start: int, time: Time) -> list[Written] | None:
    """Write a full hour: five o'clock."""
    end, size = time.end, 1 + (words[time.end] == "o" and words[time.end + 1] == "clock")
    if time.has_minutes or not (words[end] in ("o'clock", "oclock") or size == 2):
        return None
    pieces = [Written(time.text, start, end), Written("o'clock", end, end + size)]
    half = _parse_half_of_day(words, end + size, sure=True)
    return [*pieces, Written(half[0], end + size, half[1])] if half else pieces


def _write_half_of_day(words: Window, start: int, time: Time) -> list[Written] | None:
    sure = time.has_minutes or words[start - 1] in _BEFORE
    half = _parse_half_of_day(words, time.end, sure=sure)
    if half is None:
        return None
    hour = words.keep(start, time.end) if is_hour_in_words(words, start) else [Written(time.text, start, time.end)]
    return [*hour, Written(half[0], time.end, half[1])]


def _parse_half_of_day(words: Window, start: int, *, sure: bool) -> tuple[str, int] | None:
    """Parse a m and p m, in one word or two. After a number that is not surely a time, `am` may be a verb."""
    word = words[start]
    if word in ("a", "p") and words[start + 1] == "m":
        return f"{word}.m.", start + 2
    if word == "pm" or (word == "am" and sure and words[start + 1] not in ("i", "not")):
        return f"{word[0]}.m.", start + 1
    return None


def _is_time(words: Window, start: int, time: Time) -> bool:
    if not _STREETS.isdisjoint(words[time.end + offset] for offset in range(3)):
        return False  # at twelve thirty four main street
    if words[time.end] in _AFTER or _find_daytime(words, time.end):
        return True
    last = start - 1 - (words[start - 1] in _ABOUT)
    is_clock = (words[last - 1], words[last]) in _CLOCK_VERBS
    return (words[last] in _BEFORE or is_clock) and not _is_amount(words, time.end)


def _is_amount(words: Window, index: int) -> bool:
    """Return whether a word shows that the number before it is no time: at two fifty a share."""
    word = words[index]
    return word in NUMBER_WORDS or word in _PRICED or word == "point" or is_counted(word) or is_measured(words, index)


def _find_daytime(words: Window, index: int) -> bool:
    return any(words.has(index, parts) for parts in _DAYTIMES)


def is_hour_in_words(words: Window, start: int) -> bool:
    """Return whether a number belongs to a time in words, which stays words: ten past four, quarter to twelve."""
    before, earlier = words[start - 1], words[start - 2]
    if before in ("past", "to", "of") and earlier in ("half", "quarter", "minutes", "minute"):
        return True
    if before == "past" and earlier in ("five", "ten", "twenty"):
        return True
    if (
        before == "to"
        and earlier in ("five", "ten", "twenty")
        and words[start - 3] in ("at", "is", "it's", "was", "twenty")
    ):
        return True
    number = parse_number(words, start)
    if number is None or number.value not in (5, 10, 20, 25) or words[start - 1] in ("from", "between"):
        return False
    end = number.end + (words[number.end] == "minutes")
    hour = _parse_time(words, end + 1) if words[end] in ("past", "to") else None
    if hour is None or hour.has_minutes or words[hour.end] in (*NUMBER_WORDS, *TENS):
        return False
    return words[end] == "past" or end > number.end or words[start - 1] in ("at", "is", "it's", "was")
