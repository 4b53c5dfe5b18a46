"""Synthetic voices by the program espeak-ng, and how to make it say single letters."""

import io
import shutil
import subprocess
import sys
from typing import NamedTuple

import librosa
import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16000
ACCENTS = ["en-us", "en-us", "en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029"]
VARIANTS = [f"m{n}" for n in range(1, 9)] + [f"f{n}" for n in range(1, 6)] + ["klatt", "klatt2", "klatt4"]
VARIANTS += ["Andy", "Annie", "Gene", "Lee", "Mario", "Michael", "Alicia", "Andrea", "steph", "max", "rob", "zac"]


class Voice(NamedTuple):
    """A way to speak: espeak-ng's accent and variant, words per minute, pitch in 0..99, volume in 0..200."""

    accent: str
    variant: str
    rate: int = 160
    pitch: int = 50
    volume: int = 100

    @property
    def name(self) -> str:
        return f"{self.accent}+{self.variant}"


def make_voices() -> list[Voice]:
    """Return every variant in every accent."""
    return [Voice(accent, variant) for accent in ACCENTS for variant in VARIANTS]


def speak(text: str, voice: Voice) -> NDArray[np.float32]:
    """Return the audio of a text, (S,) at 16 kHz."""
    require_program()
    command = ["espeak-ng", "--stdout", "-v", voice.name, "-s", str(voice.rate), "-p", str(voice.pitch)]
    command += ["-a", str(voice.volume), "--", text]
    sound = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(sound), dtype="float32")
    return librosa.resample(samples, orig_sr=rate, target_sr=RATE)


def require_program() -> None:
    """Exit with a message if espeak-ng is not installed."""
    if shutil.which("espeak-ng") is None:
        sys.exit("the program espeak-ng is not installed; on Debian and Ubuntu: apt-get install espeak-ng")


def mark_letters(text: str) -> str:
    """Write a text so that espeak-ng reads its single letters by their names."""
    return " ".join(pronounce(word) for word in text.split())


def pronounce(word: str) -> str:
    """Write a word so that espeak-ng reads it correctly: "a" as a phoneme, other single letters in upper case."""
    if word == "a":
        return "[['eI]]"
    return word.upper() if len(word) == 1 else word
