"""Write a pronouncing dictionary of the words in texts, for a language that has no published one.

    python tools/voices/pronounce.py texts.txt data/mine/train.txt --voice de --output dictionary.txt

The program espeak-ng pronounces the words; `espeak-ng --voices` lists its languages. Phones that English has too get
the names that the CMU Pronouncing Dictionary gives them, so a network that starts from `english` knows them already.
All others keep espeak-ng's names. Words that it does not pronounce are left out, and so are signs and letters of
foreign scripts: espeak-ng would speak their names.
"""

import argparse
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from espeak import require_program

from asr.atomic import atomic_write
from asr.config import NormalizerSettings
from asr.language.text_files import read_sentences
from asr.text.normalize import normalize

# espeak-ng's names of phones that English has, or nearly has; then rounded vowels, whose names are those of consonants
CONSONANTS = (
    "p=P b=B t=T d=D k=K g=G f=F v=V s=S z=Z S=SH Z=ZH T=TH D=DH tS=CH dZ=JH h=HH m=M n=N N=NG l=L r=R R=R j=Y w=W"
)
VOWELS = "i=IY i:=IY I=IH I2=IH e:=EY eI=EY EI=EY E=EH E2=EH @=AH @-=AH V=AH 3=ER 3:=ER A=AA A:=AA"
ROUNDED = "O=AO O:=AO 0=AO o:=OW oU=OW U=UH u:=UW"
DIPHTHONGS = "aI=AY aU=AW OY=OY OI=OY"
PAIRS = "ts=T+S pF=P+F UR=UH+R A@=AA+R @L=AH+L e@=EH+AH i@=IY+AH i@3=IY+AH o@=AO+AH U@=UH+AH aI@=AY+AH A~=AA+N O~=AO+N"
OTHERS = "W=OE W:=OE: Y=OE Y:=OE:"
NAMES = dict(pair.split("=") for pair in " ".join([CONSONANTS, VOWELS, ROUNDED, DIPHTHONGS, PAIRS, OTHERS]).split())
CMU = {phone for names in NAMES.values() for phone in names.split("+")}
MARKS = re.compile(r"[',%=|!#]")  # stress, pauses and other signs that are no phones
LEAST_SHARE = 0.01  # of all words that have letters of a script, unless it is foreign
LANGUAGE = re.compile(r"\([a-z-]+\)")  # where espeak-ng takes a word for another language's


def find_words(texts: Iterable[Path], numbers: str | None) -> list[str]:
    """Return the words of texts, as `asr lexicon` sees them, in the order in which they first come."""
    settings = NormalizerSettings(spell_out_numbers=numbers)
    sentences = read_sentences(texts, prepare=lambda line: normalize(line, settings))
    return list(dict.fromkeys(word for words in sentences for word in words))


def leave_out_foreign(words: list[str]) -> list[str]:
    """Return the words that have letters or digits, and no letters of scripts that hardly any word has."""
    scripts = {word: {find_script(letter) for letter in word if letter.isalpha()} for word in words}
    counts = Counter(script for found in scripts.values() for script in found)
    common = {script for script, count in counts.items() if count >= LEAST_SHARE * len(words)}
    return [word for word in words if any(map(str.isalnum, word)) and scripts[word] <= common]


def find_script(letter: str) -> str:
    """Return the script of a letter, such as LATIN or CYRILLIC."""
    return unicodedata.name(letter, "unknown").split()[0]


def require_voice(voice: str) -> None:
    """Exit with a message if espeak-ng has no such voice: it would take an English one and say nothing."""
    known = {line.split()[1] for line in run_espeak("--voices").splitlines()[1:]}
    if voice not in known:
        sys.exit(f"espeak-ng has no voice {voice!r}; it has {', '.join(sorted(known))}")


def pronounce(words: list[str], voice: str) -> Iterator[tuple[str, str]]:
    """Yield words and their phones, but not those that espeak-ng does not pronounce."""
    # An empty line ends a paragraph, so each word is spoken by itself, and its phones are on a line of their own.
    lines = run_espeak("-q", "-x", "--sep=_", "-v", voice, "--stdin", text="\n\n".join(words) + "\n").splitlines()
    if len(lines) != len(words) and len(words) > 1:
        middle = len(words) // 2
        yield from pronounce(words[:middle], voice)
        yield from pronounce(words[middle:], voice)
        return
    for word, line in zip(words, lines, strict=False):
        if phones := name_phones(line):
            yield word, phones


def run_espeak(*arguments: str, text: str | None = None) -> str:
    """Return what espeak-ng writes to standard output."""
    return subprocess.run(
        ["espeak-ng", *arguments], input=text, stdout=subprocess.PIPE, encoding="utf-8", check=True
    ).stdout


def name_phones(line: str) -> str:
    """Return the names of the phones that espeak-ng wrote, separated by spaces."""
    names = (MARKS.sub("", name) for name in re.split(r"[_\s]+", LANGUAGE.sub("_", line)))
    return " ".join(filter(None, map(name_phone, names)))


def name_phone(name: str) -> str:
    """Return our name of one of espeak-ng's phones; empty if it is none."""
    if name in NAMES:
        return NAMES[name].replace("+", " ")
    if not name.strip(":;0123456789"):
        return ""
    return f"{name}_" if name in CMU else name  # another phone of CMU's has this name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", type=Path, help="text files (also .gz, .xz), one sentence per line")
    parser.add_argument("--voice", required=True, help="espeak-ng's name of the language, such as de")
    parser.add_argument(
        "--spell-out-numbers", metavar="LANGUAGE", help="spell out numbers in this language, such as de"
    )
    parser.add_argument("--output", required=True, type=Path)
    options = parser.parse_args()
    require_program()
    require_voice(options.voice)
    words = leave_out_foreign(find_words(options.texts, options.spell_out_numbers))
    entries = list(pronounce(words, options.voice))
    with atomic_write(options.output) as unfinished:
        unfinished.write_text("".join(f"{word} {phones}\n" for word, phones in entries), encoding="utf-8")
    print(f"{options.output}: {len(entries):,} words")


if __name__ == "__main__":
    main()
