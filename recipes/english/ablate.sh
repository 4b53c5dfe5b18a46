#!/usr/bin/env bash
# Measure what each idea is worth to people whom the network never heard: short trainings with an eighth of the speech
# that differ from conf/english.yaml in one thing each; error rates on the development set, and on its Common Voice.
#
#   recipes/english/ablate.sh CORPORA [NAME ...]     NAME: a row of a table in README.md; default: all but pitch and codecs,
#                                                    which need pedalboard (pip), and impulses
#   ACCENT=england recipes/english/ablate.sh ...     without the clips of CORPORA/common-voice whose speakers name that
#                                                    accent, with error rates on these
#   IMPULSES=FOLDER recipes/english/ablate.sh CORPORA impulses    FOLDER: has impulse responses of microphones and rooms
#
# Comes after run.sh, of which it needs the data, english-tiny, the speech that it has labelled and the language model.
#
# Each row takes twenty minutes on one core; once the first trains, start it again, with other rows, to use two.
# Interrupted? Run it again: it continues.
set -euo pipefail
[ $# -ge 1 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
noise=$(realpath "$1")/esc10-noise accent=(${ACCENT:+"$(realpath "$1")/common-voice/clips.csv" "$ACCENT"})
impulses=${IMPULSES:+$(realpath "$IMPULSES")}
shift
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
trials=data/english-trials${ACCENT:+-without-$ACCENT} results=exp/english-trials${ACCENT:+-without-$ACCENT}
mkdir -p "$results"/{common-voice,accent}

[ -f $trials/few.jsonl.gz ] || python recipes/english/make_trial_data.py data $trials "${accent[@]}"

settings_of() { # NAME
    case $1 in
        base) ;;
        few-speakers) echo "corpus.train=[$trials/few.jsonl.gz]" ;;
        labelled) echo "corpus.train=[$trials/all.jsonl.gz,$trials/labelled.jsonl.gz] train.epochs=3" ;; # a seventh fewer steps
        no-teacher) echo train.teacher=null ;;
        no-vocal-tract) echo train.augment.vocal_tract=null ;;
        three-speeds) echo "train.augment.speeds=[0.9,1.0,1.1]" ;;
        one-level) echo train.augment.gain_db=null ;;
        no-noise) echo train.augment.noise_probability=0 train.augment.reverberation_probability=0 train.augment.telephone_probability=0 ;;
        no-masks) echo train.augment.spec_augment=null ;;
        pitch | codecs | impulses) echo "corpus.train=[$trials/$1/train.jsonl.gz]" ;;
        ctc) echo train.loss.denominator_weight=0 ;;
        no-intermediate) echo train.loss.intermediate_weight=0 ;;
        three-layers) echo acoustic.num_layers=3 ;;
        wide) echo acoustic.hidden_size=384 ;;
        *) echo "there is no row $1" >&2 && return 2 ;;
    esac
}
[ $# -gt 0 ] || set -- base few-speakers labelled no-teacher no-vocal-tract three-speeds one-level no-noise no-masks ctc no-intermediate three-layers wide
for row in "$@"; do
    output=$results/$row changes=$(settings_of "$row")
    case $row in pitch | codecs | impulses)
        [ -f "$trials/$row/train.jsonl.gz" ] ||
            python recipes/english/vary_speech.py $trials/all.jsonl.gz "$trials/$row" "$row" ${impulses:+"$impulses"} ;;
    esac
    # The same weights for all, not tuned to each row.
    # shellcheck disable=SC2086  # several settings
    asr train conf/english.yaml output=$output train.augment.noise="$noise" \
        "corpus.train=[$trials/all.jsonl.gz]" train.epochs=5 train.average=1 train.feature_cache=$results/features \
        decoder.alpha=0.9 decoder.beta=1.0 decoder.blank_penalty=0.5 decoder.beam_size=256 $changes --devices 1 --resume auto
    cp data/english/lexicon.txt $output/lexicon.txt
    cp exp/english-lm.bin $output/lm.bin
    asr evaluate --model $output data/english/dev.jsonl.gz --worst 0 --json $results/$row.json --texts $results/$row.tsv
    [ -z "${ACCENT:-}" ] || asr evaluate --model $output $trials/accent.jsonl.gz --worst 0 --texts $results/accent/$row.tsv
done

# Compare what there is with base: on all of the development set, on its speakers of Common Voice, and on the accent.
[ -f $results/base.tsv ] || exit 0
for texts in $results/*.tsv; do grep '^common-voice' "$texts" > $results/common-voice/"${texts##*/}" || rm $results/common-voice/"${texts##*/}"; done
for folder in $results $results/common-voice $results/accent; do
    others=$(find $folder -maxdepth 1 -name '*.tsv' ! -name base.tsv | sort)
    # shellcheck disable=SC2086  # several files
    [ -z "$others" ] || [ ! -f $folder/base.tsv ] || python tools/compare_results.py $folder/base.tsv $others
done
