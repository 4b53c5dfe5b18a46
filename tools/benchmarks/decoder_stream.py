"""Measure whether a stream of hours is decoded as fast, and in as little memory, at its end as at its start.

    python tools/benchmarks/decoder_stream.py --hours 10 --lm lm.arpa.gz --json out.json

The posteriors are synthetic: mostly blank, a more or less clear letter every fourth frame, 25 frames per second. They
come in blocks of four seconds; after each, the best hypothesis is read and committed tokens are taken out, as live
captions do. Processor time and memory are reported for each tenth of the stream: that of the search's arrays, and
the process's own.
"""

import argparse
import itertools
import json
import resource
import string
import time
from pathlib import Path
from typing import Any

import numpy as np

from asr.config import DecoderSettings
from asr.decode.decoder import BeamDecoder, BeamStream
from asr.language.load import load_ngram

FRAMES_PER_SECOND, BLOCK_SECONDS = 25, 4
SYMBOLS = ["", " ", "'", *string.ascii_lowercase]
NUM_BLOCKS = 60  # different ones, which are repeated
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--beam", type=int, default=64)
    parser.add_argument("--lm", type=Path, help="a language model of words")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    decoder = BeamDecoder(
        SYMBOLS,
        DecoderSettings(beam_size=options.beam),
        language_model=load_ngram(options.lm) if options.lm else None,
        hotwords=["hello world"],
    )
    rows = decode_stream(decoder.start(), int(options.hours * 3600 / BLOCK_SECONDS))
    print("| hours | µs a frame | search, MB | process, MB | tokens committed |\n|--:|--:|--:|--:|--:|")
    for row in rows:
        print("| {hours:.1f} | {us_per_frame:.2f} | {array_mb:.2f} | {peak_mb:.0f} | {committed} |".format(**row))
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


def decode_stream(stream: BeamStream, num_blocks: int) -> list[Row]:
    """Decode the stream; returns a row for each tenth of it."""
    blocks = [make_block(seed) for seed in range(NUM_BLOCKS)]
    rows, committed = [], 0
    ends = [round(tenth * num_blocks / 10) for tenth in range(11)]
    for first, last in itertools.pairwise(ends):
        started = time.process_time()
        for index in range(first, last):
            stream.feed(blocks[index % NUM_BLOCKS])
            stream.best()
            committed += len(stream.commit()[0])
        seconds = time.process_time() - started
        frames = max(1, last - first) * BLOCK_SECONDS * FRAMES_PER_SECOND
        rows.append(
            {
                "hours": last * BLOCK_SECONDS / 3600,
                "us_per_frame": 1e6 * seconds / frames,
                "array_mb": stream.num_bytes / 2**20,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "committed": committed,
            }
        )
    return rows


def make_block(seed: int) -> np.ndarray:
    """Return (T, V) log probabilities."""
    rng = np.random.default_rng(seed)
    num_frames = BLOCK_SECONDS * FRAMES_PER_SECOND
    logits = rng.normal(0, 2, (num_frames, len(SYMBOLS)))
    logits[:, 0] += 8
    spoken = np.arange(0, num_frames, 4)
    logits[spoken, rng.integers(1, len(SYMBOLS), len(spoken))] += rng.uniform(8, 16, len(spoken))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


if __name__ == "__main__":
    main()
