#!/usr/bin/env bash
# Train and evaluate a recogniser for spelled words, digits and commands on CMU AN4.
#
#   recipes/an4/run.sh [CORPUS]                 CORPUS: a copy of AN4; downloaded if none is given
#   SEEDS="1 2 3" recipes/an4/run.sh [CORPUS]   the three runs of the README
#
# Interrupted? Run it again: it continues.
set -euo pipefail
corpus=${1:+$(realpath "$1")}
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"

commit=b567d132f43304e70a2b2eca6077f22255311812
downloaded=data/download/an4-$commit
if [ -z "$corpus" ] && [ ! -d $downloaded ]; then
    archive=data/download/an4.tar.gz
    url=https://github.com/cmusphinx/an4/archive/$commit.tar.gz
    mkdir -p data/download/partial
    # If the server cannot resume (curl's exit 33), start over.
    curl --fail --location --retry 5 --continue-at - --output $archive $url ||
        { [ $? = 33 ] && rm -f $archive && curl --fail --location --retry 5 --output $archive $url; }
    tar --extract --gzip --file $archive --directory data/download/partial
    mv data/download/partial/an4-$commit $downloaded
fi
corpus=${corpus:-$downloaded}
python recipes/an4/verify.py "$corpus"
asr prepare an4 "$corpus" data/an4

# Synthetic voices in addition to the real ones, so that the model knows both.
settings=("corpus.train=[data/an4/train.jsonl.gz,data/synthetic/all.jsonl.gz]")
if command -v espeak-ng >/dev/null; then
    [ -f data/synthetic/all.jsonl.gz ] || {
        python tools/voices/make_synthetic_speech.py data/synthetic --utterances 400 --seed 1
        asr prepare kaldi data/synthetic data/synthetic
    }
else
    echo "espeak-ng is not installed: training on AN4 alone" >&2
    settings=("corpus.train=[data/an4/train.jsonl.gz]" "corpus.name=CMU AN4 (training speakers)")
fi

# A language model of the training transcripts alone, for beam search
mkdir -p exp
asr lm estimate data/an4/train.txt --order 3 --output exp/an4-lm.arpa

for seed in ${SEEDS:-1}; do
    output=exp/an4-seed$seed
    asr train conf/an4.yaml "${settings[@]}" output=$output train.seed=$seed --resume auto
    asr evaluate --model $output --decoder greedy data/an4/test.jsonl.gz --json $output/greedy.json \
        --add-to-card "AN4 test, greedy"
    asr tune --model $output --lm exp/an4-lm.arpa data/an4/dev.jsonl.gz
    asr evaluate --model $output data/an4/test.jsonl.gz --json $output/beam.json --add-to-card "AN4 test, language model"
done
for kind in greedy beam; do
    python recipes/an4/summarize.py $(printf "exp/an4-seed%s/$kind.json " ${SEEDS:-1})
done
