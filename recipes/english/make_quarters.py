"""Take a quarter of the English recipe's training speech, for short trials.

python recipes/english/make_quarters.py DATA OUTPUT

DATA has the manifest `train`. OUTPUT gets `all`, a quarter of it by duration, and `few`: as much speech without Common
Voice, RoboTutor and the training parts of LibriSpeech.
"""

import random
import sys
from pathlib import Path

from lhotse import CutSet

from asr.corpus.cuts import load_cuts, write_manifests

FEW = ("an4", "speechocean762", "librispeech-dev-clean-half", "kathleen", "ljspeech-part")


def main() -> None:
    source, output = map(Path, sys.argv[1:3])
    cuts = list(load_cuts([source / "train.jsonl.gz"]))
    random.Random(1).shuffle(cuts)
    seconds = sum(cut.duration for cut in cuts) / 4
    few = [cut for cut in cuts if cut.id.startswith(FEW)]
    parts = {"all": limit(cuts, seconds), "few": limit(few, seconds)}
    write_manifests(output, {part: CutSet(chosen) for part, chosen in parts.items()})
    for part, chosen in parts.items():
        print(f"{part}: {len(chosen)} utterances, {sum(cut.duration for cut in chosen) / 3600:.2f} h")


def limit(cuts: list, seconds: float) -> list:
    """Return the first cuts that have so many seconds together."""
    chosen = []
    for cut in cuts:
        if seconds <= 0:
            break
        seconds -= cut.duration
        chosen.append(cut)
    return chosen


if __name__ == "__main__":
    main()
