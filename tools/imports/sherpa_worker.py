"""Texts and token times by sherpa-onnx; runs where that is installed, and knows nothing of asr.

python sherpa_worker.py zipformer|nemo|wenet|tdnn|stream MODEL TOKENS WAV... > RESULT.json
"""

import json
import sys
import time
import wave

import numpy as np
import sherpa_onnx


def main() -> None:
    kind, model, tokens, *recordings = sys.argv[1:]
    offline = sherpa_onnx.OfflineRecognizer
    makers = {
        "zipformer": offline.from_zipformer_ctc,
        "nemo": offline.from_nemo_ctc,
        "wenet": offline.from_wenet_ctc,
        "tdnn": offline.from_tdnn_ctc,
        "stream": sherpa_onnx.OnlineRecognizer.from_zipformer2_ctc,
    }
    recognizer = makers[kind](model=model, tokens=tokens)
    results = {}
    for recording in recordings:
        with wave.open(recording) as file:
            rate = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
        started = time.perf_counter()
        stream = recognizer.create_stream()
        stream.accept_waveform(rate, samples)
        if kind == "stream":
            stream.input_finished()
            while recognizer.is_ready(stream):
                recognizer.decode_stream(stream)
            text, times = recognizer.get_result(stream), recognizer.timestamps(stream)
        else:
            recognizer.decode_stream(stream)
            text, times = stream.result.text, stream.result.timestamps
        seconds = time.perf_counter() - started
        results[recording] = {"text": text, "times": list(times), "seconds": seconds}
    json.dump(results, sys.stdout)


main()
