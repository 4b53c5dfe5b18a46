#!/bin/sh
# Trains and exports the small models of tests/convert/coqui with Coqui STT's own code, and makes their scorer.
#
#     PYTHON=tf115/bin/python DECODER=dsctc/bin/python KENLM=kenlm/bin tools/imports/coqui.sh FOLDER
#
# PYTHON   Python 3.7 with tensorflow 1.15.5, coqui-stt-training 1.4.0 and protobuf below 3.21
# DECODER  Python 3.7 with ds_ctcdecoder 0.7.4, whose Scorer writes vocabularies
# KENLM    the folder of KenLM's build_binary
# FOLDER   alphabet.txt, and train.csv with the columns wav_filename, wav_filesize and transcript
set -eu
TOOLS=$(cd "$(dirname "$0")" && pwd)
cd "$1"
export CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1
PATH=$(dirname "$PYTHON"):$PATH # where the converter looks for its program

train() {
    "$PYTHON" -m coqui_stt_training.train --show_progressbar false --alphabet_config_path alphabet.txt \
        --train_files train.csv --train_batch_size 6 --train_cudnn false --dropout_rate 0.0 --learning_rate 0.003 \
        --checkpoint_dir "checkpoint-$1" --n_hidden "$2" --epochs "$3" --layer_norm "$4"
}
# Checkpoint, units, layer normalisation, file for TensorFlow Lite or frozen graph, 8 bits or not, output.
export_to() {
    "$PYTHON" -m coqui_stt_training.export --alphabet_config_path alphabet.txt --checkpoint_dir "checkpoint-$1" \
        --export_dir exported --remove_export true --export_language en --n_hidden "$2" --layer_norm "$3" \
        --export_tflite "$4" --export_quantize "$5"
    mv exported/output_graph.* "$6"
}
train norm 36 200 true
train plain 40 400 false
export_to norm 36 true true false float.tflite
export_to norm 36 true false false float.pb
export_to plain 40 false true true int8.tflite
export_to plain 40 false true false plain.tflite
export_to plain 40 false false false plain.pb
"$PYTHON" "$TOOLS/memmap.py" plain.pb plain.pbmm

# A language model of the transcripts and of the same words in other orders: words.arpa, by `asr lm estimate`.
"$KENLM/build_binary" -a 255 -q 8 -v trie words.arpa words.bin
"$DECODER" - <<'END'
import shutil
from ds_ctcdecoder.swigwrapper import Alphabet, Scorer

alphabet, scorer = Alphabet(), Scorer()
alphabet.init(b"alphabet.txt")
scorer.set_alphabet(alphabet)
scorer.set_utf8_mode(False)
scorer.reset_params(0.75, 1.85)
scorer.load_lm(b"words.bin")
unigrams = open("words.arpa").read().split("\\1-grams:\n")[1].split("\n\n")[0].splitlines()
words = [line.split("\t")[1] for line in unigrams]
scorer.fill_dictionary([word.encode() for word in words if not word.startswith("<")])
shutil.copy("words.bin", "words.scorer")
scorer.save_dictionary(b"words.scorer", True)
END
