#!/usr/bin/env bash
# From a table of recordings to a model that knows them: prepare, examine, train, language model, evaluate, transcribe.
#
#   recipes/own-data/run.sh TABLE [KEY=VALUE ...]      TABLE: lines of path<TAB>text, or a folder with train.tsv, dev.tsv, test.tsv
#   NAME=mine FROM=an4 LM=texts.txt ...                where it goes (default: mine); the model to start from (default: english;
#                                                      none: FROM=); more text for the language model
#   ENGLISH=yes ...                                    speech in English: keeps english's phones, lexicon and language models
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
name=${NAME:-mine${ENGLISH:+-english}}
case $name in .* | *[!A-Za-z0-9._-]*) echo "NAME=$name: expected letters, digits, dots, dashes and underscores, no dot first" >&2; exit 2 ;; esac
manifests=data/$name
output=exp/$name
lms=exp/$name-lm

# Once: what training has seen must not become dev.
[ -f $manifests/train.jsonl.gz ] || asr prepare tsv "$table" $manifests
asr doctor $manifests/*.jsonl.gz || echo "training leaves these out; mend or delete them" >&2

# Weights that have learned already are changed in smaller steps, and fewer.
settings=(${base:+train.epochs=30 train.optimizer.learning_rate=1e-3})
text_options=() models=()
if [ -n "${ENGLISH:-}" ]; then
    english=asr/models/english base=${base:-english} lexicon=$manifests/lexicon.txt
    # english's words in their order, which tells apart what sounds alike; then yours that it lacks, pronounced by guess:
    # all of your transcripts (three times), and those that your texts have three times.
    said=($manifests/{train,dev}.txt)
    asr lexicon $english/lexicon.txt "${said[@]}" "${said[@]}" "${said[@]}" ${texts:+"$texts"} --least 3 --spell-out-numbers en \
        --output $manifests/words.txt
    # No pronunciation has more words than english has marks to tell them apart.
    awk -F '\t' 'NR == FNR { known[$1]; if (++alike[$2] > marks) marks = alike[$2]; print; next }
        $1 in known { next }
        alike[$2] < marks { ++alike[$2]; print; next }
        { print $1 ": too many words sound like it, so it stays unknown" > "/dev/stderr" }' \
        $english/lexicon.txt $manifests/words.txt > $lexicon
    settings=(tokenizer.kind=phone tokenizer.lexicon=$lexicon normalizer.spell_out_numbers=en
        decoder.beam_threshold=15 decoder.token_threshold=9
        train.epochs=20 train.optimizer.learning_rate=5e-4 train.loss.consistency_weight=0 train.loss.denominator_weight=0.9)
    text_options=(--spell-out-numbers en --vocabulary $lexicon)
    models=($english/lm.bin)
fi

if [ ! -f $output/model.safetensors ]; then
    resume=$([ -f $output/run/last.pt ] && echo --resume || true)
    asr train conf/own-data.yaml "corpus.train=[$manifests/train.jsonl.gz]" "corpus.dev=[$manifests/dev.jsonl.gz]" \
        "corpus.name='$name'" output=$output ${base:+--from "$base"} "${settings[@]}" "$@" $resume
else
    echo "$output is trained already, settings or not; remove it to train anew, or take another NAME" >&2
fi

# A language model of the transcripts, mixed with those of other texts, where there are any.
mkdir -p $lms
asr lm train $manifests/train.txt "${text_options[@]}" --order 3 --output $lms/own.bin
[ -z "$texts" ] || asr lm train "$texts" "${text_options[@]}" --order 3 --output $lms/texts.bin
models+=($lms/own.bin ${texts:+$lms/texts.bin})
lm=${models[0]}
if [ ${#models[@]} -gt 1 ]; then
    lm=$lms/mixed.bin
    asr lm mix "${models[@]}" --dev $manifests/dev.txt ${ENGLISH:+--spell-out-numbers en} --output $lm
fi
asr tune --model $output --lm $lm ${ENGLISH:+--rescore $english/rescore} $manifests/dev.jsonl.gz

# Where there is no test part, dev must do; it chose epochs and weights, so its figures flatter.
part=$([ -f $manifests/test.jsonl.gz ] && echo test || echo dev)
echo "$name on $part, without a language model:"
asr evaluate --model $output --decoder greedy $manifests/$part.jsonl.gz --json $output/greedy.json \
    --add-to-card "$name, $part, greedy"
echo "$name on $part, with its language models:"
asr evaluate --model $output $manifests/$part.jsonl.gz --json $output/beam.json --add-to-card "$name, $part, language model"
if [ -n "${ENGLISH:-}" ]; then
    # Was training worth it? Beside english as it was, and with your words and language model alone.
    untrained=$output-untrained
    if [ ! -d $untrained ]; then
        cp -r $english $untrained
        cp $lexicon $untrained/lexicon.txt
        echo "The network of asr's model english, with the words and the language model of $name." > $untrained/README.md
    fi
    asr tune --model $untrained --lm $lm --rescore $english/rescore $manifests/dev.jsonl.gz
    echo "english's network with the same lexicon and language models ($untrained) on $part:"
    asr evaluate --model $untrained $manifests/$part.jsonl.gz --worst 0 --json $output/untrained.json
    echo "english as it is on $part:"
    asr evaluate --model english $manifests/$part.jsonl.gz --worst 0 --json $output/english.json
fi
echo "try it: asr transcribe --model $output FILE"
