"""Decode with pyctcdecode, in whatever environment it is installed: called by benchmark_decoder.py.

Reads a job as JSON on standard input, writes texts and seconds of each of its runs as JSON on
standard output. Imports nothing of asr.
"""

import json
import sys
import time

import numpy as np
from pyctcdecode import build_ctcdecoder


def main() -> None:
    job = json.load(sys.stdin)
    with np.load(job["log_probs"]) as stored:
        log_probs = [stored[f"{index:06d}"] for index in range(len(stored.files))]
    decoder = build_ctcdecoder(job["labels"], job["lm"], unigrams=job["words"])
    results = []
    for run in job["runs"]:
        decoder.reset_params(alpha=run["alpha"], beta=run["beta"])
        settings = {"beam_width": run["beam"], **run["settings"]}
        decoder.decode(log_probs[0], **settings)
        started = time.process_time()
        texts = [decoder.decode(one, **settings) for one in log_probs]
        results.append({"beam": run["beam"], "seconds": time.process_time() - started, "texts": texts})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
