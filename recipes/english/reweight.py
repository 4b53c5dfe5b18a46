"""Choose the speech of the second training: kinds of speech that the first one learned too little of count more.

python recipes/english/reweight.py DATA OUTPUT

DATA: the folder with english, and with labelled and synthetic if there are such; OUTPUT: the folder of the manifest
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from lhotse import CutSet

from asr.corpus.cuts import load_cuts, write_manifests

# Copies of an utterance in an epoch. They have names of their own, so that each is varied otherwise.
COPIES = {"speechocean762": 3}
LABELLED_STEP = 2  # every Nth recording of those that english-tiny transcribed, some of them wrongly


def choose(data: Path) -> Iterator[object]:
    """Yield the utterances of an epoch."""
    for cut in load_cuts([data / "english" / "train.jsonl.gz"]):
        yield cut
        for copy in range(2, 1 + COPIES.get(cut.id.split("-")[0], 1)):
            yield cut.with_id(f"{cut.id}-copy{copy}")
    for corpus, step in (("labelled", LABELLED_STEP), ("synthetic", 1)):
        manifest = data / corpus / "train.jsonl.gz"
        if manifest.exists():
            yield from list(load_cuts([manifest]))[::step]


def main() -> None:
    data, output = map(Path, sys.argv[1:])
    cuts = list(choose(data))
    write_manifests(output, {"train": CutSet(cuts)})
    print(f"{output}: {len(cuts)} utterances, {sum(cut.duration for cut in cuts) / 3600:.2f} h")


if __name__ == "__main__":
    main()
