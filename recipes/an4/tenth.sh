#!/usr/bin/env bash
# What a start from another model brings: AN4 with a tenth of its training speech, from nothing and from each MODEL.
#
#   recipes/an4/tenth.sh [MODEL ...]       data/an4 must be there, as recipes/an4/run.sh prepares it; MODEL: english by default
#
# Interrupted? Run it again: it goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"

[ -f data/an4/tenth.jsonl.gz ] || python - <<'PYTHON'
from lhotse import CutSet

from asr.train.corpus import load_cuts

# Every tenth of the list, in which the utterances of a speaker stand together: a few of each.
CutSet.from_cuts(list(load_cuts(["data/an4/train.jsonl.gz"]))[::10]).to_file("data/an4/tenth.jsonl.gz")
PYTHON

for base in "" "${@:-english}"; do
    output=exp/an4-tenth${base:+-$(basename "$base")}
    if [ ! -f "$output/model.safetensors" ]; then
        resume=$([ -f "$output/run/last.pt" ] && echo --resume || true)
        asr train conf/an4.yaml output="$output" "corpus.train=[data/an4/tenth.jsonl.gz]" train.epochs=40 train.batch_seconds=15 \
            train.loss.consistency_weight=0 ${base:+--from "$base"} $resume
    fi
    asr evaluate --model "$output" --decoder greedy data/an4/test.jsonl.gz --json "$output/test.json"
done
