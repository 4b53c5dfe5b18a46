#!/usr/bin/env bash
# Train models for another language: German, from less than two hours of one voice; from english with phones and with
# letters, and from scratch.
#
#   recipes/german/run.sh CORPUS TEXT[,TEXT...] [OPTION or KEY=VALUE ...]
#
# CORPUS: a Kaldi folder with train, dev and test (see README.md); TEXT: German sentences for the language model, plain,
# .gz or .xz. Options and settings, such as --devices 2, go to all trainings.
#
# Needs espeak-ng, which pronounces the words. Interrupted? Run it again: it continues.
set -euo pipefail
[ $# -ge 2 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
corpus=$(realpath "$1")
IFS=, read -ra given <<< "$2"
found=$(realpath -e "${given[@]}") # stops if one is missing
mapfile -t given <<< "$found"
shift 2
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
data=data/german numbers=(--spell-out-numbers de)

inputs="CORPUS=$corpus TEXT=$(IFS=,; echo "${given[*]}")"
[ -f $data/train.jsonl.gz ] || { asr prepare kaldi "$corpus" $data && echo "$inputs" > $data/inputs; }
[ ! -f $data/inputs ] || [ "$(< $data/inputs)" = "$inputs" ] || { printf '%s\n' "$data was made with other inputs; go on with them, or use another clone:" "$(< $data/inputs)" >&2; exit 2; }
# What is read in the development and test parts must not be in the language model's texts.
cat $data/dev.txt $data/test.txt > $data/left-out.txt
texts=()
for number in "${!given[@]}"; do
    texts+=("$data/text$number.txt.gz")
    [ -f "${texts[-1]}" ] || python recipes/english/leave_out.py "${given[number]}" $data/left-out.txt "${texts[-1]}"
done

# All words, as espeak-ng pronounces them: those of the development part are for its loss, and no language model has them.
transcripts=$data/train.txt lexicon=$data/lexicon.txt
[ -f $lexicon ] || python tools/voices/pronounce.py "${texts[@]}" $transcripts $data/dev.txt --voice de "${numbers[@]}" --output $lexicon
lm=exp/german-lm
if [ ! -f $lm.bin ]; then
    mkdir -p exp
    parts=()
    for text in "${texts[@]}" $transcripts; do
        parts+=("$lm-part${#parts[@]}.bin")
        asr lm estimate "$text" --order 3 --vocabulary $lexicon "${numbers[@]}" --output "${parts[-1]}"
    done
    asr lm mix "${parts[@]}" --dev $data/dev.txt "${numbers[@]}" --output $lm-whole.bin
    asr lm prune $lm-whole.bin --keep 1500000 --output $lm.bin
fi

train() { # NAME SETTING ...
    local output=exp/$1
    asr train conf/german.yaml output="$output" "${@:2}" --resume auto
    asr tune --model "$output" --lm $lm.bin $data/dev.jsonl.gz
    asr evaluate --model "$output" --decoder greedy $data/test.jsonl.gz --json "$output/greedy.json" --add-to-card "Kerstin test, greedy"
    asr evaluate --model "$output" $data/test.jsonl.gz --json "$output/beam.json" --add-to-card "Kerstin test, language model"
}
# The network of another language has learnt what speech is. With phones, it knows many of the tokens, too.
start=(train.init_from=english train.epochs=30 train.optimizer.learning_rate=1e-3)
train german "${start[@]}" tokenizer.kind=phone tokenizer.lexicon=$lexicon decoder.beam_threshold=12 decoder.token_threshold=7 "$@"
train german-letters "${start[@]}" "$@"
train german-scratch acoustic.num_layers=4 "$@"
