#!/usr/bin/env bash
# Train on thirty recordings of Hebrew "yes" and "no", test on the other thirty.
#
#   recipes/yesno/run.sh [FOLDER] [KEY=VALUE ...]      FOLDER: a copy of OpenSLR 1, waves_yesno; downloaded where none is given
#
# Interrupted? Run it again: it goes on where it stopped.
set -euo pipefail
folder=
case ${1:-} in
    "" | *=*) ;;
    *) [ -d "$1" ] || { echo "$1: no such folder" >&2; exit 2; }
        folder=$(realpath "$1"); shift ;;
esac
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
output=exp/yesno

if [ -z "$folder" ]; then
    folder=data/download/waves_yesno
    archive=data/download/waves_yesno.tar.gz
    mkdir -p data/download
    [ -d $folder ] || {
        curl --fail --location --retry 5 --output $archive https://www.openslr.org/resources/1/waves_yesno.tar.gz
        # Whole or not at all: a part would be trained and tested on.
        rm -rf data/download/partial && mkdir data/download/partial
        tar --extract --gzip --file $archive --directory data/download/partial
        mv data/download/partial/waves_yesno $folder
    }
fi

# By name the first thirty train and the last thirty test; a name is what is said.
mkdir -p data/yesno
table() {
    find "$folder" -name "*.wav" | LC_ALL=C sort | "$1" --lines=30 | while read -r file; do
        printf '%s\t%s\n' "$file" "$(basename "$file" .wav | sed 's/0/no/g; s/1/yes/g; s/_/ /g')"
    done
}
table head > data/yesno/train.tsv
table tail > data/yesno/test.tsv
asr prepare tsv data/yesno data/yesno
python recipes/yesno/pieces.py data/yesno/train.jsonl.gz data/yesno

if [ ! -f $output/model.safetensors ]; then
    resume=$([ -f $output/run/last.pt ] && echo --resume || true)
    asr train conf/yesno.yaml output=$output "$@" $resume
else
    echo "$output is trained already, settings or not; remove it to train anew" >&2
fi
asr evaluate --model $output data/yesno/test.jsonl.gz --json $output/test.json --add-to-card "yesno test"
