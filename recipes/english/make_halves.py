"""Take half of the English recipe's training speech, for short trials.

python recipes/english/make_halves.py DATA OUTPUT

DATA has the manifests `train` and `synthetic`. OUTPUT gets half of each, and `again`: a part of the real half as long
as the synthetic half, under other names, to replace it.
"""

import random
import sys
from pathlib import Path

from lhotse import CutSet

from asr.corpus.cuts import load_cuts, write_manifests


def main() -> None:
    source, output = map(Path, sys.argv[1:3])
    halves = {}
    for part in ("train", "synthetic"):
        cuts = list(load_cuts([source / f"{part}.jsonl.gz"]))
        random.Random(1).shuffle(cuts)
        halves[part] = cuts[: len(cuts) // 2]
    seconds_left = sum(cut.duration for cut in halves["synthetic"])
    again = []
    for cut in halves["train"]:
        if seconds_left <= 0:
            break
        seconds_left -= cut.duration
        again.append(cut.with_id(f"again-{cut.id}"))
    write_manifests(output, {part: CutSet(cuts) for part, cuts in {**halves, "again": again}.items()})


if __name__ == "__main__":
    main()
