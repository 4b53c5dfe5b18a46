"""Measure accuracy and speed of transcription, next to the same network in torch, Whisper and PocketSphinx 5.

    python tools/benchmarks/transcribe.py --model english --precision int8 fp32 --torch --whisper FOLDER \
        --whisper-python PYTHON --set "AN4 test=data/an4/test.jsonl.gz" --json out.json

All get the same samples in memory, one recording at a time, on one core. The figures are word error rates with 95 %
intervals, and real-time factors: seconds of processor time over seconds of audio. asr makes several passes over each
set, in which its precisions, the networks in torch and another version of asr (--checkout) take turns, and with
--batched also batches of recordings, as `asr transcribe` takes many files; of these the figures are medians. The peers
make one pass: Whisper in faster-whisper, with the weights in FOLDER and by the Python of the environment that has it;
PocketSphinx, if it is installed and unless --no-pocketsphinx is given, with its US English model. All texts are
normalised in the same way. NAME=MANIFEST::4 takes every fourth utterance by name. --texts writes what
`tools/compare_results.py` reads.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np

from asr.corpus.cuts import load_cuts, read_waveform
from asr.evaluate.evaluate import reference_text
from asr.evaluate.wer import score_utterances
from asr.recognize.recognizer import Recognizer, load_model
from asr.text.normalize import normalize
from asr.transcript.transcript import Transcript

RATE = 16000  # Hz, of all models
BENCHMARKS = Path(__file__).parent
TORCH, CHECKOUT, WHISPER = "asr, torch", "asr, checkout", "Whisper"
Row = dict[str, Any]
Texts = list[str]
Run = Callable[[Sequence[np.ndarray]], tuple[Texts, float]]  # texts, seconds of processor time


@dataclass(frozen=True)
class TestSet:
    """Utterances: names, waveforms (S,) and normalised references."""

    name: str
    utterances: list[str]
    waveforms: list[np.ndarray]
    references: list[str]

    @property
    def seconds(self) -> float:
        """Seconds of audio."""
        return sum(map(len, self.waveforms)) / RATE


def main() -> None:
    options = parse_options()
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    recognizers = load_recognizers(options)
    normalizer = next(iter(recognizers.values())).settings.normalizer
    rows: list[Row] = []
    for item in options.sets:
        test = read_set(item, options.utterances, lambda text: normalize(text, normalizer))
        with saved(test.waveforms) as path, running_checkout(options, path) as checkout:
            runs = make_runs(recognizers, batched=options.batched) | checkout
            results = time_runs(runs, test.waveforms, options.passes)
            peers = {WHISPER: run_whisper(path, options), "PocketSphinx": run_pocketsphinx(test.waveforms, options)}
        for peer, result in peers.items():
            if result is not None:
                results[peer] = [normalize(text, normalizer) for text in result[0]], result[1]
        rows += [make_row(test, name, *result) for name, result in results.items()]
        if options.texts:
            write_texts(options.texts, test, {name: texts for name, (texts, _) in results.items()})
    print_rows(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="an4", help="a model folder or name")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="NAME=MANIFEST[::STEP]; repeatable")
    parser.add_argument("--precision", nargs="+", default=["auto"], help="auto, fp32, bf16, int8")
    parser.add_argument("--torch", action="store_true", help="also run the network in torch, in fp32")
    parser.add_argument("--checkout", type=Path, help="also run the version of asr in this folder, in fp32")
    parser.add_argument("--batched", action="store_true", help="also measure asr in batches of recordings")
    parser.add_argument("--utterances", type=int, help="about how many of each set; default: all")
    parser.add_argument("--passes", type=int, default=3, help="how often asr transcribes each set")
    parser.add_argument("--whisper", help="a folder of Whisper's weights for faster-whisper")
    parser.add_argument("--whisper-python", default=sys.executable, help="Python of an environment with faster-whisper")
    parser.add_argument("--no-pocketsphinx", dest="pocketsphinx", action="store_false", help="leave it out: it is slow")
    parser.add_argument("--texts", type=Path, help="also write references and hypotheses to files in this folder")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    return parser.parse_args()


def load_recognizers(options: argparse.Namespace) -> dict[str, Recognizer]:
    """Load asr with each precision and, if that is asked for, with its network in torch."""
    recognizers = {
        f"asr, {precision}": load_model(options.model, device="cpu", precision=precision)
        for precision in options.precision
    }
    if options.torch:
        import torch
        from torch_recognizer import with_torch

        torch.set_num_threads(1)
        recognizers[TORCH] = with_torch(next(iter(recognizers.values())), options.model)
    return recognizers


def read_set(item: str, most: int | None, clean: Callable[[str], str]) -> TestSet:
    """Read NAME=MANIFEST[::STEP], of whose utterances about as many as `most` are taken."""
    name, _, rest = item.partition("=")
    manifest, _, step = rest.partition("::")
    cuts = sorted(load_cuts([Path(manifest)]), key=lambda cut: cut.id)[:: int(step or 1)]
    cuts = cuts[:: max(1, len(cuts) // most)] if most else cuts
    references = [clean(reference_text(cut)) for cut in cuts]
    return TestSet(name, [cut.id for cut in cuts], [read_waveform(cut, RATE) for cut in cuts], references)


def make_runs(recognizers: dict[str, Recognizer], *, batched: bool) -> dict[str, Run]:
    runs: dict[str, Run] = {name: partial(_one_by_one, recognizer) for name, recognizer in recognizers.items()}
    if batched:
        runs |= {f"{name}, batched": partial(_in_batches, recognizer) for name, recognizer in recognizers.items()}
    return runs


def _one_by_one(recognizer: Recognizer, waveforms: Sequence[np.ndarray]) -> tuple[Texts, float]:
    started = time.process_time()
    texts = [recognized_text(recognizer.transcribe((waveform, RATE))) for waveform in waveforms]
    return texts, time.process_time() - started


def _in_batches(recognizer: Recognizer, waveforms: Sequence[np.ndarray]) -> tuple[Texts, float]:
    started = time.process_time()
    results = list(recognizer.transcribe_many([(waveform, RATE) for waveform in waveforms], jobs=1))
    return [recognized_text(result) for result in results], time.process_time() - started


def recognized_text(transcript: Transcript) -> str:
    """Return the words without punctuation and capitals, which are not scored."""
    return " ".join(word.text for word in transcript.words)


def time_runs(runs: dict[str, Run], waveforms: Sequence[np.ndarray], passes: int) -> dict[str, tuple[Texts, float]]:
    """Return the texts of each, and the median seconds of a pass; they take turns, in alternating order."""
    for run in runs.values():
        run(waveforms[:2])  # compiles and allocates
    texts: dict[str, Texts] = {}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(passes):
        for name in list(runs)[:: -1 if number % 2 else 1]:
            texts[name], elapsed = runs[name](waveforms)
            seconds[name].append(elapsed)
    return {name: (texts[name], statistics.median(seconds[name])) for name in runs}


@contextmanager
def saved(waveforms: Sequence[np.ndarray]) -> Iterator[Path]:
    """Save waveforms to a file for the time of the context."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "waveforms.npz"
        np.savez(path, **{f"{index:06d}": waveform for index, waveform in enumerate(waveforms)})
        yield path


