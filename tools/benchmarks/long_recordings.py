"""Measure whether memory, speed and accuracy stay constant over hours of audio.

    python tools/benchmarks/long_recordings.py data/an4/test.jsonl.gz --minutes 10 60 600 --json out.json

Utterances of a manifest are joined, repeatedly and in random order, with pauses of digital silence or noise. Each
length runs in its own process, `asr transcribe` of the file, of which peak memory and time are measured. Word errors
are compared with those of the same utterances one by one.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rapidfuzz.distance import Levenshtein

from asr.corpus.cuts import load_cuts, read_waveform
from asr.evaluate.evaluate import evaluate
from asr.recognize.recognizer import load_model
from asr.text.normalize import normalize

RATE = 16000  # Hz
PAUSES = (0.2, 1.5)  # seconds between utterances, drawn evenly
Part = tuple[str, np.ndarray]  # reference and samples (S,)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", default="an4")
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 60, 600])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--noise",
        type=float,
        default=0.0,
        help="noise in the pauses, as a share of full scale: 0.001 is a room",
    )
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    recognizer = load_model(options.model)
    rows = [{"minutes": 0.0, "wer": evaluate(recognizer, load_cuts([options.manifest])).rates.wer}]
    print(f"one by one: WER {rows[0]['wer']:.2%}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for minutes in options.minutes:
            path = Path(folder) / "long.flac"
            reference = write_joined(joined(options.manifest, options.seed, options.noise), path, minutes * 60)
            row = {"minutes": minutes, **measure([*command(options.model), str(path)])}
            row["wer"] = word_error_rate(normalize(reference, recognizer.settings.normalizer), row.pop("text"))
            rows.append(row)
            print(
                f"{minutes:g} minutes: peak {row['peak_mb']:.0f} MB, {row['seconds']:.1f} s, "
                f"{60 * minutes / row['seconds']:.0f} times real time, WER {row['wer']:.2%}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Return the WER of a text of any length: only the number of edits is computed, so that memory stays linear."""
    return Levenshtein.distance(reference.split(), hypothesis.split()) / len(reference.split())


def write_joined(parts: Iterable[Part], path: Path, seconds: float) -> str:
    """Write joined utterances of at least this length, block by block. Returns the reference text."""
    samples_left, texts = round(seconds * RATE), []
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for text, samples in parts:
            file.write(samples)
            texts.append(text)
            samples_left -= len(samples)
            if samples_left <= 0:
                break
    return " ".join(texts)


def joined(manifest: Path, seed: int, noise: float) -> Iterator[Part]:
    """Yield utterances without end, each with a pause after it."""
    rng, noise_rng = random.Random(seed), np.random.default_rng(seed)
    cuts = list(load_cuts([manifest]))
    while True:
        rng.shuffle(cuts)
        for cut in cuts:
            pause = noise * noise_rng.standard_normal(int(rng.uniform(*PAUSES) * RATE), dtype=np.float32)
            yield cut.supervisions[0].text, np.concatenate([read_waveform(cut, RATE), pause])


def command(model: str) -> list[str]:
    return [sys.executable, "-m", "asr", "transcribe", "--no-punctuate", "--model", model]  # references have no marks


# A process inherits its parent's peak memory, so a small process starts it.
_LAUNCHER = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


def measure(arguments: list[str]) -> dict[str, Any]:
    """Return seconds and peak memory of a process, and its output."""
    started = time.perf_counter()
    process = subprocess.run([sys.executable, "-c", _LAUNCHER, *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with status {process.returncode}")
    peak = int(process.stderr) / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, kilobytes elsewhere
    return {"seconds": seconds, "peak_mb": peak, "text": process.stdout.strip()}


if __name__ == "__main__":
    main()
