#!/usr/bin/env bash
# Train on thirty recordings of Hebrew "yes" and "no", test on the other thirty.
#
#   recipes/yesno/run.sh [FOLDER] [KEY=VALUE ...]      FOLDER: a copy of OpenSLR 1, waves_yesno; downloaded if none is given
#
# Interrupted? Run it again: it continues.
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
        # Move the folder only when it is complete: training would accept a part.
        rm -rf data/download/partial && mkdir data/download/partial
        tar --extract --gzip --file $archive --directory data/download/partial
        mv data/download/partial/waves_yesno $folder
    }
fi

# By name, the first thirty are for training and the last thirty for the test. The name is the transcript.
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

asr train conf/yesno.yaml output=$output "$@" --resume auto
asr evaluate --model $output data/yesno/test.jsonl.gz --json $output/test.json --add-to-card "yesno test"
