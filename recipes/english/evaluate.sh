#!/usr/bin/env bash
# Evaluate on the six test sets, and by groups of speakers.
#
#   recipes/english/evaluate.sh CORPORA [MODEL [OPTION ...]]   CORPORA: as for run.sh; MODEL: english by default;
#                                                              OPTION: of asr evaluate, such as --decoder greedy
#   CARD=yes recipes/english/evaluate.sh CORPORA MODEL         also adds the results to the model's card
set -euo pipefail
[ $# -ge 1 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
corpora=$(realpath "$1") model=${2:-english} options=("${@:3}")
[ ! -f "$model/model.safetensors" ] || model=$(realpath "$model")
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
# Results go next to the model's folder; for a model that comes with asr, to exp/.
results=exp/shipped-$model-results
[ ! -d "$model" ] || results=$model-results
if [ $# -gt 2 ]; then # results with other options are kept apart
    [ -z "${CARD:-}" ] || { echo "CARD=yes takes no OPTION: the card has one result for each test" >&2; exit 2; }
    results+=-$(printf '%s' "${options[*]}" | tr -cs '[:alnum:].' -)
fi
mkdir -p "$results"

[ -f data/an4/test.jsonl.gz ] || asr prepare an4 "$corpora/an4" data/an4
for corpus in speechocean762 librispeech-dev-clean-half kathleen common-voice robotutor; do
    [ -f data/$corpus/test.jsonl.gz ] || [ -f data/$corpus/dev.jsonl.gz ] || asr prepare kaldi "$corpora/$corpus" data/$corpus
done

evaluate() { # LABEL MANIFEST
    local name=$results/${1//[ ,]/-}
    echo "$1:"
    asr evaluate --model "$model" "$2" "${options[@]}" --worst 0 --json "$name.json" --texts "$name.tsv" ${CARD:+--add-to-card "$1"}
}
evaluate "Common Voice test" data/common-voice/test.jsonl.gz
evaluate "LibriSpeech dev-clean, 4 speakers" data/librispeech-dev-clean-half/dev.jsonl.gz
evaluate "RoboTutor dev" data/robotutor/dev.jsonl.gz
evaluate "AN4 test" data/an4/test.jsonl.gz
evaluate "Kathleen dev" data/kathleen/dev.jsonl.gz
evaluate "speechocean762 test" data/speechocean762/test.jsonl.gz
group() { # LABEL GROUPS MANIFEST
    python recipes/english/groups.py "$1" "$2" "$3" "$results/${1//[ ,]/-}.tsv" ${CARD:+"$model"}
}
group "speechocean762 test" "$corpora/speechocean762/test" data/speechocean762/test.jsonl.gz
# Common Voice's table of clips, if it is there, names the accents of some.
[ ! -f "$corpora/common-voice/clips.csv" ] || group "Common Voice test" "$corpora/common-voice/clips.csv" data/common-voice/test.jsonl.gz
