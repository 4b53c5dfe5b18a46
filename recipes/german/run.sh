#!/usr/bin/env bash
# Train a model for another language: German, from less than two hours of one voice; from english and from scratch.
#
#   recipes/german/run.sh CORPUS TEXT [KEY=VALUE ...]   CORPUS: a Kaldi folder with train, dev and test (see README.md);
#                                                       TEXT: German sentences for the language model, plain, .gz or .xz
#
# Interrupted? Run it again: it continues.
set -euo pipefail
[ $# -ge 2 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
corpus=$(realpath "$1") text=$(realpath "$2")
shift 2
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
data=data/german

[ -f $data/train.jsonl.gz ] || asr prepare kaldi "$corpus" $data
# What is read in the development and test parts must not be in the language model's text.
cat $data/dev.txt $data/test.txt > $data/left-out.txt
[ -f $data/text.txt.gz ] || python recipes/english/leave_out.py "$text" $data/left-out.txt $data/text.txt.gz
lm=exp/german-lm
if [ ! -f $lm.bin ]; then
    mkdir -p exp
    asr lm estimate $data/text.txt.gz --order 3 --spell-out-numbers de --output $lm-text.bin
    asr lm estimate $data/train.txt --order 3 --spell-out-numbers de --output $lm-transcripts.bin
    asr lm mix $lm-text.bin $lm-transcripts.bin --dev $data/dev.txt --spell-out-numbers de --output $lm-whole.bin
    asr lm prune $lm-whole.bin --keep 1000000 --output $lm.bin
fi

train() { # NAME SETTING ...
    local output=exp/$1
    asr train conf/german.yaml output="$output" "${@:2}" --resume auto
    asr tune --model "$output" --lm $lm.bin $data/dev.jsonl.gz
    asr evaluate --model "$output" --decoder greedy $data/test.jsonl.gz --json "$output/greedy.json" --add-to-card "Kerstin test, greedy"
    asr evaluate --model "$output" $data/test.jsonl.gz --json "$output/beam.json" --add-to-card "Kerstin test, language model"
}
# The network of another language has learnt what speech is; only the output layer is new.
train german train.init_from=english train.epochs=30 train.optimizer.learning_rate=1e-3 "$@"
train german-scratch acoustic.num_layers=4 "$@"
