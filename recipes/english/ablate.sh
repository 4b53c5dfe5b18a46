#!/usr/bin/env bash
# Measure what each idea is worth: short trainings from an4 on half of the speech, by CTC alone and otherwise with
# conf/english.yaml's settings, that differ in one thing each; error rates on the development set.
#
#   recipes/english/ablate.sh CORPORA [NAME ...]     after run.sh has prepared the data; NAME: a row of the table in
#                                                    README.md; default: all
#
# Needs espeak-ng and flite for the synthetic voices. Each row takes half an hour on one core. Two can run in parallel,
# with different names and OMP_NUM_THREADS=1.
# Interrupted? Run it again: it continues.
set -euo pipefail
[ $# -ge 1 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
noise=$(realpath "$1")/esc10-noise
shift
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
halves=data/english-halves results=exp/english-young

if [ ! -f data/english/synthetic.jsonl.gz ]; then
    # Only lines whose words all have pronunciations: training skips others.
    zcat data/english/text.txt.gz | awk 'NR == FNR { known[$1]; next } { for (i = 1; i <= NF; i++) if (!($i in known)) next; print }' \
        data/english/dictionary.txt - > data/english/known.txt
    python tools/voices/make_synthetic_speech.py data/synthetic-text --text data/english/known.txt --utterances 3600 --seed 2
    asr prepare kaldi data/synthetic-text data/synthetic-text
    cp data/synthetic-text/all.jsonl.gz data/english/synthetic.jsonl.gz
fi
# Half of the utterances, and a repeated part as long as the synthetic voices, so that all epochs are equally long
[ -f $halves/again.jsonl.gz ] || python recipes/english/make_halves.py data/english $halves

settings_of() { # NAME
    case $1 in
        base) ;;
        synthetic) echo "corpus.train=[$halves/train.jsonl.gz,$halves/synthetic.jsonl.gz]" ;;
        letters) echo tokenizer.kind=char tokenizer.lexicon=null ;;  # as in an4, so its output layer is kept
        subword) echo tokenizer.kind=subword tokenizer.lexicon=null ;;  # 256 units of SentencePiece
        no-masks) echo train.augment.spec_augment=null ;;
        no-speeds) echo "train.augment.speeds=[1.0]" ;;
        no-noise) echo train.augment.noise_probability=0 train.augment.reverberation_probability=0 train.augment.telephone_probability=0 ;;
        no-dropout) echo acoustic.dropout=0 ;;
        intermediate) echo train.loss.intermediate_weight=0.3 ;;
        denominator) echo train.loss.denominator_weight=0.9 ;;
        two-views) echo train.loss.consistency_weight=0.2 train.epochs=2 ;;  # each of these epochs is twice the work
        *) echo "there is no row $1" >&2 && return 2 ;;
    esac
}
[ $# -gt 0 ] || set -- base synthetic letters subword no-masks no-speeds no-noise no-dropout denominator intermediate two-views
for row in "$@"; do
    output=$results/$row changes=$(settings_of "$row")
    # The decoder's weights are close to those that english was tuned to.
    # shellcheck disable=SC2086  # several settings
    asr train conf/english.yaml output=$output train.init_from=an4 train.augment.noise="$noise" \
        "corpus.train=[$halves/train.jsonl.gz,$halves/again.jsonl.gz]" train.epochs=4 train.average=1 \
        train.loss.denominator_weight=0 train.optimizer.learning_rate=1.0e-3 \
        decoder.alpha=0.8 decoder.beta=1.1 decoder.blank_penalty=1 decoder.beam_size=256 $changes --resume auto
    cp data/english/lexicon.txt $output/lexicon.txt
    cp exp/english-lm.bin $output/lm.bin
    asr evaluate --model $output data/english/dev.jsonl.gz --worst 0 --json $results/$row.json --texts $results/$row.tsv
done
shopt -s nullglob
others=("$results"/[!b]*.tsv)
if [ -f $results/base.tsv ] && [ ${#others[@]} -gt 0 ]; then python tools/compare_results.py $results/base.tsv "${others[@]}"; fi
