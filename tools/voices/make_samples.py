"""Make the recordings that come with the project, for `make demo` and the tests.

    python tools/voices/make_samples.py        # writes recipes/an4/samples and recipes/english/samples

They are synthesised by espeak-ng and flite, so nobody owns them; the sentences are our own. The synthetic speech that
`an4` is trained on leaves these phrases out. One of them is also in AN4, the command "help".
"""

from collections.abc import Mapping
from pathlib import Path

import flite
import soundfile
from espeak import RATE, Voice, mark_letters, speak
from numpy.typing import NDArray

RECIPES = Path(__file__).parents[2] / "recipes"
SAMPLES = {
    "city": "r e y k j a v i k",
    "code": "enter q u a d forty two",
    "date": "july twenty first nineteen sixty nine",
    "help": "help",
    "number": "three hundred and sixty five",
    "phone": "five five five oh one eight three",
}
VOICES = [
    Voice("en-us", "f2", rate=150),
    Voice("en-us", "m3", rate=150),
    Voice("en-gb", "f1", rate=150),
    Voice("en-gb", "f4", rate=150),
    Voice("en-gb-scotland", "m7", rate=145),
    Voice("en-us", "klatt", rate=150),
]
SENTENCES = {
    "garden": "there was nobody in the garden but the gate stood open",
    "letter": "she read the letter twice and put it back in the drawer",
    "market": "the old man sells apples and honey at the market on saturday",
    "river": "we left the village before the sun was up and walked along the river",
    "weather": "it will rain in the evening so take a coat with you",
}
READERS = ["rms", "rms", "slt", "slt", "rms"]


def main() -> None:
    sounds = [speak(mark_letters(text), voice) for text, voice in zip(SAMPLES.values(), VOICES, strict=True)]
    write(RECIPES / "an4" / "samples", SAMPLES, sounds)
    sounds = [flite.speak(text, voice) for text, voice in zip(SENTENCES.values(), READERS, strict=True)]
    write(RECIPES / "english" / "samples", SENTENCES, sounds)


def write(folder: Path, texts: Mapping[str, str], sounds: list[NDArray]) -> None:
    """Write one recording per text, and the texts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, sound in zip(texts, sounds, strict=True):
        soundfile.write(folder / f"{name}.flac", sound, RATE)
    lines = [f"{name}\t{text}\n" for name, text in texts.items()]
    (folder / "transcripts.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
