#!/usr/bin/env bash
# What a start from another model brings: AN4 with a tenth of its training speech, from nothing and from each MODEL.
#
#   recipes/an4/tenth.sh [MODEL ...]       data/an4 must be there (asr prepare an4 FOLDER data/an4);
#                                      MODEL: english by default
#
# Interrupted? Run it again: it goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"

[ -f data/an4/tenth.jsonl.gz ] || python - <<'PYTHON'
from pathlib import Path

from lhotse import CutSet

from asr.corpus.cuts import load_cuts, write_manifests

# Every tenth of the list, in which the utterances of a speaker stand together: a few of each.
write_manifests(Path("data/an4"), {"tenth": CutSet(list(load_cuts(["data/an4/train.jsonl.gz"]))[::10])})
PYTHON

train() { # OUTPUT [KEY=VALUE ...]
    local output=$1 resume
    [ -f "$output/model.safetensors" ] && return
    resume=$([ -f "$output/run/last.pt" ] && echo --resume || true)
    asr train conf/an4.yaml output="$output" "corpus.train=[data/an4/tenth.jsonl.gz]" \
        "corpus.name='CMU AN4, every tenth utterance of the training part'" train.epochs=40 train.batch_seconds=15 \
        train.loss.consistency_weight=0 "${@:2}" $resume
}
evaluate() { # MODEL [OPTION ...]
    asr evaluate --model "$1" "${@:2}" data/an4/test.jsonl.gz --json "exp/an4-tenth-results/$(basename "$1").json"
}
mkdir -p exp/an4-tenth-results

# A new alphabet, letters, greedy.
for base in "" "${@:-english}"; do
    output=exp/an4-tenth${base:+-$(basename "$base")}
    train "$output" ${base:+--from "$base"}
    evaluate "$output" --decoder greedy
done

# The alphabet, the words and the language models that there are: english as it is, and fitted.
output=exp/an4-tenth-phones
train $output --from english tokenizer.kind=phone tokenizer.lexicon=asr/models/english/lexicon.txt \
    train.optimizer.learning_rate=5e-4 train.loss.denominator_weight=0.9
asr tune --model $output --lm asr/models/english/lm.bin --rescore asr/models/english/rescore data/an4/dev.jsonl.gz
evaluate english
evaluate $output
