"""Print word error rates by group of speakers.

python recipes/english/groups.py LABEL GROUPS MANIFEST TEXTS [MODEL]

LABEL: the name of the test set. GROUPS: speechocean762's `test` folder, for children and adults, female and male; or
Common Voice's table of clips (cv-valid-dev.csv), for accents. TEXTS: the output of `asr evaluate MANIFEST --texts`.
With MODEL, its card gets one row per group.
"""

import csv
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asr.corpus.cuts import load_cuts
from asr.evaluate.report import add_result
from asr.evaluate.wer import score_utterances
from asr.recognize.model_folder import find_writable_model

ADULT = 16  # years
FEWEST = 10  # clips of an accent that has its own row


def group_by_age(corpus: Path) -> Callable[[Any], str]:
    """Return a function from a cut of speechocean762 to its group."""
    ages = dict(line.split() for line in (corpus / "spk2age").read_text(encoding="utf-8").splitlines())

    def find(cut: Any) -> str:
        supervision = cut.supervisions[0]
        age = "adults" if int(ages[supervision.speaker]) >= ADULT else "children"
        return f"{age}-{ {'f': 'female', 'm': 'male'}[supervision.gender] }"  # the manifest has the sexes

    return find


def group_by_accent(table: Path, cuts: list[Any]) -> Callable[[Any], str]:
    """Return a function from a cut of Common Voice to its accent; rare ones are grouped together."""
    accents = read_accents(table)
    found = [accents[clip_number(cut)] for cut in cuts]

    def find(cut: Any) -> str:
        accent = accents[clip_number(cut)]
        if not accent:
            return "accent not named"
        return f"accent {accent}" if found.count(accent) >= FEWEST else "other accents"

    return find


def read_accents(table: Path) -> dict[str, str]:
    """Return the accents in Common Voice's table of clips by the clips' numbers; empty where none is named."""
    with table.open(encoding="utf-8", newline="") as file:
        return {Path(row["filename"]).stem.rpartition("-")[2]: row["accent"] for row in csv.DictReader(file)}


def clip_number(cut: Any) -> str:
    """Return the number in a clip's name: cv1-000123 and sample-000123 both have 000123."""
    return str(cut.id).rpartition("-")[2]


def main() -> None:
    label, groups_of, manifest, texts = sys.argv[1], *map(Path, sys.argv[2:5])
    cuts = list(load_cuts([manifest]))
    find_group = group_by_age(groups_of) if groups_of.is_dir() else group_by_accent(groups_of, cuts)
    rows = (line.split("\t") for line in texts.read_text(encoding="utf-8").splitlines())
    pairs_by_name = {name: (reference, hypothesis) for name, reference, hypothesis in rows}
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for cut in cuts:
        groups[find_group(cut)].append(pairs_by_name[cut.id])
    for group, pairs in sorted(groups.items()):
        rates = score_utterances(*map(list, zip(*pairs, strict=True)))
        low, high = rates.wer_interval
        print(f"{group}: {rates.utterances} utterances, WER {rates.wer:.2%} ({low:.2%} to {high:.2%})")
        if len(sys.argv) > 5:
            add_result(find_writable_model(sys.argv[5]), f"{label}, {group}", rates)


if __name__ == "__main__":
    main()
