"""Transcribe with Whisper in the environment in which faster-whisper is installed; called by other benchmarks.

    python tools/benchmarks/whisper_worker.py WEIGHTS [RECORDING]

Prints the text of a recording; without one, reads the name of an .npz file with utterances (S,) at 16 kHz from standard
input, and writes their texts and seconds of processor time as JSON to standard output. int8, one thread, beam 5.
Imports nothing of asr.
"""

import json
import sys
import time
from typing import Any


def main() -> None:
    from faster_whisper import WhisperModel

    weights, *recordings = sys.argv[1:]
    model = WhisperModel(weights, device="cpu", compute_type="int8", cpu_threads=1)
    if recordings:
        print(transcribe(model, recordings[0]))
    else:
        json.dump(transcribe_all(model, sys.stdin.readline().strip()), sys.stdout)


def transcribe_all(model: Any, path: str) -> dict[str, list[Any]]:
    import numpy as np

    texts, seconds = [], []
    with np.load(path) as stored:
        waveforms = [stored[f"{index:06d}"] for index in range(len(stored.files))]
    for waveform in waveforms:
        started = time.process_time()
        texts.append(transcribe(model, waveform))
        seconds.append(time.process_time() - started)
    return {"texts": texts, "seconds": seconds}


def transcribe(model: Any, audio: Any) -> str:
    segments, _ = model.transcribe(audio, beam_size=5, language="en")
    return " ".join(segment.text.strip() for segment in segments)


if __name__ == "__main__":
    main()
