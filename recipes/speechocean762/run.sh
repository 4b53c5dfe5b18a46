#!/usr/bin/env bash
# Fit the model `english` to people who learned English after Mandarin; test both on speakers that neither heard.
#
#   recipes/speechocean762/run.sh FOLDER [KEY=VALUE ...]      FOLDER: a copy of speechocean762 (OpenSLR 101)
#
# Interrupted? Run it again: it goes on where it stopped.
set -euo pipefail
[ $# -ge 1 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
corpus=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
output=exp/speechocean762

if [ ! -f data/speechocean762/own/train.jsonl.gz ]; then
    asr prepare kaldi "$corpus" data/speechocean762
    python recipes/english/split.py data data/speechocean762/own speechocean762
fi
if [ ! -f $output/model.safetensors ]; then
    resume=$([ -f $output/run/last.pt ] && echo --resume || true)
    asr train conf/speechocean762.yaml output=$output "$@" $resume
else
    echo "$output is trained already, settings or not; remove it to train anew" >&2
fi
asr tune --model $output --lm asr/models/english/lm.bin --rescore asr/models/english/rescore data/speechocean762/own/dev.jsonl.gz

# What it is worth: beside the model that it began from.
test=data/speechocean762/test.jsonl.gz
asr evaluate --model english $test --json exp/speechocean762-english.json
asr evaluate --model $output $test --json $output/test.json --add-to-card "speechocean762 test"
