"""Write tables of the Free Spoken Digit Dataset: its official split, or one that leaves a speaker out.

    python recipes/fsdd/tables.py RECORDINGS OUTPUT [SPEAKER]

A recording is called DIGIT_SPEAKER_NUMBER.wav. Officially, numbers 0 to 4 are the test. With a SPEAKER, the test is all
of that speaker's recordings, and the other parts have none of them. Of the rest, numbers 5 to 7 are dev.
"""

import sys
from pathlib import Path

from asr.atomic import atomic_write

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def part_of(speaker: str, number: int, left_out: str | None) -> str:
    """Return the part that a recording belongs to."""
    if left_out is not None:
        if speaker == left_out:
            return "test"
    elif number < 5:
        return "test"
    return "dev" if 5 <= number < 8 else "train"


def main() -> None:
    recordings, output, *left_out = sys.argv[1:]
    lines: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    for path in sorted(Path(recordings).resolve().glob("*.wav")):
        digit, speaker, number = path.stem.split("_")
        part = part_of(speaker, int(number), left_out[0] if left_out else None)
        lines[part].append(f"{path}\t{DIGITS[int(digit)]}\t{speaker}\n")
    if not all(lines.values()):
        raise SystemExit(f"{recordings}: a part is empty; expected DIGIT_SPEAKER_NUMBER.wav of several speakers")
    for part, some in lines.items():
        with atomic_write(Path(output) / f"{part}.tsv") as partial:
            partial.write_text("".join(some), encoding="utf-8")


if __name__ == "__main__":
    main()
