"""Numbers and the like as people write them: one pass over the words, rule by rule."""

from collections.abc import Callable, Sequence

from asr.text.written.amounts import parse_amount, write_amount
from asr.text.written.cardinals import parse_number, to_figures, to_ordinal_figures
from asr.text.written.context import find_kept, find_run_end, is_in_list
from asr.text.written.dates import write_day, write_month, write_year
from asr.text.written.digit_strings import write_digits, write_plus, write_version
from asr.text.written.letters import write_letters
from asr.text.written.times import write_time
from asr.text.written.vocabulary import (
    BARE_SCALES,
    CURRENCIES,
    MONTHS,
    NUMBER_WORDS,
    ORDINALS_BELOW_HUNDRED,
    REPEATS,
    TEENS,
    TENS,
    ZEROS,
)
from asr.text.written.window import Window, Written

_Rule = Callable[[Window, int], list[Written] | None]

_NUMBERED = {"chapter", "page", "verse", "volume", "psalm", "paragraph"}  # before a number of any size
_RANGES = {"to", "or", "minus", "plus", "times", "and"}
_TO_SMALLER = {"to", "minus", "plus"}  # before the second of two numbers, of which the first is in figures
_SPANS = {"from", "between", "of"}
_FIXED = {("twenty", "four", "seven"): "24/7", ("fifty", "fifty"): "50-50"}


def write_numbers(words: Sequence[str]) -> list[Written]:
    """Group English words into what people write in figures, signs and capitals, and the words between.

    Numbers from ten are written in figures, smaller ones before units and signs, in dates, times and ranges with
    larger ones. Words are covered exactly once and in order; a word that stays is a group of its own. A group depends
    on no word that is MAX_AHEAD or more words after its start.

    Args:
        words: The words, as recognised. Capitals do not matter.
    """
    window, index, groups = Window(words), 0, []
    lowered = window.words
    while index < len(words):
        rules = _RULES.get(lowered[index])
        if rules is None:
            groups.append(Written(words[index], index, index + 1))
            index += 1
            continue
        window.move_to(index)
        for text, first, end in _apply(rules, window, index):
            kept = end == first + 1 and text == lowered[first]
            groups.append(Written(words[first] if kept else text, first, end))
        index = groups[-1].end
    return groups


def _apply(rules: tuple[_Rule, ...], window: Window, index: int) -> list[Written]:
    for rule in rules:
        if pieces := rule(window, index):
            return pieces
    return window.keep(index, index + 1)


def _write_fixed(words: Window, start: int) -> list[Written] | None:
    """Write figures that are names: twenty four seven."""
    for parts, text in _FIXED.items():
        end = start + len(parts)
        if words.has(start, parts) and not is_in_list(words, start, end):
            return None if words[end] in BARE_SCALES else [Written(text, start, end)]
    return None


def _keep(words: Window, start: int) -> list[Written] | None:
    return words.keep(start, find_kept(words, start)) or None


def _keep_list(words: Window, start: int) -> list[Written] | None:
    """Keep numbers one after another that no rule knows: two fifty, sixty four sixty five."""
    number = parse_number(words, start)
    if number is None or not is_in_list(words, start, number.end):
        return None
    return words.keep(start, max(find_run_end(words, start), number.end))


def _write_minus(words: Window, start: int) -> list[Written] | None:
    """Write a negative number: minus twenty, but ten minus five."""
    amount = parse_amount(words, start + 1)
    if amount is None or words[start - 1] in NUMBER_WORDS or words[start + 1] == "a":
        return None
    if amount.scale or not amount.fraction.isascii() or is_in_list(words, start, amount.end):
        return None
    if words[amount.end] in CURRENCIES:
        return None
    rest = write_amount(words, start + 1) or [Written(amount.text, start + 1, amount.end)]
    return [Written(f"-{rest[0].text}", start, rest[0].end), *rest[1:]]


def _write_range(words: Window, start: int) -> list[Written] | None:
    """Write the first of two numbers as the second one is: five to ten minutes, $5 to $10, 5% to 10%."""
    first = parse_number(words, start)
    if first is None or first.ordinal or words[first.end] not in _RANGES or words[start] == "a":
        return None
    join, before = words[first.end], words[start - 1]
    if (join == "and" and before != "between") or (first.value == 1 and before not in _SPANS):
        return None
    second = parse_amount(words, first.end + 1)
    if (
        second is None
        or second.fraction
        or is_in_list(words, first.end + 1, second.end)
        or words[start - 1] in NUMBER_WORDS
    ):
        return None
    text = to_figures(first.value)
    if join in ("to", "or", "and"):
        following = words[second.end]
        if following == "percent" or (following == "per" and words[second.end + 1] == "cent"):
            text = f"{text}%"
        elif following in CURRENCIES:
            text = f"{CURRENCIES[following]}{text}"
        elif first.value >= 10 or second.number.value < 10:
            return None
    elif first.value >= 10 or second.number.value < 10:
        return None
    return [Written(text, start, first.end), *words.keep(first.end, first.end + 1)]


def _write_number(words: Window, start: int) -> list[Written] | None:
    """Write a plain cardinal or ordinal from ten in figures; after chapter and page a smaller one, too."""
    number = parse_number(words, start)
    if number is None or (words[start] == "a" and number.parts == 1):
        return None
    if number.value < 10:
        is_figure = words[start - 1] in _NUMBERED and words[number.end] not in ("of", "or")
        is_figure |= words[start - 1] in _TO_SMALLER and words[start - 2] in (*TEENS, *TENS)
        return [Written(str(number.value), start, number.end)] if is_figure and not number.ordinal else None
    if number.ordinal:
        return [Written(to_ordinal_figures(number.value), start, number.end)]
    amount = parse_amount(words, start)
    if amount is None or amount.fraction:
        return None
    if words.has(amount.end, ("year", "old")) and not amount.scale:
        return [Written(f"{amount.text}-year-old", start, amount.end + 2)]
    end = amount.end - bool(amount.scale)
    return [Written(amount.text, start, end), *words.keep(end, amount.end)]


_NUMBER_RULES: tuple[_Rule, ...] = (
    write_time,
    write_digits,
    _write_fixed,
    write_version,
    _keep,
    write_year,
    _write_range,
    write_day,
    write_amount,
    _keep_list,
    _write_number,
)
_RULES: dict[str, tuple[_Rule, ...]] = dict.fromkeys((*NUMBER_WORDS, *ORDINALS_BELOW_HUNDRED), _NUMBER_RULES)
_RULES |= dict.fromkeys((*REPEATS, *ZEROS), (write_digits,)) | {"zero": _NUMBER_RULES}
_RULES |= {chr(code): (write_letters,) for code in range(ord("b"), ord("z") + 1)}
_RULES |= {
    "o": (write_digits, write_letters),
    "a": (write_letters, *_NUMBER_RULES),
    "minus": (_write_minus,),
    "plus": (write_plus,),
}
_RULES |= dict.fromkeys(MONTHS, (write_month,))
