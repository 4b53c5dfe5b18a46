"""Measure speed and accuracy of transcription, next to PocketSphinx 5 and Whisper.

    python tools/benchmarks/transcribe.py --model an4 --set "AN4 test=data/an4/test.jsonl.gz" \
        --precision fp32 int8 --utterances 200 --json out.json

All get the same samples in memory, in one process on one core, one after another: asr in batches, as
`asr transcribe` takes many files; PocketSphinx, with the US English model that comes with it, and Whisper, in
faster-whisper with the weights in the folder given by --whisper, one utterance at a time. The figure is wall-clock time
over audio time, for asr the median of several passes. Peers that are not installed are left out. Then the cold
start: `asr transcribe` of a recording of three seconds, the whole process, against `python -c "import torch"`,
medians of several turns each.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asr  # noqa: F401  before torch: it tames OpenMP

# isort: split
import numpy as np
import soundfile
import torch

from asr.corpus.cuts import load_cuts, read_waveform
from asr.evaluate.evaluate import reference_text
from asr.evaluate.wer import ErrorRates, score_utterances
from asr.recognize.recognizer import Recognizer, load_model
from asr.text.normalize import normalize

RATE = 16000  # Hz, of all models
Row = dict[str, Any]


def main() -> None:
    options = parse_options()
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    torch.set_num_threads(1)
    recognizers = {precision: load_model(options.model, precision=precision) for precision in options.precision}
    rows: list[Row] = []
    for item in options.sets:
        name, _, manifest = item.partition("=")
        rows += measure_set(name, Path(manifest), recognizers, options)
    print_rows(rows)
    cold = measure_cold_start(options.model, options.turns) if options.turns else {}
    for name, seconds in cold.items():
        print(f"cold start, {name}: {seconds:.2f} s")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "cold_start": cold}, indent=1) + "\n", encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="an4", help="a model folder or name")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="NAME=MANIFEST; repeatable")
    parser.add_argument("--precision", nargs="+", default=["fp32"], help="fp32, bf16, int8")
    parser.add_argument("--utterances", type=int, help="about how many of each set; default: all")
    parser.add_argument("--passes", type=int, default=3, help="how often asr transcribes each set")
    parser.add_argument("--turns", type=int, default=5, help="repetitions of the cold start; 0 skips it")
    parser.add_argument("--whisper", help="a folder of Whisper's weights for faster-whisper")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    return parser.parse_args()


def measure_set(
    name: str, manifest: Path, recognizers: dict[str, Recognizer], options: argparse.Namespace
) -> list[Row]:
    cuts = sorted(load_cuts([manifest]), key=lambda cut: cut.id)
    if options.utterances:
        cuts = cuts[:: max(1, len(cuts) // options.utterances)]
    waveforms = [read_waveform(cut, RATE) for cut in cuts]
    seconds = sum(map(len, waveforms)) / RATE
    normalizer = next(iter(recognizers.values())).settings.normalizer
    references = [normalize(reference_text(cut), normalizer) for cut in cuts]
    rows = []
    for precision, recognizer in recognizers.items():
        texts, elapsed = run_asr(recognizer, waveforms, options.passes)
        rows.append(make_row(name, f"asr, {precision}", score_utterances(references, texts), elapsed / seconds))
    peers = {"PocketSphinx": run_pocketsphinx(waveforms), "Whisper": run_whisper(waveforms, options.whisper)}
    for peer, result in peers.items():
        if result is not None:
            texts, elapsed = result
            rates = score_utterances(references, [normalize(text, normalizer) for text in texts])
            rows.append(make_row(name, peer, rates, elapsed / seconds))
    return rows


def run_asr(recognizer: Recognizer, waveforms: Sequence[np.ndarray], passes: int) -> tuple[list[str], float]:
    """Return the texts, and the median time of a pass in seconds."""
    sources = [(waveform, RATE) for waveform in waveforms]
    list(recognizer.transcribe_many(sources[:2], jobs=1))  # compiles and allocates
    times = []
    for _ in range(passes):
        started = time.perf_counter()
        results = list(recognizer.transcribe_many(sources, jobs=1))
        times.append(time.perf_counter() - started)
    return [result.text for result in results], statistics.median(times)


def run_pocketsphinx(waveforms: Sequence[np.ndarray]) -> tuple[list[str], float] | None:
    """Return texts and seconds; None if it is not installed."""
    try:
        from pocketsphinx import Decoder
    except ImportError:
        print("PocketSphinx is left out: pip install pocketsphinx", file=sys.stderr)
        return None
    decoder = Decoder(samprate=RATE, loglevel="FATAL")
    texts = []
    started = time.perf_counter()
    for waveform in waveforms:
        decoder.start_utt()
        decoder.process_raw((waveform.clip(-1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        texts.append(hypothesis.hypstr if hypothesis else "")
    return texts, time.perf_counter() - started


def run_whisper(waveforms: Sequence[np.ndarray], folder: str | None) -> tuple[list[str], float] | None:
    """Return texts and seconds; None if no weights are given or faster-whisper is not installed."""
    if folder is None:
        return None
    try:
        from faster_whisper import WhisperModel
    except ImportError:
        print("Whisper is left out: pip install faster-whisper", file=sys.stderr)
        return None
    model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1)
    texts = []
    started = time.perf_counter()
    for waveform in waveforms:
        segments, _ = model.transcribe(waveform, beam_size=5, language="en")
        texts.append(" ".join(segment.text for segment in segments))
    return texts, time.perf_counter() - started


def make_row(name: str, recognizer: str, rates: ErrorRates, real_time_factor: float) -> Row:
    return {
        "set": name,
        "recognizer": recognizer,
        "utterances": rates.utterances,
        "words": rates.words,
        "wer": rates.wer,
        "wer_interval": list(rates.wer_interval),
        "real_time_factor": real_time_factor,
    }


def print_rows(rows: Sequence[Row]) -> None:
    print("| set | recogniser | utterances | WER | 95 % interval | real-time factor |")
    print("|---|---|--:|--:|--:|--:|")
    for row in rows:
        low, high = row["wer_interval"]
        print(
            f"| {row['set']} | {row['recognizer']} | {row['utterances']} | {row['wer']:.2%} | "
            f"{low:.2%} to {high:.2%} | {row['real_time_factor']:.4f} |"
        )


def measure_cold_start(model: str, turns: int) -> dict[str, float]:
    """Return the median seconds of whole processes, run in turns; the first turn, which fills caches, is ignored."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "three.wav"
        soundfile.write(path, np.random.default_rng(0).standard_normal(3 * RATE) * 0.01, RATE)
        commands = {
            "import torch": [sys.executable, "-c", "import torch"],
            "asr transcribe, three seconds": [
                sys.executable,
                "-m",
                "asr",
                "transcribe",
                "-m",
                model,
                str(path),
            ],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(turns + 1):
            for name, command in commands.items():
                started = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                if turn:
                    times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in times.items()}
    first, second = medians.values()
    return medians | {"ratio": second / first}


if __name__ == "__main__":
    main()
