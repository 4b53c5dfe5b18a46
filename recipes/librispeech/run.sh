#!/usr/bin/env bash
# Train on LibriSpeech with the GPUs of one or several machines, and evaluate.
#
#   recipes/librispeech/run.sh CORPUS               CORPUS: LibriSpeech as published, with train-clean-100, dev-clean ...
#   SIZE=960 recipes/librispeech/run.sh CORPUS      all 960 hours; default: 100
#   GPUS=8 ...                                      processes on this machine; default: all its GPUs
#   NODES=4 RANK=0 MASTER=host:29500 ...            the same command on each machine, with RANK 0 to 3
#   recipes/librispeech/run.sh CORPUS KEY=VALUE ... change settings
#
# On several machines data/ and exp/ must be on a file system that all of them see.
# Interrupted? Run it again: it continues.
set -euo pipefail
[ $# -ge 1 ] || { sed --quiet '2,/^[^#]/ s/^# \?//p' "$0" >&2; exit 2; }
corpus=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"

size=${SIZE:-100} nodes=${NODES:-1} rank=${RANK:-0} master=${MASTER:-localhost:29500}
gpus=${GPUS:-$(python -c "import torch; print(max(1, torch.cuda.device_count()))")}

# To try this out, Kaldi folders train and dev with a part of the corpus are enough.
data=data/librispeech output=exp/librispeech-$size dev=dev-clean layout=librispeech parts=
if [ ! -d "$corpus/dev-clean" ]; then
    [ -d "$corpus/dev" ] || { echo "$corpus: neither dev-clean, as LibriSpeech is published, nor dev, as in Kaldi folders" >&2; exit 1; }
    data=$data-trial output=$output-trial dev=dev layout=kaldi
    parts="corpus.train=[$data/train.jsonl.gz] corpus.dev=[$data/dev.jsonl.gz] corpus.name=part-of-LibriSpeech"
fi
prepared=$data/prepared-$size

if [ ! -f "$prepared" ] && [ "$rank" = 0 ]; then
    asr prepare $layout "$corpus" $data
    touch "$prepared"
fi
until [ -f "$prepared" ]; do sleep 10; done # rank 0 prepares for all machines

torchrun --nnodes="$nodes" --node-rank="$rank" --nproc-per-node="$gpus" \
    --master-addr="${master%:*}" --master-port="${master#*:}" \
    -m asr train conf/librispeech-"$size".yaml output=$output $parts "$@" --resume auto
[ "$rank" = 0 ] || exit 0

# A language model of the training transcripts; librispeech-lm-norm.txt.gz (openslr.org/11) makes a better one.
texts=$data/train-clean-100.txt lm=$output-lm.arpa.gz
[ "$size" = 100 ] && [ -f $texts ] || texts=$data/train*.txt
# shellcheck disable=SC2086  # several files
asr lm estimate $texts --order 3 --prune "0 0 1" --output $lm
asr tune --model $output --lm $lm $data/$dev.jsonl.gz
for part in dev dev-clean dev-other test-clean test-other; do
    manifest=$data/$part.jsonl.gz
    [ ! -f $manifest ] || asr evaluate --model $output $manifest --json $output/$part.json --add-to-card "LibriSpeech $part"
done
