"""Make synthetic speech for training: phrases like AN4's, or lines of a text.

    python tools/voices/make_synthetic_speech.py OUT [--utterances N] [--seed S]
    python tools/voices/make_synthetic_speech.py OUT --text english.txt.xz [--utterances N] [--seed S]

Writes a Kaldi folder: OUT/text, OUT/wav.scp, OUT/utt2spk and OUT/audio/*.flac, 16 kHz. The same seed and the same
programs give the same files. Needs the program espeak-ng, and for a text also flite, whose voices read most of it.
"""

import argparse
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import espeak
import flite
import numpy as np
import soundfile
from espeak import RATE, Voice, make_voices
from make_samples import SAMPLES
from numpy.typing import NDArray

from asr.files import read_lines

FLITE_SHARE = 0.75
WORDS_IN_A_BREATH = range(4, 19)
Utterance = tuple[str, str, NDArray[np.float32]]  # text, speaker, samples

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "oh"]
TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "fifteenth",
    "sixteenth",
    "eighteenth",
    "twentieth",
    "thirtieth",
]
MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
COMMANDS = ["yes", "no", "go", "stop", "start", "help", "repeat", "erase", "rubout", "enter"]
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
# Spelled: given names, surnames, streets and cities that anyone may have.
SPELLED = [
    "anna",
    "peter",
    "maria",
    "thomas",
    "laura",
    "kevin",
    "julia",
    "oscar",
    "victor",
    "quinn",
    "zoe",
    "felix",
    "xavier",
    "wendy",
    "brian",
    "sophie",
    "walker",
    "jensen",
    "becker",
    "lopez",
    "quigley",
    "fitzgerald",
    "maxwell",
    "kowalski",
    "nguyen",
    "schmidt",
    "jackson",
    "underwood",
    "hughes",
    "zimmermann",
    "boston",
    "chicago",
    "phoenix",
    "dallas",
    "jacksonville",
    "memphis",
    "detroit",
    "seattle",
    "oxford",
    "cambridge",
    "munich",
    "kyoto",
    "maple",
    "chestnut",
    "elm",
    "washington",
    "juniper",
    "fifth",
    "broadway",
    "sunset",
    "lakeview",
    "prospect",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("--utterances", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text", type=Path, help="one sentence per line, plain, .gz or .xz; lower-case words only")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    if options.text is None:
        utterances = say_phrases(options.utterances, rng)
    else:
        utterances = read_aloud(draw_lines(options.text, options.utterances, rng), rng)
    write_corpus(options.output, utterances)


def write_corpus(output: Path, utterances: Iterable[Utterance]) -> None:
    """Write a Kaldi folder."""
    (output / "audio").mkdir(parents=True, exist_ok=True)
    lists: dict[str, list[str]] = {"text": [], "wav.scp": [], "utt2spk": []}
    for number, (text, speaker, samples) in enumerate(utterances):
        name = f"synthetic{number:05d}"
        soundfile.write(output / "audio" / f"{name}.flac", samples, RATE)
        lists["text"].append(f"{name} {text}")
        lists["wav.scp"].append(f"{name} audio/{name}.flac")
        lists["utt2spk"].append(f"{name} {speaker}")
    for name, lines in lists.items():
        (output / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def say_phrases(count: int, rng: random.Random) -> Iterator[Utterance]:
    """Yield phrases like AN4's."""
    voices = make_voices()
    for _ in range(count):
        text, voice = draw_phrase(rng), rng.choice(voices)
        yield text, voice.name, roughen(espeak.speak(espeak.mark_letters(text), vary(voice, rng)), rng)


def read_aloud(lines: Iterable[str], rng: random.Random) -> Iterator[Utterance]:
    """Yield lines of a text: three in four by one of flite's few voices, the others by one of espeak-ng's many."""
    voices = make_voices()
    for line in lines:
        if rng.random() < FLITE_SHARE:
            speaker = rng.choice(flite.VOICES)
            samples = flite.speak(line, speaker, duration=rng.uniform(0.8, 1.25))
        else:
            voice = rng.choice(voices)
            speaker, samples = voice.name, espeak.speak(line, vary(voice, rng))
        yield line, speaker, roughen(samples, rng)


def draw_lines(path: Path, count: int, rng: random.Random) -> list[str]:
    """Draw lines that fit in a breath, from all over a text."""
    fitting = [line.strip() for line in read_lines(path) if len(line.split()) in WORDS_IN_A_BREATH]
    if len(fitting) < count:
        raise SystemExit(
            f"{path}: only {len(fitting)} lines have {WORDS_IN_A_BREATH[0]} to {WORDS_IN_A_BREATH[-1]} words"
        )
    return rng.sample(fitting, count)


def draw_phrase(rng: random.Random) -> str:
    """Draw a random phrase; never one of the samples that come with the project."""
    kinds = [letters, letters, digits, digits, number, date, command, command_line, letters_and_number]
    while (phrase := rng.choice(kinds)(rng)) in SAMPLES.values():
        pass
    return phrase


def letters(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return " ".join(rng.choice(SPELLED))
    return " ".join(rng.choices(LETTERS, k=rng.randint(3, 9)))


def digits(rng: random.Random) -> str:
    return " ".join(rng.choices(DIGITS, k=rng.choice([3, 4, 5, 7, 7, 10])))


def number(rng: random.Random) -> str:
    below_hundred = rng.choice([*TEENS, *TENS, f"{rng.choice(TENS)} {rng.choice(DIGITS[1:10])}"])
    return rng.choice(
        [
            below_hundred,
            f"{rng.choice(DIGITS[1:10])} hundred and {below_hundred}",
            f"{rng.choice(DIGITS[1:10])} thousand {rng.choice(DIGITS[1:10])} hundred",
            f"{rng.choice(DIGITS[1:10])} {below_hundred}",
        ]
    )


def date(rng: random.Random) -> str:
    day = rng.choice([rng.choice(ORDINALS), f"twenty {rng.choice(ORDINALS[:9])}"])
    year = f"nineteen {rng.choice(TENS)} {rng.choice(DIGITS[1:10])}"
    return rng.choice(
        [f"{rng.choice(MONTHS)} {day} {year}", f"{rng.choice(MONTHS)} {day}", f"{day} of {rng.choice(MONTHS)}"]
    )


def command(rng: random.Random) -> str:
    return rng.choice(COMMANDS)


def command_line(rng: random.Random) -> str:
    return f"{rng.choice(COMMANDS[-3:])} {letters_and_number(rng)}"


def letters_and_number(rng: random.Random) -> str:
    return f"{' '.join(rng.choices(LETTERS, k=rng.randint(1, 5)))} {number(rng)}"


def vary(voice: Voice, rng: random.Random) -> Voice:
    """Return the same voice at another speed, pitch and volume."""
    return voice._replace(rate=rng.randint(120, 210), pitch=rng.randint(25, 75), volume=rng.randint(40, 120))


def roughen(samples: NDArray[np.float32], rng: random.Random) -> NDArray[np.float32]:
    """Add silence before and after, and noise to half of them, as in real recordings."""
    before, after = (np.zeros(int(rng.uniform(0, 0.5) * RATE), np.float32) for _ in range(2))
    samples = np.concatenate([before, samples, after])
    if rng.random() < 0.5:
        amplitude = 10 ** rng.uniform(-4.0, -2.3)
        noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(len(samples), dtype=np.float32)
        samples = np.clip(samples + amplitude * noise, -1, 1)
    return samples


if __name__ == "__main__":
    main()
