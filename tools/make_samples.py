"""The recordings that ship with the project: `python tools/make_samples.py` writes recipes/an4/samples.

Synthesised by espeak-ng, so they belong to nobody; each has its own voice. The synthetic speech
that a model may be trained on leaves their phrases out. Of AN4's training phrases one is among
them, the command "help".
"""

from pathlib import Path

import soundfile
from espeak import RATE, Voice, speak, spell

FOLDER = Path(__file__).parent.parent / "recipes" / "an4" / "samples"
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


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for (name, text), voice in zip(SAMPLES.items(), VOICES, strict=True):
        soundfile.write(FOLDER / f"{name}.flac", speak(spell(text), voice), RATE)
    lines = [f"{name}\t{text}\n" for name, text in SAMPLES.items()]
    (FOLDER / "transcripts.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
