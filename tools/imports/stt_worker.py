"""Texts by the runtime of Coqui STT or DeepSpeech; runs where that is installed (Python 3.9), and knows nothing of asr.

python stt_worker.py stt|deepspeech MODEL SCORER|- BEAM WAV... > RESULT.json
"""

import json
import sys
import time
import wave

import numpy as np

_BLOCK = 4000  # samples that a stream is fed at a time


def main() -> None:
    package, path, scorer, beam, *recordings = sys.argv[1:]
    model = __import__(package).Model(path)
    model.setBeamWidth(int(beam))
    if scorer != "-":
        model.enableExternalScorer(scorer)
    results = {}
    for recording in recordings:
        with wave.open(recording) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        started = time.perf_counter()
        text = model.stt(samples)
        seconds = time.perf_counter() - started
        stream = model.createStream()
        for start in range(0, len(samples), _BLOCK):
            stream.feedAudioContent(samples[start : start + _BLOCK])
        results[recording] = {"text": text, "stream": stream.finishStream(), "seconds": seconds}
    json.dump(results, sys.stdout)


main()
