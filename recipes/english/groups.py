"""Utterances of speechocean762 by who speaks: children and adults, female and male.

python recipes/english/groups.py CORPUS/test MANIFEST OUTPUT    writes OUTPUT/GROUP.jsonl.gz
"""

import sys
from pathlib import Path

from lhotse import CutSet

from asr.train.corpus import load_cuts

ADULT = 16  # years


def main() -> None:
    corpus, manifest, output = map(Path, sys.argv[1:])
    # Beside sexes, which the manifest has from `asr prepare`.
    ages = dict(line.split() for line in (corpus / "spk2age").read_text(encoding="utf-8").splitlines())
    groups: dict[str, list] = {}
    for cut in load_cuts([manifest]):
        supervision = cut.supervisions[0]
        age = "adults" if int(ages[supervision.speaker]) >= ADULT else "children"
        sex = {"f": "female", "m": "male"}[supervision.gender]
        groups.setdefault(f"{age}-{sex}", []).append(cut)
    output.mkdir(parents=True, exist_ok=True)
    for name, cuts in sorted(groups.items()):
        CutSet(cuts).to_file(output / f"{name}.jsonl.gz")
        print(f"{name}: {len({cut.supervisions[0].speaker for cut in cuts})} speakers, {len(cuts)} utterances")


if __name__ == "__main__":
    main()
