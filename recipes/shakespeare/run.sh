#!/usr/bin/env bash
# Train a character model on tiny Shakespeare (1.1 million characters) and generate text with it.
#
#   recipes/shakespeare/run.sh [TEXT]          TEXT: a copy of the text; downloaded if none is given
#   SIZE=large recipes/shakespeare/run.sh      the larger model, half an hour
#
# Interrupted? Run it again: it continues.
set -euo pipefail
text=${1:+$(realpath "$1")}
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"

digest=86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed
if [ -z "$text" ]; then
    text=data/download/shakespeare.txt
    url=https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt
    mkdir -p data/download
    [ -f $text ] || { curl --fail --location --retry 5 --output $text.partial $url && mv $text.partial $text; }
fi
echo "$digest  $text" | sha256sum --check --quiet

size=${SIZE:-small}
[ "$size" = small ] && conf=conf/shakespeare.yaml || conf=conf/shakespeare-$size.yaml
output=exp/shakespeare-$size
asr lm train "$text" --config $conf --output $output --resume auto

# Score the last tenth as one continuous text.
mkdir -p data
tail --bytes 111540 "$text" > data/shakespeare-dev.txt
asr lm score $output data/shakespeare-dev.txt
asr lm generate $output --prompt "KING RICHARD:" --temperature 0.8
asr lm complete $output "O, what a n"