@contextmanager
def running_checkout(options: argparse.Namespace, path: Path) -> Iterator[dict[str, Run]]:
    """Start the version of asr in the folder of --checkout, if there is one, on saved waveforms."""
    if options.checkout is None:
        yield {}
        return
    command = [sys.executable, str(BENCHMARKS / "checkout_worker.py"), options.model, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(options.checkout)}
    with subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, text=True) as worker:

        def run(waveforms: Sequence[np.ndarray]) -> tuple[Texts, float]:
            print(len(waveforms), file=worker.stdin, flush=True)
            result = json.loads(worker.stdout.readline())
            return result["texts"], result["seconds"]

        yield {CHECKOUT: run}


def run_whisper(path: Path, options: argparse.Namespace) -> tuple[Texts, float] | None:
    """Return texts and seconds for saved waveforms; None if no weights are given."""
    if options.whisper is None:
        return None
    command = [options.whisper_python, str(BENCHMARKS / "whisper_worker.py"), options.whisper]
    result = json.loads(subprocess.run(command, input=f"{path}\n", stdout=PIPE, text=True, check=True).stdout)
    return result["texts"], sum(result["seconds"])


def run_pocketsphinx(waveforms: Sequence[np.ndarray], options: argparse.Namespace) -> tuple[Texts, float] | None:
    """Return texts and seconds; None if it is not installed, or not wanted."""
    if not options.pocketsphinx:
        return None
    try:
        from pocketsphinx import Decoder
    except ImportError:
        print("PocketSphinx is left out: pip install pocketsphinx", file=sys.stderr)
        return None
    decoder = Decoder(samprate=RATE, loglevel="FATAL")
    texts = []
    started = time.process_time()
    for waveform in waveforms:
        decoder.start_utt()
        decoder.process_raw((waveform.clip(-1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        texts.append(hypothesis.hypstr if hypothesis else "")
    return texts, time.process_time() - started


def make_row(test: TestSet, recognizer: str, texts: Texts, seconds: float) -> Row:
    rates = score_utterances(test.references, texts)
    return {
        "set": test.name,
        "recognizer": recognizer,
        "utterances": rates.utterances,
        "words": rates.words,
        "wer": rates.wer,
        "wer_interval": list(rates.wer_interval),
        "real_time_factor": seconds / test.seconds,
    }


def write_texts(folder: Path, test: TestSet, results: dict[str, Texts]) -> None:
    """Write one file for each recogniser, as `asr evaluate --texts` does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, texts in results.items():
        rows = zip(test.utterances, test.references, texts, strict=True)
        path = folder / (re.sub(r"\W+", "-", f"{test.name} {name}") + ".tsv")
        path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def print_rows(rows: Sequence[Row]) -> None:
    """Print a table with the speed of each recogniser over that of others on the same set."""
    factors = {(row["set"], row["recognizer"]): row["real_time_factor"] for row in rows}
    others = [name for name in (TORCH, CHECKOUT, WHISPER) if any(name == recognizer for _, recognizer in factors)]
    titles = ["set", "recogniser", "utterances", "WER", "95 % interval", "real-time factor"]
    print("|", " | ".join([*titles, *(f"speed over {name}" for name in others)]), "|")
    print("|---" * (len(titles) + len(others)) + "|")
    for row in rows:
        low, high = row["wer_interval"]
        ratios = [f"{factors[row['set'], name] / row['real_time_factor']:.2f}" for name in others]
        line = [row["set"], row["recognizer"], str(row["utterances"]), f"{row['wer']:.2%}"]
        line += [f"{low:.2%} to {high:.2%}", f"{row['real_time_factor']:.4f}", *ratios]
        print("|", " | ".join(line), "|")


if __name__ == "__main__":
    main()
