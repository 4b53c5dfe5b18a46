"""Make the lexicon: words of a text and of transcripts, pronounced by the CMU dictionary or else by espeak-ng.

    python recipes/english/lexicon.py DICTIONARY TEXT OUTPUT TRANSCRIPT...

DICTIONARY is `cmudict.dict`, TEXT a file of sentences, plain or .xz, of which words said three times or more count,
and all words of the TRANSCRIPTs do. OUTPUT has the most frequent words first. Stress is left out: few hours of
speech do not teach it. Needs espeak-ng, whose guess is right, phone for phone, for 71 % of the words that the dictionary holds.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from asr.atomic import replacing
from asr.config import NormalizerSettings
from asr.language.counting import read_lines
from asr.text.lexicon import Lexicon, Phones
from asr.text.normalize import normalize

NORMALIZER = NormalizerSettings(spell_out_numbers="en")  # as conf/english.yaml has it
LEAST_OFTEN = 3  # in the text; rarer words are too many, and no trigram knows them
WORD = re.compile(r"[a-z][a-z']*")

# What espeak-ng calls its sounds (en-us), and their ARPAbet; longer names are tried first.
ARPABET = {
    **{"@": "AH", "3:": "ER", "3": "ER", "A@": "AA R", "A:": "AA", "A": "AA", "a": "AE", "aa": "AE", "a#": "AH"},
    **{"aI": "AY", "aI@": "AY AH", "aI3": "AY ER", "aU": "AW", "aU@": "AW ER", "E": "EH", "e": "EH", "e@": "EH R"},
    **{"eI": "EY", "I": "IH", "I2": "IH", "I#": "IH", "I2@": "IY AH", "i": "IY", "i:": "IY", "i@": "IY AH"},
    **{"i@3": "IH R", "0": "AA", "O": "AO", "O:": "AO", "O2": "AO", "O@": "AO R", "o@": "AO R", "oU": "OW", "o": "OW"},
    **{"OI": "OY", "U": "UH", "U@": "UH R", "u:": "UW", "u": "UW", "V": "AH", "@L": "AH L", "@2": "AH", "@5": "AH"},
    **{"@-": "AH", "y": "UW", "Y": "UW", "W": "ER", "p": "P", "b": "B", "t": "T", "t#": "T", "t2": "T", "d": "D"},
    **{"k": "K", "g": "G", "tS": "CH", "dZ": "JH", "f": "F", "v": "V", "T": "TH", "D": "DH", "s": "S", "z": "Z"},
    **{"S": "SH", "Z": "ZH", "h": "HH", "H": "HH", "m": "M", "n": "N", "N": "NG", "l": "L", "L": "L", "r": "R"},
    **{"r-": "R", "w": "W", "j": "Y", "x": "K", "n-": "AH N", "m-": "AH M", "R": "R", "C": "SH", "X": "K", "Q": "G"},
}
SOUND = re.compile("|".join(map(re.escape, sorted(ARPABET, key=len, reverse=True))))


def read_dictionary(path: Path) -> dict[str, list[Phones]]:
    """Pronunciations of words, without stress."""
    ways: dict[str, list[Phones]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *phones = line.partition("#")[0].split()
        ways.setdefault(re.sub(r"\(\d+\)$", "", word), []).append(tuple(phone.rstrip("012") for phone in phones))
    return ways


def guess(words: list[str]) -> Iterator[tuple[str, Phones]]:
    """What espeak-ng makes of words."""
    command = ["espeak-ng", "-q", "-x", "-v", "en-us", "--sep=_"]
    said = subprocess.run(command, input="\n".join(words), text=True, capture_output=True, check=True).stdout
    lines = [line for line in said.splitlines() if line.strip()]
    if len(lines) != len(words):
        raise SystemExit(f"espeak-ng said {len(lines)} words for {len(words)}")
    for word, line in zip(words, lines, strict=True):
        sounds = (
            found for part in re.split(r"[_ ]", line) for found in SOUND.findall(re.sub(r"[',=%~|*!;]", "", part))
        )
        phones = [phone for sound in sounds for phone in ARPABET[sound].split()]
        # The r of "AO R" and of the next syllable are one.
        yield (
            word,
            tuple(now for before, now in zip(["", *phones], phones, strict=False) if (before, now) != ("R", "R")),
        )


def words_by_frequency(text: Path, transcripts: Iterable[Path]) -> list[str]:
    """The words to pronounce, the most frequent ones first."""
    in_text = Counter(word for line in read_lines(text) for word in line.split())
    lines = (normalize(line, NORMALIZER) for path in transcripts for line in read_lines(path))
    said = Counter(word for line in lines for word in line.split())
    chosen = {word for word, count in in_text.items() if count >= LEAST_OFTEN} | said.keys()
    in_text.update(said)
    return sorted((word for word in chosen if WORD.fullmatch(word)), key=lambda word: (-in_text[word], word))


def main() -> None:
    dictionary, text, output, *transcripts = map(Path, sys.argv[1:])
    ways = read_dictionary(dictionary)
    words = words_by_frequency(text, transcripts)
    guessed = dict(guess([word for word in words if word not in ways]))
    entries = ((word, phones) for word in words for phones in ways.get(word) or [guessed[word]] if phones)
    with replacing(output) as partial:
        Lexicon(entries).save(partial)
    print(f"{output}: {len(words)} words, of which {len(guessed)} by espeak-ng")


if __name__ == "__main__":
    main()
