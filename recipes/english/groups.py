"""Print word error rates on speechocean762 by speaker group: children and adults, female and male.

python recipes/english/groups.py CORPUS/test MANIFEST TEXTS [MODEL]

TEXTS is the output of `asr evaluate MANIFEST --texts`; with MODEL, its card gets one row per group.
"""

import sys
from pathlib import Path

from asr.corpus.cuts import load_cuts
from asr.evaluate.report import add_result
from asr.evaluate.wer import score_utterances
from asr.recognize.model_folder import find_writable_model

ADULT = 16  # years


def main() -> None:
    corpus, manifest, texts = map(Path, sys.argv[1:4])
    # The manifest already has the sexes, from `asr prepare`.
    ages = dict(line.split() for line in (corpus / "spk2age").read_text(encoding="utf-8").splitlines())
    rows = (line.split("\t") for line in texts.read_text(encoding="utf-8").splitlines())
    pairs_by_name = {name: (reference, hypothesis) for name, reference, hypothesis in rows}
    groups: dict[str, list[tuple[str, str]]] = {}
    for cut in load_cuts([manifest]):
        supervision = cut.supervisions[0]
        age = "adults" if int(ages[supervision.speaker]) >= ADULT else "children"
        sex = {"f": "female", "m": "male"}[supervision.gender]
        groups.setdefault(f"{age}-{sex}", []).append(pairs_by_name[cut.id])
    for group, pairs in sorted(groups.items()):
        rates = score_utterances(*map(list, zip(*pairs, strict=True)))
        low, high = rates.wer_interval
        print(f"{group}: {rates.utterances} utterances, WER {rates.wer:.2%} ({low:.2%} to {high:.2%})")
        if len(sys.argv) > 4:
            add_result(find_writable_model(sys.argv[4]), f"speechocean762 test, {group}", rates)


if __name__ == "__main__":
    main()
