#!/usr/bin/env bash
# Train a general English model on five corpora, with two language models; evaluate on four test sets.
#
#   recipes/english/run.sh CORPORA TEXT DICTIONARY [KEY=VALUE ...]
#
# CORPORA: a folder with an4, speechocean762, librispeech-dev-clean-half, kathleen, ljspeech-part and esc10-noise (see
# README.md); TEXT: one sentence per line, plain or .xz; DICTIONARY: the CMU Pronouncing Dictionary, cmudict.dict
#
# Interrupted? Run it again: it continues.
set -euo pipefail
[ $# -ge 3 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
corpora=$(realpath "$1") given=$(realpath "$2") dictionary=$(realpath "$3")
shift 3
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
output=exp/english
corpora_read="speechocean762 librispeech-dev-clean-half kathleen ljspeech-part"

# Prepare each corpus, then set aside development speakers and sentences that training does not see.
if [ ! -f data/english/train.jsonl.gz ]; then
    asr prepare an4 "$corpora/an4" data/an4
    for corpus in $corpora_read; do asr prepare kaldi "$corpora/$corpus" data/"$corpus"; done
    python recipes/english/split.py data data/english
fi
# Sentences of the development set are removed from the text.
text=data/english/text.txt.gz
[ -f $text ] || python recipes/english/leave_out.py "$given" data/english/dev.txt $text

# The lexicon: words that occur three times in the text, and all of the transcripts'. Training uses the dictionary's
# pronunciations; the model keeps a lexicon that may be redistributed: guessed, except for our own exceptions.
transcripts=data/english/train.txt
if [ ! -f data/english/lexicon.txt ]; then
    words=("$text" $transcripts:3 --least 3)
    asr lexicon "$dictionary" "${words[@]}" --output data/english/dictionary.txt
    asr lexicon "$dictionary" "${words[@]}" --exceptions recipes/english/exceptions.txt --output data/english/lexicon.txt
fi

# The first language model: the text's, interpolated with the training transcripts' and pruned to a size for a package
lm=exp/english-lm
if [ ! -f $lm.bin ]; then
    mkdir -p exp
    asr lm estimate $text --order 3 --vocabulary data/english/lexicon.txt --output $lm-text.bin
    asr lm estimate $transcripts --order 3 --vocabulary data/english/lexicon.txt --output $lm-transcripts.bin
    asr lm mix $lm-text.bin $lm-transcripts.bin --dev data/english/dev.txt --output $lm-whole.bin
    asr lm prune $lm-whole.bin --keep 1200000 --output $lm.bin
fi

asr train conf/english.yaml output=$output train.augment.noise="$corpora/esc10-noise" "$@" --resume auto
# The second pass: a network trained on the same text, with the transcripts eight times
rnn=exp/english-rnn
asr lm train $text $transcripts:8 --config conf/english-lm.yaml --dev data/english/dev.txt --output $rnn --resume auto
# Tune and test once for the same networks and language model; evaluate.sh repeats the tests.
if [ ! $output/tested -nt $output/model.safetensors ] || [ ! $output/tested -nt $lm.bin ] || [ ! $output/tested -nt $rnn/model.safetensors ]; then
    asr quantize $output
    asr quantize $rnn
    cp data/english/lexicon.txt $output/lexicon.txt
    asr tune --model $output --lm $lm.bin --rescore $rnn data/english/dev.jsonl.gz
    CARD=yes recipes/english/evaluate.sh "$corpora" $output
    touch $output/tested
fi
