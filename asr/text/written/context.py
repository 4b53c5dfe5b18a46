"""Numbers that stay words: idioms, approximations, fractions, lists, and times that are told by the hour."""

from asr.text.written.cardinals import parse_number
from asr.text.written.times import is_hour_in_words
from asr.text.written.vocabulary import (
    BARE_SCALES,
    FRACTIONS,
    NUMBER_WORDS,
    TENS,
    UNITS,
)
from asr.text.written.window import Window

_IDIOMS = (
    ("ten", "to", "one"),
    ("nineteen", "to", "the", "dozen"),
    ("forty", "winks"),
    ("thousand", "and", "one"),
    ("fifteen", "minutes", "of", "fame"),
    ("ten", "commandments"),
    ("twelve", "apostles"),
)
_PROPORTIONS = {("in", "ten"), ("of", "ten"), ("of", "twelve")}  # one in ten, nine out of ten
_JOINS = {"or", "to", "and"}
_AFTER_FRACTION = {"part", "parts", "share"}
_SUFFIXES = {"something", "fold", "score", "dozen", "dozens", "thousands", "millions", "billions"}
# Kings and popes, whose numbers are Roman: louis the fourteenth.
_REGAL = {"louis", "henry", "charles", "edward", "george", "james", "philip", "john", "pius", "leo", "gregory"}
_REGAL |= {"benedict", "clement", "innocent"}
_REGAL |= {"gustavus", "christian", "frederick", "ludwig", "alexander", "alfonso", "ferdinand", "francis", "paul"}
_REGAL |= {"boniface", "urban"}
# Before "second" and another noun it is a duration: a twenty second delay.
_DURATIONS = {"delay", "delays", "interval", "intervals", "rule", "clip", "ad", "video", "break", "timer", "spot"}
_DURATIONS |= {"window", "countdown", "commercial"}


def find_kept(words: Window, start: int) -> int:
    """Return the end of the number that stays words here; the start if there is none."""
    word = words[start]
    if word in BARE_SCALES:  # several hundred and twenty
        return find_run_end(words, start)
    for idiom in _IDIOMS:
        if words.has(start, idiom):
            return start + len(idiom)
    if (words[start - 1], word) in _PROPORTIONS and words[start - 2] in (*UNITS, "out"):
        return start + 1
    if is_hour_in_words(words, start) or "dot" in (words[start - 1], words[_end_of_number(words, start)]):
        return _end_of_number(words, start)
    if _is_height(words, start) or _is_half_of_span(words, start):
        return _end_of_number(words, start)
    if words[start - 1] in ("dollar", "euro", "pound") and words[start - 2] == "a":
        return _end_of_number(words, start)  # a dollar fifty
    return _find_old(words, start) or _find_approximation(words, start) or _find_fraction(words, start) or start


def find_run_end(words: Window, start: int) -> int:
    """Return the end of number words one after another, `and` among them: two fifty, thousand and twenty."""
    end = start
    while words[end] in NUMBER_WORDS or (
        end > start and words[end] == "and" and words[end - 1] in BARE_SCALES and words[end + 1] in NUMBER_WORDS
    ):
        end += 1
    return end


def _end_of_number(words: Window, start: int) -> int:
    number = parse_number(words, start)
    return number.end if number else start + 1


def _is_height(words: Window, start: int) -> bool:
    """Return whether inches follow feet that stay words: five foot ten."""
    return words[start] in ("ten", "eleven") and words[start - 1] in ("foot", "feet") and words[start - 2] in UNITS


def _is_half_of_span(words: Window, start: int) -> bool:
    """Return whether the `and` in a number is the one after between: between one hundred and fifty."""
    number = parse_number(words, start) if words[start - 1] == "between" else None
    return number is not None and number.parts > 1 and words[number.end] != "and"


def _find_old(words: Window, start: int) -> int:
    """Find five and twenty, as people once said; zero if it is not here."""
    number = parse_number(words, start)
    if number is None or number.ordinal or not 0 < number.value % 100 < 10 or words[start - 1] == "between":
        return 0
    if words[number.end] == "and" and words[number.end + 1] in TENS:
        return find_run_end(words, number.end + 1)
    return 0


def _find_approximation(words: Window, start: int) -> int:
    """Find two or three hundred: hundreds belong to both numbers; zero if it is not here."""
    first = parse_number(words, start)
    if first is None or first.ordinal or words[start] == "a":
        return 0
    end = first.end
    if words[end] not in _JOINS or _is_scaled(words, start):
        return 0
    second = parse_number(words, end + 1)
    if second is None or second.ordinal or words[end + 1] == "a" or not _is_scaled(words, end + 1):
        return 0
    return find_run_end(words, end + 1)


def _is_scaled(words: Window, start: int) -> bool:
    """Return whether a number is said in hundreds, thousands, ..."""
    end = find_run_end(words, start)
    return any(words[index] in BARE_SCALES for index in range(start, end))


def _find_fraction(words: Window, start: int) -> int:
    """Find a fraction, a proportion, or a number of dozens: three tenths, a twentieth, twenty something."""
    number = parse_number(words, start)
    if number is None:
        return 0
    following = words[number.end]
    if not number.ordinal:
        return number.end + 1 if following in FRACTIONS or following in _SUFFIXES else 0
    before = words[start - 1]
    alone = number.parts == 1 and words[start] in ("a", "one")
    is_part = (before in ("a", "an", "one") or alone) and before != "the"
    if (is_part or following in _AFTER_FRACTION) and number.value % 100 in (0, *range(4, 21)):
        return number.end
    if before == "the" and words[start - 2] in _REGAL:
        return number.end
    if following == "hour" and words[start] == "eleventh":
        return number.end
    if words[number.end - 1] == "second" and (before in ("a", "an") or following in _DURATIONS):
        return number.end
    is_share = following == "of" and words[number.end + 1] in ("a", "an", "one")  # the tenth of a second
    return number.end if is_share else 0


def is_in_list(words: Window, start: int, end: int) -> bool:
    """Return whether other number words stand right before or after a number."""
    return words[start - 1] in NUMBER_WORDS or words[end] in NUMBER_WORDS
