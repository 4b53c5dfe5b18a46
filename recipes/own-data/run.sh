#!/usr/bin/env bash
# From a table of recordings to a model that knows them: prepare, examine, train, language model, evaluate, transcribe.
#
#   recipes/own-data/run.sh TABLE [KEY=VALUE ...]      TABLE: lines of path<TAB>text, or a folder with train.tsv, dev.tsv, test.tsv
#   NAME=mine FROM=an4 LM=texts.txt ...                where it goes (default: mine); the model to start from (default: english;
#                                                      none: FROM=); more text for the language model
#
# Interrupted? Run it again: it goes on where it stopped.
set -euo pipefail
[ $# -ge 1 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
table=$(realpath "$1")
shift
texts=${LM:+$(realpath "$LM")}
base=${FROM-english}
[ ! -f "$base/config.yaml" ] || base=$(realpath "$base")
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
name=${NAME:-mine}
case $name in *[!A-Za-z0-9._-]*) echo "NAME=$name: letters, digits, dots, dashes and underscores alone, please" >&2; exit 2 ;; esac
manifests=data/$name
output=exp/$name

asr prepare tsv "$table" $manifests
asr doctor $manifests/*.jsonl.gz || echo "training leaves these out; mend or delete them" >&2

if [ ! -f $output/model.safetensors ]; then
    resume=$([ -f $output/run/last.pt ] && echo --resume || true)
    # Weights that have learned already are changed in smaller steps, and fewer.
    gentle=${base:+train.epochs=30 train.optimizer.learning_rate=1e-3}
    asr train conf/own-data.yaml "corpus.train=[$manifests/train.jsonl.gz]" "corpus.dev=[$manifests/dev.jsonl.gz]" \
        "corpus.name='$name'" output=$output ${base:+--from "$base"} $gentle "$@" $resume
else
    echo "$output is trained already, settings or not; remove it to train anew, or take another NAME" >&2
fi

lm=exp/$name-lm.bin
asr lm train $manifests/train.txt --order 3 --output $lm
if [ -n "$texts" ]; then
    asr lm train "$texts" --order 3 --output exp/$name-texts.bin
    asr lm mix $lm exp/$name-texts.bin --dev $manifests/dev.txt --output exp/$name-mixed.bin
    lm=exp/$name-mixed.bin
fi
asr tune --model $output --lm $lm $manifests/dev.jsonl.gz

# Where there is no test part, dev must do; it chose epochs and weights, so its figures flatter.
part=$([ -f $manifests/test.jsonl.gz ] && echo test || echo dev)
asr evaluate --model $output --decoder greedy $manifests/$part.jsonl.gz --json $output/greedy.json \
    --add-to-card "$name, $part, greedy"
asr evaluate --model $output $manifests/$part.jsonl.gz --json $output/beam.json --add-to-card "$name, $part, language model"
echo "try it: asr transcribe --model $output FILE"
