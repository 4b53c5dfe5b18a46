"""Decode with pyctcdecode in the environment in which it is installed; called by decoder.py.

Reads a job as JSON from standard input and writes texts and seconds of each of its runs as JSON to standard output.
Imports nothing of asr. `median_seconds` times the other decoders too.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

MEASURED_SECONDS = 1.0  # at least so much processor time, of as many passes as that takes
Texts = list[str]


def median_seconds(decode: Callable[[], Texts]) -> tuple[float, Texts]:
    """Return the median processor time of a pass (several if they are short), and its result."""
    seconds: list[float] = []
    while not seconds or sum(seconds) < MEASURED_SECONDS:
        started = time.process_time()
        texts = decode()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds), texts


def main() -> None:
    from pyctcdecode import build_ctcdecoder

    job = json.load(sys.stdin)
    with np.load(job["log_probs"]) as stored:
        log_probs = [stored[f"{index:06d}"] for index in range(len(stored.files))]
    decoder = build_ctcdecoder(job["labels"], job["lm"], unigrams=job["words"])
    results = []
    for run in job["runs"]:
        decoder.reset_params(alpha=run["alpha"], beta=run["beta"])
        settings = {"beam_width": run["beam"], **run["settings"]}
        decoder.decode(log_probs[0], **settings)
        seconds, texts = median_seconds(partial(decode_all, decoder, log_probs, settings))
        results.append({"beam": run["beam"], "seconds": seconds, "texts": texts})
    json.dump(results, sys.stdout)


def decode_all(decoder: Any, log_probs: list[np.ndarray], settings: dict[str, Any]) -> Texts:
    return [decoder.decode(one, **settings) for one in log_probs]


if __name__ == "__main__":
    main()
