"""Utterances of speechocean762 by who speaks: children and adults, female and male.

python recipes/english/groups.py CORPUS/test MANIFEST OUTPUT    writes OUTPUT/GROUP.jsonl.gz
"""

import sys
from pathlib import Path

from lhotse import CutSet

from asr.train.corpus import load_cuts

ADULT = 16  # years


def read_table(path: Path) -> dict[str, str]:
    """Two words a line."""
    return dict(line.split() for line in path.read_text(encoding="utf-8").splitlines())


def main() -> None:
    corpus, manifest, output = map(Path, sys.argv[1:])
    ages, sexes = read_table(corpus / "spk2age"), read_table(corpus / "spk2gender")
    groups: dict[str, list] = {}
    for cut in load_cuts([manifest]):
        speaker = str(cut.supervisions[0].speaker)
        age = "adults" if int(ages[speaker]) >= ADULT else "children"
        sex = {"f": "female", "m": "male"}[sexes[speaker]]
        groups.setdefault(f"{age}-{sex}", []).append(cut)
    output.mkdir(parents=True, exist_ok=True)
    for name, cuts in sorted(groups.items()):
        CutSet(cuts).to_file(output / f"{name}.jsonl.gz")
        print(f"{name}: {len({cut.supervisions[0].speaker for cut in cuts})} speakers, {len(cuts)} utterances")


if __name__ == "__main__":
    main()
