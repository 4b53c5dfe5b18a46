#!/usr/bin/env bash
# Train on single spoken digits; test on the official test recordings, and on each speaker in turn, left out of training.
#
#   recipes/fsdd/run.sh FOLDER [official] [KEY=VALUE ...]     FOLDER: a copy of the Free Spoken Digit Dataset
#
# With "official" it stops after the official split; the whole takes seven trainings.
# Interrupted? Run it again: it continues.
set -euo pipefail
[ $# -ge 1 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
recordings=$(realpath "$1")/recordings
shift
only=
[ "${1:-}" = official ] && { only=official; shift; }
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"

train_and_test() { # NAME [SPEAKER]
    local data=data/fsdd/$1 output=exp/fsdd/$1
    if [ ! -f $data/test.jsonl.gz ]; then
        mkdir -p "$data"
        python recipes/fsdd/tables.py "$recordings" "$data" "${@:2}"
        asr prepare tsv "$data" "$data"
    fi
    # Half the epochs if a speaker is left out, since these are six trainings.
    asr train conf/fsdd.yaml output="$output" "corpus.train=[$data/train.jsonl.gz]" "corpus.dev=[$data/dev.jsonl.gz]" \
        ${2:+train.epochs=10 "corpus.name='Free Spoken Digit Dataset, without $2'"} "${settings[@]}" --resume auto
    asr evaluate --model "$output" "$data/test.jsonl.gz" --json "$output/test.json"
}

settings=("$@")
train_and_test official
[ -n "$only" ] && exit
speakers=$(find "$recordings" -name "*.wav" | sed 's/.*_\(.*\)_.*/\1/' | sort --unique)
for speaker in $speakers; do
    train_and_test "$speaker" "$speaker"
done
python - $speakers <<'PYTHON'
import json, statistics, sys

rates = {name: json.load(open(f"exp/fsdd/{name}/test.json"))["wer"] for name in ["official", *sys.argv[1:]]}
for name, rate in rates.items():
    print(f"{name}\t{1 - rate:.2%} of digits right")
left_out = [rates[name] for name in sys.argv[1:]]
print(f"mean over speakers left out\t{1 - statistics.mean(left_out):.2%}, standard deviation {statistics.stdev(left_out):.2%}")
PYTHON
