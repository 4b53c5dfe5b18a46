#!/usr/bin/env bash
# Train two general English models from random weights, `english` and `english-tiny`, which has the encoder of Whisper
# tiny.en as its front end, on eleven corpora, with two language models; evaluate on six test sets.
#
#   recipes/english/run.sh CORPORA TEXT[,TEXT...] DICTIONARY [OPTION or KEY=VALUE ...]
#
# CORPORA: a folder with a folder for each corpus (see README.md); TEXT: one sentence per line, plain or .xz: first the
# largest, then smaller ones of everyday language; DICTIONARY: the CMU Pronouncing Dictionary, cmudict.dict. Options and
# settings, such as --devices 2, go to all trainings.
#
# PUNCTUATED=TEXT[,TEXT...] and PUNCTUATED_DEV=TEXT name text with its case and punctuation, to learn these from
# (docs/punctuation.md); a text may be weighted: novels.txt.xz,everyday.txt.xz:3
#
# Takes a night or two on two cores. Interrupted? Run it again: it continues. english-tiny needs the extra `whisper`
# (docs/whisper.md); MODELS=english leaves it out. Corpora that serve training alone may be missing. SHARE=8 takes an eighth
# of the training speech and of TEXT: a rehearsal of the whole, in a clone of its own.
set -euo pipefail
[ $# -ge 3 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
corpora=$(realpath -e "$1")
dictionary=$(realpath -e "$3") # stops if it is missing
IFS=, read -ra given <<< "$2"
found=$(realpath -e "${given[@]}")
mapfile -t given <<< "$found"
IFS=, read -ra punctuated <<< "${PUNCTUATED:-}" # with weights, so they may have other names than files
mapfile -t punctuated < <([ ${#punctuated[@]} = 0 ] || realpath "${punctuated[@]}")
[ -n "${PUNCTUATED_DEV:-}" ] || [ ${#punctuated[@]} = 0 ] || { echo "PUNCTUATED needs PUNCTUATED_DEV: other text, to watch it by" >&2; exit 2; }
[ -z "${PUNCTUATED_DEV:-}" ] || PUNCTUATED_DEV=$(realpath -e "$PUNCTUATED_DEV")
case ${MODELS:-} in '' | english) ;; *) echo "MODELS=$MODELS: expected english, to leave out english-tiny" >&2; exit 2 ;; esac
shift 3
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
share=${SHARE:-1}
inputs="CORPORA=$corpora TEXT=$(IFS=,; echo "${given[*]}") DICTIONARY=$dictionary SHARE=$share"
[[ $share =~ ^[1-9][0-9]*$ ]] || { echo "SHARE=$share: expected a whole number, such as 8 for an eighth" >&2; exit 2; }
needed="an4 speechocean762 librispeech-dev-clean-half common-voice robotutor kathleen"
more="librispeech-train-clean-5 librispeech-three common-voice-13-delta common-voice-small ljspeech-part"
for corpus in $needed esc10-noise; do
    [ -d "$corpora/$corpus" ] || { echo "there is no $corpora/$corpus, with which the models are tested or varied" >&2; exit 2; }
done

if [ -z "${MODELS:-}" ]; then # stops if the encoder is missing
    asr transcribe --model english-tiny recipes/english/samples/garden.flac > /dev/null
fi

# Prepare each corpus, then set aside development speakers and sentences that training does not see.
if [ ! -f data/english/train.jsonl.gz ]; then
    asr prepare an4 "$corpora/an4" data/an4
    there=(an4)
    for corpus in ${needed#an4} $more; do
        if [ ! -d "$corpora/$corpus" ]; then
            echo "there is no $corpora/$corpus: training without it" >&2
            continue
        fi
        asr prepare kaldi "$corpora/$corpus" data/"$corpus"
        there+=("$corpus")
    done
    python recipes/english/split.py data data/english "${there[@]}" --share "$share"
    echo "$inputs" > data/english/inputs
fi
[ ! -f data/english/inputs ] || [ "$(< data/english/inputs)" = "$inputs" ] || { printf '%s\n' "data/english was made with other inputs; go on with them, or use another clone:" "$(< data/english/inputs)" >&2; exit 2; }
# Sentences of the development set and of the test sets are removed from the texts.
cat data/english/dev.txt data/{common-voice,speechocean762,an4}/test.txt data/{librispeech-dev-clean-half,kathleen}/dev.txt > data/english/left-out.txt
texts=()
for number in "${!given[@]}"; do
    texts+=("data/english/text${number#0}.txt.gz")
    [ -f "${texts[-1]}" ] || python recipes/english/leave_out.py "${given[number]}" data/english/left-out.txt "${texts[-1]}" "$share"
done

# The models keep a lexicon that may be redistributed, guessed except for our own exceptions: words that occur 22 times in
# the whole texts (everyday language counts eight times), and all of the transcripts'. With up to 65,533, the language
# model stores each in two bytes. Training uses the dictionary's pronunciations of the same words.
transcripts=data/english/train.txt everyday=("${texts[@]:1}") least=$(((22 + share - 1) / share))
if [ ! -f data/english/lexicon.txt ]; then
    words=("${texts[0]}" "${everyday[@]/%/:8}" $transcripts:$least --least "$least")
    asr lexicon "$dictionary" "${words[@]}" --exceptions recipes/english/exceptions.txt --output data/english/lexicon.txt
fi
if [ ! -f data/english/dictionary.txt ]; then
    cut --fields 1 data/english/lexicon.txt | uniq > data/english/words.txt
    asr lexicon "$dictionary" $transcripts data/english/dev.txt data/english/words.txt --least 1 --output data/english/dictionary.txt
fi

# The first language model: those of the texts and of the training transcripts, interpolated and pruned to a size for a
# package. Trigrams seen once in the largest text would be pruned anyway.
lm=exp/english-lm
if [ ! -f $lm.bin ]; then
    mkdir -p exp
    vocabulary=(--order 3 --vocabulary data/english/lexicon.txt)
    asr lm estimate "${texts[0]}" "${vocabulary[@]}" --prune "0 0 1" --output $lm-text.bin
    [ ${#everyday[@]} = 0 ] || asr lm estimate "${everyday[@]}" "${vocabulary[@]}" --output $lm-everyday.bin
    asr lm estimate $transcripts "${vocabulary[@]}" --output $lm-transcripts.bin
    parts=($lm-text.bin ${everyday:+$lm-everyday.bin} $lm-transcripts.bin)
    asr lm mix "${parts[@]}" --dev data/english/dev.txt --output $lm-whole.bin
    asr lm prune $lm-whole.bin --keep 1500000 --output $lm.bin
fi

# The second pass: a network trained on a quarter of the largest text, on the others, and on the transcripts eight times
rnn=exp/english-rnn sample=data/english/sample.txt.gz
if [ ! -f $sample ]; then
    zcat "${texts[0]}" | awk 'NR % 4 == 1' | gzip -1 > $sample.part
    mv $sample.part $sample
fi
asr lm train $sample "${everyday[@]}" $transcripts:8 --config conf/english-lm.yaml --dev data/english/dev.txt --output $rnn --resume auto
asr quantize $rnn

# What adds punctuation and capitals
punctuator=exp/english-punctuator
[ ${#punctuated[@]} = 0 ] || asr lm punctuate train "${punctuated[@]}" --dev "$PUNCTUATED_DEV" --config conf/punctuator.yaml --output $punctuator --resume auto

# Tune and test once for the same networks and language model; evaluate.sh repeats the tests.
finish() { # MODEL
    local output=exp/$1
    [ ! "$output"/tested -nt "$output"/model.safetensors ] || [ ! "$output"/tested -nt $lm.bin ] || [ ! "$output"/tested -nt $rnn/model.safetensors ] || return 0
    asr quantize "$output"
    cp data/english/lexicon.txt "$output"/lexicon.txt
    if [ -f $punctuator/model.safetensors ]; then
        mkdir -p "$output"/punctuator
        cp $punctuator/{config.yaml,words.txt,spellings.txt,model.safetensors} "$output"/punctuator
    fi
    asr tune --model "$output" --lm $lm.bin --rescore $rnn data/english/dev.jsonl.gz
    # Confidences: each manifest counts equally, so that those of strangers hold as well; they are also in the last one.
    asr calibrate --model "$output" data/common-voice/dev.jsonl.gz data/robotutor/dev.jsonl.gz data/english/dev.jsonl.gz
    CARD=yes recipes/english/evaluate.sh "$corpora" "$output"
    touch "$output"/tested
}
train() { # CONFIG OUTPUT [KEY=VALUE ...]
    asr train conf/"$1".yaml output=exp/"$2" train.augment.noise="$corpora/esc10-noise" "${@:3}" --resume auto
}

manifests=data/english/train.jsonl.gz settings=(train.teacher=null)
if [ "${MODELS:-}" != english ]; then
    train english-tiny english-tiny "$@"
    finish english-tiny
    # english learns from english-tiny: its log probabilities, and its transcripts of speech that has none.
    settings=()
    unlabelled=$corpora/common-voice-13-delta-untranscribed
    if [ -d "$unlabelled" ]; then
        if [ ! -f data/labelled/train.jsonl.gz ]; then
            # All recordings, or with SHARE=8 every eighth
            report=exp/labelled-report.json
            rm -f $report
            find -L "$unlabelled" -type f \( -name '*.mp3' -o -name '*.flac' -o -name '*.opus' -o -name '*.wav' \) | LC_ALL=C sort |
                sed --quiet "1~${share}p" | asr transcribe --list - --model exp/english-tiny --no-punctuate --format json \
                --output-dir exp/labelled --skip-existing --report $report ||
                [ -f $report ] # all were tried: those that cannot be read are left out
            mkdir -p data/labelled
            python recipes/english/label.py exp/labelled data/labelled/train.tsv
            asr prepare tsv data/labelled data/labelled
        fi
        manifests+=,data/labelled/train.jsonl.gz
    fi
fi
train english english-first "corpus.train=[$manifests]" "${settings[@]}" "$@"

# The second training goes on from the first, with more of the speech that the first one recognised worst, some synthetic
# voices, and no masks.
if [ ${#everyday[@]} = 0 ] || ! command -v flite >/dev/null || ! command -v espeak-ng >/dev/null; then
    echo "no text of everyday language, flite or espeak-ng: training without synthetic voices" >&2
elif [ ! -f data/synthetic/train.jsonl.gz ]; then
    python tools/voices/make_synthetic_speech.py exp/synthetic/train --text "${everyday[0]}" --utterances $((600 / share))
    asr prepare kaldi exp/synthetic data/synthetic
fi
[ -f data/english-again/train.jsonl.gz ] || python recipes/english/reweight.py data data/english-again
train english english train.init_from=exp/english-first "corpus.train=[data/english-again/train.jsonl.gz]" "${settings[@]}" \
    train.epochs=3 train.optimizer.learning_rate=1e-3 train.average=1 train.augment.spec_augment=null "$@"
finish english
