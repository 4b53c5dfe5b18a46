#!/usr/bin/env bash
# Adapt the model `english` to speakers of Mandarin, by its decoder's weights alone and by training; test both on other
# speakers.
#
#   recipes/speechocean762/run.sh FOLDER [KEY=VALUE ...]      FOLDER: a copy of speechocean762 (OpenSLR 101)
#
# Interrupted? Run it again: it continues.
set -euo pipefail
[ $# -ge 1 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
corpus=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
english=asr/models/english
output=exp/speechocean762 tuned=exp/speechocean762-tuned results=exp/speechocean762-results

if [ ! -f data/speechocean762/own/train.jsonl.gz ]; then
    asr prepare kaldi "$corpus" data/speechocean762
    python recipes/english/split.py data data/speechocean762/own speechocean762
fi
asr train conf/speechocean762.yaml output=$output "$@" --resume auto
# english's own network, of which only the decoder's weights are tuned
rm -rf $tuned
cp -r $english $tuned
for model in $output $tuned; do
    asr tune --model $model --lm $english/lm.bin --rescore $english/rescore data/speechocean762/own/dev.jsonl.gz
done

# Compare both with english itself.
mkdir -p $results
for model in english $tuned $output; do
    echo "$(basename $model), dev and test:"
    card=() # the tuned copy still has english's card
    [ $model != $output ] || card=(--add-to-card "speechocean762 test")
    asr evaluate --model $model data/speechocean762/own/dev.jsonl.gz --worst 0
    asr evaluate --model $model data/speechocean762/test.jsonl.gz --worst 0 \
        --json $results/"$(basename $model)".json --texts $results/"$(basename $model)".tsv "${card[@]}"
done
python tools/compare_results.py $results/english.tsv $results/speechocean762-tuned.tsv $results/speechocean762.tsv
