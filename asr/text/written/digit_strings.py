"""Digits that are said one by one, and versions: 555-1234, 007, 3.11.2."""

from itertools import pairwise

from asr.text.written.cardinals import parse_number
from asr.text.written.vocabulary import BELOW_HUNDRED, DIGITS, NUMBER_WORDS, REPEATS, TEENS, TENS
from asr.text.written.window import Window, Written

_MOST_DIGITS = 20
_VERSIONED = {"version", "python", "release", "firmware", "android", "ios", "windows"}


def write_digits(words: Window, start: int) -> list[Written] | None:
    """Write digits that are said one by one; at least three. Counting up or down is left as it is."""
    if words[start - 1] in NUMBER_WORDS or words[start - 1] in REPEATS or words[start - 1] in ("dot", "oh", "o"):
        return None
    digits, end, singles = _parse_digits(words, start)
    if digits is None or words[end] in NUMBER_WORDS or words[end] in ("point", "dot", *REPEATS):
        return None
    if words[start] in ("oh", "o") and len(digits) < 6:
        return None  # oh two or three
    if len(digits) < 3 or _is_counting(digits) or set(digits) == {"0"}:
        return None
    if singles < len(digits) and (singles < 3 or len(digits) not in (7, 10, 11)):
        return None
    return [Written(_group_digits(digits), start, end)]


def write_plus(words: Window, start: int) -> list[Written] | None:
    """Write a telephone number with its country: plus forty four two oh seven ..."""
    tens = parse_number(words, start + 1) if words[start + 1] in TENS else None
    digits, end, _ = _parse_digits(words, tens.end if tens else start + 1)
    number = f"{tens.value}{digits}" if tens else digits
    if not digits or not number or len(number) < 9 or words[end] in NUMBER_WORDS or words[start - 1] in NUMBER_WORDS:
        return None
    return [Written(f"+{number}", start, end)]


def _is_counting(digits: str) -> bool:
    """Return whether digits go up or down by one, perhaps from one again and again: one two three one two three."""
    steps = [(int(right) - int(left), right) for left, right in pairwise(digits)]
    ups = all(step == 1 or (right == "1" and digits[0] == "1") for step, right in steps)
    return ups or all(step == -1 for step, _ in steps)


def _parse_digits(words: Window, start: int) -> tuple[str | None, int, int]:
    """Parse digits, pairs among them: double seven, twelve; return them, their end, and how many were said singly."""
    digits, place, singles = "", start, 0
    while len(digits) < _MOST_DIGITS:
        word, following = words[place], words[place + 1]
        if word in REPEATS and following in DIGITS:
            digits += DIGITS[following] * REPEATS[word]
            place, singles = place + 2, singles + REPEATS[word]
        elif word in DIGITS and following == "hundred" and digits in ("", "1"):
            digits += DIGITS[word] + "00"
            place += 2
        elif word in DIGITS:
            digits += DIGITS[word]
            place, singles = place + 1, singles + 1
        elif digits and (word in TEENS or word in TENS):
            number = parse_number(words, place)
            if number is None or number.value >= 100 or number.ordinal:
                return None, place, singles
            digits += str(number.value)
            place = number.end
        else:
            break
    return digits, place, singles


def _group_digits(digits: str) -> str:
    """Write telephone numbers of North America in their groups, other digits without."""
    if len(digits) == 7 and digits[0] not in "01":
        return f"{digits[:3]}-{digits[3:]}"
    if len(digits) == 10 and digits[0] not in "01":
        return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"
    if len(digits) == 11 and digits[0] == "1":
        return f"1-{digits[1:4]}-{digits[4:7]}-{digits[7:]}"
    return digits


def write_version(words: Window, start: int) -> list[Written] | None:
    """Write numbers with several points between them, or one after the word version."""
    parts, end = [], start
    while words[end] in BELOW_HUNDRED or words[end] == "zero":
        number = parse_number(words, end)
        if number is None or number.ordinal:
            return None
        parts.append(str(number.value))
        end = number.end
        if words[end] != "point":
            break
        end += 1
    end -= words[end - 1] == "point"
    named = len(parts) == 2 and words[start - 1] in _VERSIONED
    if not (len(parts) > 2 or named) or words[end] in NUMBER_WORDS or words[start - 1] in NUMBER_WORDS:
        return None
    return [Written(".".join(parts), start, end)]
