"""Take an eighth of the English recipe's training speech, for short trials.

python recipes/english/make_trial_data.py DATA OUTPUT [CLIPS ACCENT]

DATA has the manifests `english/train` and `labelled/train`. OUTPUT gets `all`, an eighth of the first by duration;
`few`, as much of it without Common Voice, RoboTutor and LibriSpeech's train-clean sets; and `labelled`, an eighth of
the second, if that is there. With Common Voice's table of CLIPS and an ACCENT of it, the clips whose speakers name that
accent are in none of them but in `accent`, with those of the development set: an accent to test with.
"""

import random
import sys
from pathlib import Path

from groups import clip_number, read_accents
from lhotse import CutSet

from asr.corpus.cuts import load_cuts, write_manifests

FEW = ("an4", "speechocean762", "librispeech-dev-clean-half", "kathleen", "ljspeech-part")
CLIPS = ("common-voice-cv1-", "common-voice-sample-")  # how the names of the table's clips start


def main() -> None:
    source, output = map(Path, sys.argv[1:3])
    cuts = shuffled(source / "english" / "train.jsonl.gz")
    seconds = sum(cut.duration for cut in cuts) / 8
    parts = {}
    if sys.argv[3:]:
        accents, accent = read_accents(Path(sys.argv[3])), sys.argv[4]
        if accent not in accents.values():
            names = ", ".join(sorted(set(filter(None, accents.values()))))
            sys.exit(f"{sys.argv[3]}: no speaker names the accent {accent!r}; there are {names}")
        everything = [*cuts, *load_cuts([source / "english" / "dev.jsonl.gz"])]
        parts["accent"] = [
            cut for cut in everything if cut.id.startswith(CLIPS) and accents[clip_number(cut)] == accent
        ]
        left_out = {cut.id for cut in parts["accent"]}
        cuts = [cut for cut in cuts if cut.id not in left_out]
    few = [cut for cut in cuts if cut.id.startswith(FEW)]
    parts |= {"all": limit(cuts, seconds), "few": limit(few, seconds)}
    if (manifest := source / "labelled" / "train.jsonl.gz").exists():
        labelled = shuffled(manifest)
        parts["labelled"] = limit(labelled, sum(cut.duration for cut in labelled) / 8)
    write_manifests(output, {part: CutSet(chosen) for part, chosen in parts.items()})
    for part, chosen in parts.items():
        print(f"{part}: {len(chosen)} utterances, {sum(cut.duration for cut in chosen) / 3600:.2f} h")


def shuffled(manifest: Path) -> list:
    """Return the manifest's cuts in an order that is always the same."""
    cuts = list(load_cuts([manifest]))
    random.Random(1).shuffle(cuts)
    return cuts


def limit(cuts: list, seconds: float) -> list:
    """Return the first cuts, until they last that many seconds in all."""
    chosen = []
    for cut in cuts:
        if seconds <= 0:
            break
        seconds -= cut.duration
        chosen.append(cut)
    return chosen


if __name__ == "__main__":
    main()
