"""Words and the same words punctuated in; numbers and the like as people write them, with the marks, out."""

from collections.abc import Sequence, Set

from asr.text.written.vocabulary import BARE_SCALES, CURRENCIES, DIGITS, NUMBER_WORDS, ORDINAL_WORDS, REPEATS, SCALES
from asr.text.written.window import Written
from asr.text.written.write import write_numbers

_SOFT = {",", ":", " –"}  # marks after which a number may go on; all others end it
_JOINS = {"and", "or", "to"}
_CONTINUE = {"celsius", "fahrenheit", "oh", "percent"}
_LONG_STRING = 5  # digits
_MONEY = {*CURRENCIES, "pound", "pounds"}


def write_punctuated(words: Sequence[str], punctuated: Sequence[str]) -> list[Written]:
    """Group words as `write_numbers` does, and put their marks and capitals on the groups.

    A number ends with its sentence (he had twenty. Five were old), and at a comma between two numbers (in nineteen
    ninety, five men). A comma within what people write as one is left out (one thousand, two hundred), and any mark
    within what can only be one: letters of a word, long strings of digits, half past ten a. M.

    Args:
        words: The words, as recognised.
        punctuated: As many words, with capitals and a mark at the end.

    Raises:
        ValueError: If the words and the punctuated words are not equally many.
    """
    if len(words) != len(punctuated):
        raise ValueError(f"{len(words)} words, {len(punctuated)} punctuated words; expected equally many")
    inseparable = _find_inseparable(words)
    found_marks = list(map(_find_mark, words, punctuated))
    marks = ["" if index in inseparable else mark for index, mark in enumerate(found_marks, start=1)]
    breaks = {index for index, mark in enumerate(marks, start=1) if mark and mark not in _SOFT}
    while True:
        groups = _write_between(words, breaks)
        inside = (index for group in groups for index in range(group.start + 1, group.end) if marks[index - 1])
        found = {index for index in inside if _ends_number(words, index, groups)}
        if not found:
            break
        breaks |= found
    kept = [form.removesuffix(old) + new for form, old, new in zip(punctuated, found_marks, marks, strict=True)]
    texts = apply_marks(groups, words, kept)
    return [Written(text, start, end) for text, (_, start, end) in zip(texts, groups, strict=True)]


def _write_between(words: Sequence[str], breaks: Set[int]) -> list[Written]:
    """Group words; no rule looks past the breaks, each given as the word after it."""
    separated: list[str] = []
    positions: list[int | None] = []  # of the separated words in the text; None for a break
    for index, word in enumerate(words):
        if index in breaks:
            separated.append("")  # as before the first word and after the last
            positions.append(None)
        separated.append(word)
        positions.append(index)
    groups = []
    for text, start, end in write_numbers(separated):
        position = positions[start]
        if position is not None:
            groups.append(Written(text, position, position + end - start))
    return groups


def _find_inseparable(words: Sequence[str]) -> set[int]:
    """Return the words that continue the one before them, whatever mark a network that knows no spelling put there."""
    found: set[int] = set()
    for text, start, end in write_numbers(words):
        members = [word.lower() for word in words[start:end]]
        if text in ("a.m.", "p.m."):
            found.add(start)  # the time is before it
        if all(len(word.removesuffix("'s")) == 1 for word in members) or (
            len(members) >= _LONG_STRING and all(word in DIGITS or word in REPEATS for word in members)
        ):
            found.update(range(start + 1, end))
        found.update(start + index for index in range(1, len(members)) if _continues(members, index))
    return found


def _continues(members: Sequence[str], index: int) -> bool:
    """Return whether a word of a number cannot begin a sentence there: five degrees celsius, one oh one, ten a m."""
    return members[index] in _CONTINUE or members[index - (members[index] == "m") :][:2] in (["a", "m"], ["p", "m"])


def _ends_number(words: Sequence[str], index: int, groups: Sequence[Written]) -> bool:
    """Return whether a comma before a word within a group ends a number."""
    group = next(group for group in groups if group.start < index < group.end)
    members = [word.lower() for word in words[group.start : group.end]]
    if ", " in group.text:  # May 3, 2020
        return False
    if all(word in DIGITS or word in REPEATS or len(word) == 1 for word in members):
        return False  # five five five, one two three four
    before, after = members[: index - group.start], members[index - group.start :]
    if before[-1] in _MONEY or (before[-1] in SCALES and not BARE_SCALES.isdisjoint(after[1:])):
        return False  # five dollars, fifty cents; one thousand, two hundred
    return after[0] in NUMBER_WORDS or after[0] in ORDINAL_WORDS or after[0] in _JOINS


def apply_marks(groups: Sequence[Written], words: Sequence[str], punctuated: Sequence[str]) -> list[str]:
    """Put marks and capitals on groups: written words for one text, each with the mark that follows it.

    A word that stays is taken as it was punctuated. What was written out takes the mark of its last word; a full stop
    is not doubled (3 p.m.), and a comma that belongs to a date gives way to another mark (May 3, 2020).

    Args:
        groups: Of write_numbers.
        words: The words, as recognised.
        punctuated: As many words, with capitals and a mark at the end.

    Raises:
        ValueError: If the groups, the words and the punctuated words are not equally many.
    """
    covered = groups[-1].end if groups else 0
    if not covered == len(words) == len(punctuated):
        raise ValueError(f"{covered} words in groups, {len(words)} words, {len(punctuated)} punctuated words")
    texts = []
    for text, start, end in groups:
        last = end - 1
        if end == start + 1 and text == words[last]:
            texts.append(punctuated[last])
        else:
            texts.append(_punctuate(text, _find_mark(words[last], punctuated[last])))
    return texts


def _find_mark(word: str, punctuated: str) -> str:
    return punctuated[len(word) :] if punctuated.lower().startswith(word.lower()) else ""


def _punctuate(text: str, ending: str) -> str:
    if ending and text.endswith(","):
        text = text[:-1]
    return text + ending[1:] if text.endswith(".") and ending.startswith(".") else text + ending
