"""Transcribe with another version of asr, one recording at a time; called by transcribe.py.

    PYTHONPATH=CHECKOUT python tools/benchmarks/checkout_worker.py MODEL WAVEFORMS.npz

WAVEFORMS.npz has utterances (S,) at 16 kHz. For each number on standard input, that many of them are transcribed on the
CPU in fp32, and their texts and the seconds of processor time are written as a line of JSON to standard output.
"""

import json
import sys
import time

import asr  # noqa: F401  before torch, which some versions need: it tames OpenMP

# isort: split
import numpy as np

from asr.recognize.recognizer import load_model

RATE = 16000  # Hz


def main() -> None:
    model, path = sys.argv[1:]
    recognizer = load_model(model, device="cpu", precision="fp32")
    with np.load(path) as stored:
        waveforms = [stored[f"{index:06d}"] for index in range(len(stored.files))]
    for line in sys.stdin:
        started = time.process_time()
        transcripts = [recognizer.transcribe((waveform, RATE)) for waveform in waveforms[: int(line)]]
        texts = [" ".join(word.text for word in transcript.words) for transcript in transcripts]  # without punctuation
        print(json.dumps({"texts": texts, "seconds": time.process_time() - started}), flush=True)


if __name__ == "__main__":
    main()
