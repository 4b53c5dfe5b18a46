"""One spelling of one word: casing by language, letters with two codes, and characters that nobody sees."""

import re
import unicodedata
from functools import lru_cache

JOINERS = "\u200c\u200d"  # zero-width non-joiner and joiner
_JOINERS = re.compile(f"[{JOINERS}]+")
# Scripts in whose spelling they matter: Arabic (as Persian uses it), those of India and Sri Lanka, Mongolian.
_JOINING = re.compile("[\u0600-\u06ff\u0750-\u077f\u0870-\u08ff\u0900-\u0dff\u1800-\u18af]")
_VIRAMA = 9  # combining class of the sign after which a joiner makes a half letter, even at the end of a word
# Letters that were spelled with joiners before Unicode had them: Bengali khanda ta, the chillus of Malayalam.
_ATOMIC = {"\u09a4\u09cd\u200d": "\u09ce", "\u0d23\u0d4d\u200d": "\u0d7a", "\u0d28\u0d4d\u200d": "\u0d7b"}
_ATOMIC |= {"\u0d30\u0d4d\u200d": "\u0d7c", "\u0d32\u0d4d\u200d": "\u0d7d", "\u0d33\u0d4d\u200d": "\u0d7e"}

# Scripts that are written without blanks, in which a zero-width space marks the end of a word: Thai, Lao, Tibetan,
# Burmese, Khmer, Tai, Balinese, Chinese and Japanese, Javanese.
_UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u1950-\u1aaf\u1b00-\u1b7f\u3005-\u31ff\u3400-\u9fff\ua980-\ua9ff\uaa60-\uaadf"
_UNSPACED += "\uf900-\ufaff\U00020000-\U0003ffff"
_WORD_BREAK = re.compile(f"(?<=[{_UNSPACED}])\u200b+(?=[{_UNSPACED}])")
# Marks without a shape of their own: combining grapheme joiner, Khmer inherent vowels, variation selectors.
_SHAPELESS = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_HANGUL_FILLERS = re.compile("[\u115f\u1160\u3164\uffa0]")  # look like blanks

_TATWEEL = "\u0640"  # lengthens an Arabic word on the line
_SOFT_DOTTED = re.compile("([ij\u012f\u0456\u0458\u1e2d\u1ecb])\u0307")  # has a dot already
_DOTTED_I = ("az", "tr")  # languages in which I is the capital of ı, and İ that of i
# What keyboards of other languages write instead of a language's own letters.
_OWN_LETTERS = {"fa": str.maketrans("يىك", "ییک"), "ro": str.maketrans("şţŞŢ", "șțȘȚ")}
_TYPOGRAPHIC_SPACE = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_FINAL_SIGMA, _INNER_SIGMA = re.compile(r"(?<=\w)σ(?![\w'])"), re.compile(r"ς(?=\w)")


def join_thousands(text: str) -> str:
    """Remove spaces that do not break lines from within numbers, before they become plain spaces."""
    return _TYPOGRAPHIC_SPACE.sub("", text)


def remove_invisible(text: str) -> str:
    """Remove formatting characters, and joiners where they are no part of the spelling.

    Zero-width spaces become spaces in scripts that are written without blanks.
    """
    if text.isascii():
        return text
    text = _HANGUL_FILLERS.sub(" ", _WORD_BREAK.sub(" ", _SHAPELESS.sub("", text)))
    text = "".join(map(_visible, text))
    for spelled, letter in _ATOMIC.items():
        text = text.replace(spelled, letter)
    return tidy_joiners(text)


def tidy_joiners(text: str) -> str:
    """Remove joiners where they are no part of the spelling."""
    return _JOINERS.sub(_tidy_joiner, text)


def unify_letters(text: str, language: str) -> str:
    """Replace other codes for a letter of the language, which may be unknown."""
    text = _SOFT_DOTTED.sub(r"\1", text.replace(_TATWEEL, ""))
    return text.translate(_OWN_LETTERS[language]) if language in _OWN_LETTERS else text


def lowercase(text: str, language: str) -> str:
    """Lowercase by the rules of a language, which may be unknown."""
    if language in _DOTTED_I:
        text = text.replace("I", "ı")
    # Capitals may carry a dot that their small letters have of themselves: Lithuanian Į̇.
    return _SOFT_DOTTED.sub(r"\1", text.replace("İ", "i").lower())


def place_sigmas(text: str) -> str:
    """Write lowercase sigma as the Greek do at the end of words and within them."""
    return _INNER_SIGMA.sub("σ", _FINAL_SIGMA.sub("ς", text))


@lru_cache(maxsize=4096)
def _visible(symbol: str) -> str:
    return "" if unicodedata.category(symbol) == "Cf" and symbol not in JOINERS else symbol


def _tidy_joiner(match: re.Match[str]) -> str:
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    if _is_joining(before) and _is_joining(after):
        return match[0][0]
    is_half_letter = _is_joining(before) and unicodedata.combining(before) == _VIRAMA
    return "\u200d" if is_half_letter and "\u200d" in match[0] else ""


def _is_joining(symbol: str) -> bool:
    return bool(_JOINING.match(symbol)) and unicodedata.category(symbol)[0] in "LMN"
