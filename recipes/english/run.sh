#!/usr/bin/env bash
# Train a general English model on five corpora and synthetic voices, with a language model; evaluate on four test sets.
#
#   recipes/english/run.sh CORPORA TEXT DICTIONARY [KEY=VALUE ...]
#
# CORPORA: a folder with an4, speechocean762, librispeech-dev-clean-half, kathleen and ljspeech-part; TEXT: sentences, one a
# line, plain or .xz; DICTIONARY: words and their phones, a line each, as the CMU Pronouncing Dictionary has them
#
# Needs espeak-ng and flite. Interrupted? Run it again: it goes on where it stopped.
set -euo pipefail
[ $# -ge 3 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
corpora=$(realpath "$1") text=$(realpath "$2") dictionary=$(realpath "$3")
shift 3
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
output=exp/english
corpora_read="speechocean762 librispeech-dev-clean-half kathleen ljspeech-part"

# Data: each corpus by itself, a development set that none of the training speakers or sentences is in, synthetic voices.
if [ ! -f data/english/train.jsonl.gz ]; then
    asr prepare an4 "$corpora/an4" data/an4
    for corpus in $corpora_read; do asr prepare kaldi "$corpora/$corpus" data/"$corpus"; done
    python recipes/english/split.py data data/english
fi
if [ ! -f data/english/synthetic.jsonl.gz ]; then
    python tools/make_synthetic_speech.py data/synthetic-text --text "$text" --utterances 3600
    asr prepare kaldi data/synthetic-text data/synthetic-text
    cp data/synthetic-text/all.jsonl.gz data/english/synthetic.jsonl.gz
fi

# The words to know: those that the text says three times, and all of the transcripts.
said=data/english/train.txt
if [ ! -f data/english/lexicon.txt ]; then
    read=data/synthetic-text/all.txt
    asr lexicon "$dictionary" "$text" $said $said $said $read $read $read --least 3 \
        --exceptions recipes/english/exceptions.txt --output data/english/lexicon.txt
fi

# A language model: the text, and eight times the transcripts of training, whose manner of speaking is that of the tests.
if [ ! -f exp/english-lm.bin ]; then
    mkdir -p exp
    asr lm train "$text" $said $said $said $said $said $said $said $said --order 3 --prune "0 4 9" --vocabulary data/english/lexicon.txt \
        --output exp/english-lm.bin
fi

if [ ! -f $output/model.safetensors ]; then
    resume=$([ -f $output/run/last.pt ] && echo --resume || true)
    asr train conf/english.yaml output=$output "$@" $resume
fi
asr tune --model $output --lm exp/english-lm.bin data/english/dev.jsonl.gz

evaluate() { # NAME MANIFEST [OPTION ...]
    asr evaluate --model $output "${@:2}" --add-to-card "$1"
}
python recipes/english/groups.py "$corpora/speechocean762/test" data/speechocean762/test.jsonl.gz data/speechocean762/groups
evaluate "LibriSpeech dev-clean, 4 speakers" data/librispeech-dev-clean-half/dev.jsonl.gz
evaluate "speechocean762 test" data/speechocean762/test.jsonl.gz
for group in data/speechocean762/groups/*.jsonl.gz; do
    evaluate "speechocean762 test, $(basename "$group" .jsonl.gz)" "$group"
done
evaluate "AN4 test" data/an4/test.jsonl.gz
evaluate "Kathleen dev" data/kathleen/dev.jsonl.gz
