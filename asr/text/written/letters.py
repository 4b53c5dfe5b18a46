"""Letters that are said one by one: USA, BBC, DVD."""

from asr.text.written.window import Window, Written

_MOST_LETTERS = 20
_SPELLED = 5  # letters from which they are those of a word, and its vowels no words by themselves
_VOWEL_WORDS = "aio"  # words by themselves
_ABBREVIATIONS = """
    us usa uk uae eu un tv dvd cd dj dc pc pr hr hq ok gp fm vip phd mp abc atm adhd ibm irs iou isbn api cia fbi
    nba dna rna mba nsa fda epa faa mri gui cpi ceo cfo cto cio coo ngo ufo ipo gmo hbo iq iso imf isp ivf aol amd
    afl acl aclu nra pta ymca ywca aka usb url html http https cnn bbc nbc cbs mtv espn nfl nhl mlb gps gdp gpa sat
    sms sos sql ssn suv ups usps vcr vpn vhs wwf wto www xml gop rsvp rpm ssd cpu gpu ram rom led lcd pdf hiv std
    pbs ppm ptsd ncaa naacp nypd lapd dea ira ioc aaa apa ama iaea icu nw ne sw se nnw nne ssw sse wnw ene wsw ese
    ps nb eg ie pm dvds cds
"""
_KNOWN = set(_ABBREVIATIONS.split())
_SPECIAL = {"phd": "PhD", "aka": "aka", "eg": "e.g.", "ie": "i.e.", "pm": "p.m.", "dvds": "DVDs", "cds": "CDs"}
# After a title two letters are a name that a book does not say: missus p's.
_TITLES = {"mister", "missus", "mr", "mrs", "miss", "doctor", "lady", "lord", "sir", "captain", "major", "colonel"}
_TITLES |= {"general", "professor", "lieutenant"}
_MODEL_BEFORE = {"the", "an", "of", "using"}  # before a i, which may be a false start elsewhere


def write_letters(words: Window, start: int) -> list[Written] | None:
    """Write letters as one word.

    At its ends `a`, `i` and `o` are words of their own, unless the whole is a known abbreviation or long.
    """
    if len(words[start + 1].removesuffix("'s")) != 1 or _is_letter(words[start - 1]):
        return None
    run = _parse_run(words, start)
    if len(run) > _MOST_LETTERS:
        return None
    if "dot" in (words[start - 1], words[start + len(run)]):
        return None  # an address
    letters = "".join(run)
    name, ending = letters.removesuffix("'s"), "'s" * letters.endswith("'s")
    first = next((index for index in range(len(run) - 1) if name[index:] in _KNOWN), None)
    if first is None or first > 1 or (first == 1 and name[0] not in _VOWEL_WORDS):
        first = 0
        if name == "ai" and words[start - 1] in _MODEL_BEFORE:
            return [Written("AI", start, start + 2)]
        if len(name) < _SPELLED:
            first = len(name) - len(name.lstrip(_VOWEL_WORDS))
            name = name[first:] if ending else name[first:].rstrip(_VOWEL_WORDS)
    else:
        name = name[first:]
    if len(name) < 2 or not _is_abbreviation(name, words[start - 1]):
        return None
    end = start + first + len(name)
    pieces = [*words.keep(start, start + first), Written(_SPECIAL.get(name, name.upper()) + ending, start + first, end)]
    return [*pieces, *words.keep(end, start + len(run))]


def _is_abbreviation(name: str, before: str) -> bool:
    """Return whether letters are one word. Two that are not known may be initials, or a name that is not said."""
    if name in _KNOWN:
        return len(name) > 2 or before not in _TITLES
    return len(name) > 2 and len(set(name)) > 1


def _parse_run(words: Window, start: int) -> list[str]:
    run: list[str] = []
    while len(run) <= _MOST_LETTERS and _is_letter(words[start + len(run)]):
        run.append(words[start + len(run)])
    last = words[start + len(run)]
    if run and len(last) == 3 and last.endswith("'s") and last[0].isalpha():
        run.append(last)
    return run


def _is_letter(word: str) -> bool:
    return len(word) == 1 and "a" <= word <= "z"
