#!/usr/bin/env bash
# What each idea brings: from one model, one more epoch with all of them, and one each without; error rates on the development set.
#
#   recipes/english/ablate.sh CORPORA [NAME ...]     after run.sh has prepared; NAME: a line of the table in README.md, all by default
#   MODEL=english ...                                where all begin
#
# Interrupted? Run it again: it goes on where it stopped.
set -euo pipefail
[ $# -ge 1 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
noise=$(realpath "$1")/esc10-noise
shift
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
model=${MODEL:-english}
results=exp/english-ablation

# As much real speech in the place of synthetic voices: a part of it twice.
[ -f data/english/again.jsonl.gz ] || python - <<'PYTHON'
import random
from pathlib import Path

from lhotse import CutSet

from asr.train.corpus import load_cuts, write_manifests

folder = Path("data/english")
cuts = list(load_cuts([folder / "train.jsonl.gz"]))
random.Random(1).shuffle(cuts)
wanted = sum(cut.duration for cut in load_cuts([folder / "synthetic.jsonl.gz"]))
chosen = []
while wanted > 0:
    chosen.append(cuts.pop())
    wanted -= chosen[-1].duration
write_manifests(folder, {"again": CutSet([cut.with_id(f"again-{cut.id}") for cut in chosen])})
PYTHON

settings_of() { # NAME
    case $1 in
        everything) ;;
        no-masks) echo train.augment.spec_augment=null ;;
        no-speeds) echo "train.augment.speeds=[1.0]" ;;
        no-noise) echo train.augment.noise_probability=0 train.augment.reverberation_probability=0 train.augment.telephone_probability=0 ;;
        no-synthetic) echo "corpus.train=[data/english/train.jsonl.gz,data/english/again.jsonl.gz]" ;;
        intermediate) echo train.loss.intermediate_weight=0.3 ;;
        *) echo "there is no line $1" >&2 && return 2 ;;
    esac
}
[ $# -gt 0 ] || set -- everything no-masks no-speeds no-noise no-synthetic intermediate
for row in "$@"; do
    output=$results/$row changes=$(settings_of "$row")
    if [ ! -f $output/model.safetensors ]; then
        resume=$([ -f $output/run/last.pt ] && echo --resume || true)
        # The decoder's weights are those that english was tuned to; one view, since that halves the work.
        # shellcheck disable=SC2086  # several settings
        asr train conf/english.yaml output=$output train.init_from="$model" train.augment.noise="$noise" train.epochs=1 \
            train.average=1 train.loss.consistency_weight=0 train.batch_seconds=46 train.optimizer.learning_rate=5e-4 \
            decoder.alpha=0.9 decoder.beta=0.6 decoder.blank_penalty=1.5 decoder.beam_size=256 $changes $resume
    fi
    cp asr/models/english/lexicon.txt asr/models/english/lm.bin $output
    asr evaluate --model $output data/english/dev.jsonl.gz --worst 0 --json $results/$row.json
done
python - $results/*.json <<'PYTHON'
import json
import sys
from pathlib import Path

for path in map(Path, sys.argv[1:]):
    print(f"{path.stem}\t{json.loads(path.read_text())['wer']:.2%}")
PYTHON
