#!/usr/bin/env bash
# Train on a tenth of AN4's training speech, from nothing and from each MODEL, to see what a base model is worth.
#
#   recipes/an4/tenth.sh [MODEL ...]       MODEL: english by default; needs data/an4
#                                          (asr prepare an4 FOLDER data/an4)
#
# Interrupted? Run it again: it continues.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"

[ -f data/an4/tenth.jsonl.gz ] || python - <<'PYTHON'
from pathlib import Path

from lhotse import CutSet

from asr.corpus.cuts import load_cuts, write_manifests

# The list has a speaker's utterances together, so every tenth gives a few of each.
write_manifests(Path("data/an4"), {"tenth": CutSet(list(load_cuts(["data/an4/train.jsonl.gz"]))[::10])})
PYTHON

train() { # OUTPUT [KEY=VALUE ...]
    asr train conf/an4.yaml --resume auto output="$1" "corpus.train=[data/an4/tenth.jsonl.gz]" \
        "corpus.name='CMU AN4, every tenth utterance of the training part'" train.epochs=40 train.batch_seconds=15 \
        train.loss.consistency_weight=0 "${@:2}"
}
evaluate() { # MODEL [OPTION ...]
    asr evaluate --model "$1" "${@:2}" data/an4/test.jsonl.gz --json "exp/an4-tenth-results/$(basename "$1").json"
}
mkdir -p exp/an4-tenth-results

# A new alphabet: letters, decoded greedily
for base in "" "${@:-english}"; do
    output=exp/an4-tenth${base:+-$(basename "$base")}
    train "$output" ${base:+--from "$base"}
    evaluate "$output" --decoder greedy
done

# english's own phones, lexicon and language models: unchanged, and fine-tuned
output=exp/an4-tenth-phones
train $output --from english tokenizer.kind=phone tokenizer.lexicon=asr/models/english/lexicon.txt \
    train.optimizer.learning_rate=5e-4 train.loss.denominator_weight=0.9
asr tune --model $output --lm asr/models/english/lm.bin --rescore asr/models/english/rescore data/an4/dev.jsonl.gz
evaluate english
evaluate $output
