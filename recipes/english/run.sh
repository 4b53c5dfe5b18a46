#!/usr/bin/env bash
# Train a general English model on five corpora, with two language models; evaluate on four test sets.
#
#   recipes/english/run.sh CORPORA TEXT DICTIONARY [KEY=VALUE ...]
#
# CORPORA: a folder with an4, speechocean762, librispeech-dev-clean-half, kathleen, ljspeech-part and esc10-noise (README.md
# says what they are); TEXT: sentences, one a line, plain or .xz; DICTIONARY: words and their phones, a line each, as the CMU
# Pronouncing Dictionary has them
#
# Interrupted? Run it again: it goes on where it stopped.
set -euo pipefail
[ $# -ge 3 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
corpora=$(realpath "$1") given=$(realpath "$2") dictionary=$(realpath "$3")
shift 3
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
output=exp/english
corpora_read="speechocean762 librispeech-dev-clean-half kathleen ljspeech-part"

# Data: each corpus by itself, a development set that none of the training speakers or sentences is in.
if [ ! -f data/english/train.jsonl.gz ]; then
    asr prepare an4 "$corpora/an4" data/an4
    for corpus in $corpora_read; do asr prepare kaldi "$corpora/$corpus" data/"$corpus"; done
    python recipes/english/split.py data data/english
fi
# What development says is no text to learn from.
text=data/english/text.txt.gz
[ -f $text ] || python recipes/english/leave_out.py "$given" data/english/dev.txt $text

# The words to know: those that the text says three times, and all of the transcripts. Training hears them as the dictionary
# pronounces them; the model keeps a lexicon that can be passed on, which is guessed but for our own exceptions.
said=data/english/train.txt
if [ ! -f data/english/lexicon.txt ]; then
    words=("$text" $said $said $said --least 3)
    asr lexicon "$dictionary" "${words[@]}" --output data/english/dictionary.txt
    asr lexicon "$dictionary" "${words[@]}" --exceptions recipes/english/exceptions.txt --output data/english/lexicon.txt
fi

# A language model: of the text, mixed with one of the transcripts of training, whose manner of speaking is that of the tests,
# and pruned to what a package can hold.
lm=exp/english-lm
if [ ! -f $lm.bin ]; then
    mkdir -p exp
    asr lm train $text --order 3 --vocabulary data/english/lexicon.txt --output $lm-text.bin
    asr lm train $said --order 3 --vocabulary data/english/lexicon.txt --output $lm-said.bin
    asr lm mix $lm-text.bin $lm-said.bin --dev data/english/dev.txt --output $lm-whole.bin
    asr lm prune $lm-whole.bin --keep 1200000 --output $lm.bin
fi

if [ ! -f $output/model.safetensors ]; then
    resume=$([ -f $output/run/last.pt ] && echo --resume || true)
    asr train conf/english.yaml output=$output train.augment.noise="$corpora/esc10-noise" "$@" $resume
else
    echo "$output is trained already, settings or not; remove it to train anew" >&2
fi
# A second pass: a network that reads the same text, the transcripts eight times.
rnn=exp/english-rnn
if [ ! -f $rnn/model.safetensors ]; then
    resume=$([ -f $rnn/run/last.pt ] && echo --resume || true)
    asr lm train $text $said $said $said $said $said $said $said $said --kind rnn --config conf/english-lm.yaml \
        --dev data/english/dev.txt --output $rnn $resume
fi
# Tuned and tested once for the same networks and language model; evaluate.sh reads the tests again.
if [ ! $output/tested -nt $output/model.safetensors ] || [ ! $output/tested -nt $lm.bin ] || [ ! $output/tested -nt $rnn/model.safetensors ]; then
    asr quantize $output
    asr quantize $rnn
    cp data/english/lexicon.txt $output/lexicon.txt
    asr tune --model $output --lm $lm.bin --rescore $rnn data/english/dev.jsonl.gz
    CARD=yes recipes/english/evaluate.sh "$corpora" $output
    touch $output/tested
fi
