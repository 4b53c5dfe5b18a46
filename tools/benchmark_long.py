"""Do memory and speed stay flat over hours of audio? Joins real utterances and transcribes them.

    python tools/benchmark_long.py data/an4/test.jsonl.gz --minutes 10 60 600 --json out.json

Utterances of a manifest are joined, over and over in another order, with pauses between. Each
length is a process of its own: `asr transcribe` of the file, its peak memory and its time.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from asr.train.corpus import load_cuts
from asr.train.dataset import read_waveform

RATE = 16000  # Hz
PAUSES = (0.2, 1.5)  # seconds between utterances, drawn evenly


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", default="an4")
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 60, 600])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the result there, too")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in options.minutes:
            path = Path(folder) / "long.flac"
            write_joined(options.manifest, path, minutes * 60, options.seed)
            rows.append({"minutes": minutes, **measure([*command(options.model), str(path)])})
            row = rows[-1]
            print(
                f"{minutes:g} minutes: peak {row['peak_mb']:.0f} MB, {row['seconds']:.1f} s, "
                f"{60 * minutes / row['seconds']:.0f} times real time, {row['words']} words",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def write_joined(manifest: Path, path: Path, seconds: float, seed: int) -> None:
    """A recording of joined utterances, written as they come."""
    wanted = round(seconds * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for samples in joined(manifest, seed):
            file.write(samples[:wanted])
            wanted -= len(samples)
            if wanted <= 0:
                return


def joined(manifest: Path, seed: int) -> Iterator[np.ndarray]:
    """Utterances and pauses (S,), without end."""
    rng = random.Random(seed)
    cuts = list(load_cuts([manifest]))
    while True:
        rng.shuffle(cuts)
        for cut in cuts:
            yield read_waveform(cut, RATE).numpy()
            yield np.zeros(int(rng.uniform(*PAUSES) * RATE), np.float32)


def command(model: str) -> list[str]:
    return [sys.executable, "-m", "asr.cli", "transcribe", "--model", model]


def measure(arguments: list[str]) -> dict[str, Any]:
    """Seconds and peak memory of a process, and the words that it writes."""
    started = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    words = len(process.stdout.read().split())
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with status {os.waitstatus_to_exitcode(status)}")
    return {"seconds": time.perf_counter() - started, "peak_mb": _megabytes(usage), "words": words}


def _megabytes(usage: "resource.struct_rusage") -> float:
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, kilobytes elsewhere


if __name__ == "__main__":
    main()
