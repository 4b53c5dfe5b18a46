#!/usr/bin/env bash
# From a table of recordings to a model: prepare, check, train, make a language model, tune, evaluate.
#
#   recipes/own-data/run.sh TABLE [KEY=VALUE ...]      TABLE: lines of path<TAB>text, or a folder with train.tsv, dev.tsv, test.tsv
#   NAME=mine FROM=an4 LM=texts.txt ...                name of the model (default: mine); model to start from (default:
#                                                      english; none: FROM=); more text for the language model
#   PHONES=de LM=texts.txt ...                         phones in place of letters, as espeak-ng pronounces German
#   ENGLISH=yes ...                                    for English: keep english's phones, lexicon and language models
#   WHISPER=tiny ...                                   a pre-trained encoder as the front end (docs/whisper.md); starts
#                                                      from no model unless FROM names one
#   WHISPER=tiny.en ENGLISH=yes ...                    both; starts from english-tiny
#
# Interrupted? Run it again: it continues.
set -euo pipefail
[ $# -ge 1 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
table=$(realpath "$1")
shift
if [ -n "${PHONES:-}" ] && [ -z "${LM:-}" ]; then
    echo "PHONES=$PHONES needs LM=texts.txt: words that are in no text are not recognised" >&2
    exit 2
elif [ -n "${PHONES:-}" ] && [ -n "${ENGLISH:-}" ]; then
    echo "PHONES=$PHONES is for other languages: ENGLISH=yes keeps the phones of english" >&2
    exit 2
fi
texts=${LM:+$(realpath -e "$LM")}
[ ! -d "${WHISPER:-}" ] || WHISPER=$(realpath "$WHISPER")
base=${FROM-}
[ -n "${FROM+set}${WHISPER:-}" ] || base=english
[ ! -f "$base/config.yaml" ] || base=$(realpath "$base")
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
name=${NAME:-mine${ENGLISH:+-english}}
case $name in .* | *[!A-Za-z0-9._-]*) echo "NAME=$name: expected letters, digits, dots, dashes and underscores, no dot first" >&2; exit 2 ;; esac
manifests=data/$name
output=exp/$name
lms=exp/$name-lm

# Only once: what training has seen must not become dev.
if [ -f $manifests/train.jsonl.gz ]; then
    echo "$manifests is there and is kept; for a table that has changed remove it and $output, or set NAME" >&2
else
    asr prepare tsv "$table" $manifests
fi
asr doctor $manifests/*.jsonl.gz || { status=$?; [ $status = 1 ] || exit $status; echo "training leaves these out; fix or delete them" >&2; }

# A trained network needs fewer and smaller steps.
settings=(${base:+train.epochs=30 train.optimizer.learning_rate=1e-3})
[ -z "${WHISPER:-}" ] || settings+=(features.kind=whisper features.encoder="$WHISPER" acoustic.num_layers=2)
text_options=() models=()
if [ -n "${ENGLISH:-}" ]; then
    general=english
    [ "${WHISPER:-}" != tiny.en ] || general=english-tiny
    english=asr/models/$general lexicon=$manifests/lexicon.txt
    # There is no model on other encoders to start from.
    [ -n "${FROM+set}" ] || case ${WHISPER:-} in '' | tiny.en) base=$general ;; esac
    # english's lexicon, and the words that it lacks: all of your transcripts (weighted three times), and those that occur
    # three times in your texts.
    asr lexicon $english/lexicon.txt $manifests/train.txt:3 $manifests/dev.txt:3 ${texts:+"$texts"} --least 3 \
        --spell-out-numbers en --base $english/lexicon.txt --output $lexicon
    settings+=(tokenizer.kind=phone tokenizer.lexicon=$lexicon normalizer.spell_out_numbers=en
        decoder.beam_threshold=12 decoder.token_threshold=7
        train.loss.consistency_weight=0 train.loss.denominator_weight=0.9)
    settings+=(${base:+train.epochs=20 train.optimizer.learning_rate=5e-4})
    text_options=(--spell-out-numbers en --vocabulary $lexicon)
    models=($english/lm.bin)
elif [ -n "${PHONES:-}" ]; then
    lexicon=$manifests/lexicon.txt
    [ -f $lexicon ] || python tools/voices/pronounce.py $manifests/train.txt $manifests/dev.txt "$texts" --voice "$PHONES" --output $lexicon
    settings+=(tokenizer.kind=phone tokenizer.lexicon=$lexicon decoder.beam_threshold=12 decoder.token_threshold=7)
    text_options=(--vocabulary $lexicon)
fi

asr train conf/own-data.yaml "corpus.train=[$manifests/train.jsonl.gz]" "corpus.dev=[$manifests/dev.jsonl.gz]" \
    "corpus.name='$name'" output=$output ${base:+--from "$base"} "${settings[@]}" "$@" --resume auto

# A language model of the transcripts, interpolated with that of your other texts if you gave any
mkdir -p $lms
asr lm estimate $manifests/train.txt "${text_options[@]}" --order 3 --output $lms/own.bin
[ -z "$texts" ] || asr lm estimate "$texts" "${text_options[@]}" --order 3 --output $lms/texts.bin
models+=($lms/own.bin ${texts:+$lms/texts.bin})
lm=${models[0]}
if [ ${#models[@]} -gt 1 ]; then
    lm=$lms/mixed.bin
    asr lm mix "${models[@]}" --dev $manifests/dev.txt ${ENGLISH:+--spell-out-numbers en} --output $lm
fi
asr tune --model $output --lm $lm ${ENGLISH:+--rescore $english/rescore} $manifests/dev.jsonl.gz

# Without a test part, use dev. It chose epochs and weights, so its figures are optimistic.
part=$([ -f $manifests/test.jsonl.gz ] && echo test || echo dev)
echo "$name on $part, without a language model:"
asr evaluate --model $output --decoder greedy $manifests/$part.jsonl.gz --json $output/greedy.json \
    --add-to-card "$name, $part, greedy"
echo "$name on $part, with its language models:"
asr evaluate --model $output $manifests/$part.jsonl.gz --json $output/beam.json --add-to-card "$name, $part, language model"
if [ -n "${ENGLISH:-}" ]; then
    # Was training worth it? Compare with the model unchanged, and with your words and language model alone.
    untrained=$output-untrained
    if [ ! -d $untrained ]; then
        cp -r $english $untrained
        cp $lexicon $untrained/lexicon.txt
        echo "The network of asr's model $general with the lexicon and language model of $name." > $untrained/README.md
    fi
    asr tune --model $untrained --lm $lm --rescore $english/rescore $manifests/dev.jsonl.gz
    echo "$general's network with the same lexicon and language models ($untrained) on $part:"
    asr evaluate --model $untrained $manifests/$part.jsonl.gz --worst 0 --json $output/untrained.json
    echo "$general unchanged on $part:"
    asr evaluate --model $general $manifests/$part.jsonl.gz --worst 0 --json $output/english.json
fi
echo "try it: asr transcribe --model $output FILE"
