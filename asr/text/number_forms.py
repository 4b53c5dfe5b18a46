"""Times of day, fractions, versions, ordinals and decades: the forms of numbers that num2words does not know.

Each pattern comes with the function that says its matches. Tables list the languages whose usage is known; the
others get plain numbers.
"""

import re
import unicodedata

from num2words import num2words

# Of ordinals, after the digits.
ORDINAL_SUFFIXES = {
    "en": r"(?:st|nd|rd|th)\b",
    "es": r"\.?[ºª]|er\b",
    "fr": r"(?:er|re|ère|i?[èe]me|e)s?\b",
    "it": r"\.?[ºª]",
    "nl": r"(?:ste|de|e)\b",
    "pt": r"\.?[ºª]",
    "sv": r":[ae]\b",
}
_VULGAR = "".join(chr(code) for code in (*range(0xBC, 0xBF), *range(0x2150, 0x215F), 0x2189))  # ¼ ½ ¾ ⅐ ... ⅞ ↉
TIME = re.compile(
    r"(?<![\d:.,])(?P<hours>[01]?\d|2[0-4]):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d))?(?![\d:])"
    r"(?P<half_of_day>(?=\s?[ap]\.?m\b))?(?P<clock>\s?(?:o'clock|Uhr)\b)?",
    re.IGNORECASE,
)
FRACTION = re.compile(
    rf"(?:(?<![\d/.,])(?P<whole>\d+)[ -]?)?(?P<vulgar>[{_VULGAR}])"  # in itself clear, whatever stands before it
    r"|(?<![\d/.,])(?:(?P<before>\d+)[ -](?=\d+[/\u2044]))?"
    r"(?P<numerator>\d{1,2})[/\u2044](?P<denominator>\d{1,3})(?![\d/]|[.,]\d)"
)
# Groups of three are thousands.
VERSION = re.compile(r"(?<![\w.])(?!\d{1,3}(?:\.\d{3})+(?![.\d]))\d+(?:\.\d+){2,}(?![.\d])")

# Other pairs with a slash are dates, scores and 24/7.
_DENOMINATORS = {*range(2, 11), 12, 16, 20, 32, 64, 100}
# One and several of each part; the word for one part; what joins a whole number to it.
_PARTS: dict[str, tuple[dict[int, tuple[str, str]], str, str]] = {
    "en": ({2: ("half", "halves"), 4: ("quarter", "quarters")}, "one", "and"),
    "de": ({2: ("halb", "halbe")} | {n: (f"{name}tel",) * 2 for n, name in {3: "drit", 4: "vier"}.items()}, "ein", ""),
    "es": ({2: ("medio", "medios"), 3: ("tercio", "tercios"), 4: ("cuarto", "cuartos")}, "un", "y"),
    "it": ({2: ("mezzo", "mezzi"), 3: ("terzo", "terzi"), 4: ("quarto", "quarti")}, "un", "e"),
    "pt": ({2: ("meio", "meios"), 3: ("terço", "terços"), 4: ("quarto", "quartos")}, "um", "e"),
    "fr": ({2: ("demi", "demis"), 3: ("tiers", "tiers"), 4: ("quart", "quarts")}, "un", "et"),
}


def say_time(match: re.Match[str], language: str) -> str:
    """Say a time of day: 10:30 is ten thirty."""
    hours, *rest = (int(part) for part in match.group("hours", "minutes", "seconds") if part)
    if language[:2] == "en":
        if rest == [0]:
            after = "" if match["half_of_day"] is not None else "o'clock" if 0 < hours <= 12 else "hundred"
        else:
            after = " ".join(
                f"oh {_cardinal(part, language)}" if part < 10 else _cardinal(part, language) for part in rest
            )
        unsaid = _unsaid(match, "o'clock" if rest == [0] else "")
        return f"{_cardinal(hours, language)} {after}{unsaid}"
    if language[:2] == "de":
        hour = "ein" if hours == 1 else _cardinal(hours, language)
        words = " ".join([hour, "Uhr", *(_cardinal(part, language) for part in rest if part)])
        return words + _unsaid(match, "Uhr")
    return " ".join(_cardinal(part, language) for part in (hours, *rest) if part or hours == 0) + _unsaid(match, "")


def _unsaid(match: re.Match[str], said: str) -> str:
    """Return the word after a time unless it is a part of how the time is said."""
    clock = match["clock"] or ""
    return "" if clock.strip().lower() == said.lower() else clock


def say_fraction(match: re.Match[str], language: str) -> str:
    """Say a fraction, perhaps after a whole number: 2 3/4 is two and three quarters."""
    whole = match["whole"] or match["before"]
    if match["vulgar"]:
        numerator, denominator = map(int, unicodedata.normalize("NFKC", match["vulgar"]).split("\u2044"))
    else:
        numerator, denominator = int(match["numerator"]), int(match["denominator"])
        if not (0 < numerator < denominator and denominator in _DENOMINATORS):
            return match[0]  # each number is said by itself
    part = _name_part(numerator, denominator, language)
    if part is None:
        numbers = [int(whole)] if whole else []
        return " ".join(_cardinal(number, language) for number in (*numbers, numerator, denominator))
    if not whole:
        return part
    _, one, join = _PARTS[language[:2]]
    if language[:2] == "en":
        part = part.replace("one ", "a ", 1) if numerator == 1 and denominator in (2, 4) else part
    elif language[:2] == "de" and (numerator, denominator) == (1, 2):
        return f"{_cardinal(int(whole), language)}einhalb"
    elif join and numerator == 1 and denominator == 2:
        part = part.removeprefix(f"{one} ")  # deux et demi
    return " ".join(filter(None, (_cardinal(int(whole), language), join, part)))


def say_version(match: re.Match[str], language: str) -> str:
    """Say numbers with several points, such as versions and addresses: 3.11.2 is three point eleven point two."""
    point = " point " if language[:2] == "en" else " "
    return point.join(
        " ".join(_cardinal(int(digit), language) for digit in part)
        if len(part) > 15 or (len(part) > 1 and int(part[0]) == 0)
        else _cardinal(int(part), language)
        for part in match[0].split(".")
    )


def say_ordinal(number: int, suffix: str, language: str) -> str:
    """Say an ordinal in the gender that its suffix shows."""
    words = str(num2words(number, lang=language, to="ordinal"))
    suffix = suffix.lower()
    if suffix.endswith("ª"):
        return " ".join(word[:-1] + "a" if word.endswith("o") else word for word in words.split())
    if language[:2] == "fr" and number == 1 and suffix.rstrip("s") in ("re", "ère"):
        return "première"
    return words.removesuffix("o") if language[:2] == "es" and suffix == "er" else words


def to_plural(words: str) -> str:
    """Return English number words in the plural: nineteen nineties, sevens."""
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return f"{words}es" if words.endswith("x") else f"{words}s"


def _name_part(numerator: int, denominator: int, language: str) -> str | None:
    """Name a fraction below one; None if the language's words are not known."""
    names, one, _ = _PARTS.get(language[:2], ({}, "", ""))
    if language[:2] == "en" and denominator not in names:
        name = str(num2words(denominator, lang=language, to="ordinal"))
        forms = (name, f"{name}s")
    elif denominator in names:
        forms = names[denominator]
    else:
        return None
    return f"{one} {forms[0]}" if numerator == 1 else f"{_cardinal(numerator, language)} {forms[1]}"


def _cardinal(number: int, language: str) -> str:
    return str(num2words(number, lang=language))
