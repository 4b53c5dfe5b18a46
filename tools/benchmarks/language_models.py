"""Measure what a language model gains and costs: greedy, n-grams, a second pass, recurrent fusion.

    python tools/benchmarks/language_models.py --model MODEL --lm LM.arpa --rnn RNN \
        --dev DEV.jsonl.gz --test TEST.jsonl.gz [--json out.json]

The network runs once; every way of decoding gets the same log probabilities. Weights are tuned on the development
data, as by `asr tune`; the test data is only measured. Time is that of decoding alone, utterance by utterance, in one
thread. A paired bootstrap compares each way with the n-grams alone.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import asr  # noqa: F401  before torch: it tames OpenMP

# isort: split
import torch
from rich.console import Console

from asr.cli.console import ConsoleReporter
from asr.corpus.cuts import load_cuts
from asr.evaluate.evaluate import collect_log_probs
from asr.evaluate.tune import Speech, tune
from asr.evaluate.wer import compare, score_utterances
from asr.recognize.language_models import LANGUAGE_MODELS, RESCORER
from asr.recognize.model_folder import find_model
from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import Recognizer, load_model
from asr.runtime.network import LogProbs

Row = dict[str, Any]
BASELINE = "n-grams"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a model folder, or a name that `asr models` lists")
    parser.add_argument("--lm", type=Path, required=True, help="n-grams, ARPA or binary")
    parser.add_argument("--rnn", type=Path, required=True, help="the folder of a recurrent language model")
    parser.add_argument("--dev", type=Path, required=True, help="manifest to choose the weights by")
    parser.add_argument("--test", type=Path, required=True, help="manifest to measure")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        result = measure(options, Path(scratch))
    print(f"{'':28} {'WER %':>7} {'95 %':>15} {'CER %':>7} {'ms a second':>12}   against n-grams, WER % (95 %)")
    for row in result["rows"]:
        print(describe(row))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def measure(options: argparse.Namespace, scratch: Path) -> Row:
    console = Console(stderr=True)
    folders = tune_folders(options, scratch, console)
    speech, seconds = listen(folders[BASELINE], options.test)
    texts: dict[str, list[str]] = {}
    rows: list[Row] = []
    for name, folder in folders.items():
        recognizer = load_model(
            folder, device="cpu", decoding=DecodingOptions(decoder="greedy" if name == "greedy" else None)
        )
        texts[name], elapsed = decode(recognizer, speech.log_probs)
        rates = score_utterances(speech.references, texts[name])
        rows.append(
            {
                "name": name,
                "wer": rates.wer,
                "wer_interval": rates.wer_interval,
                "cer": rates.cer,
                "milliseconds_per_second": 1000 * elapsed / seconds,
                "decoder": recognizer.settings.decoder.model_dump(),
                "rescoring": recognizer.settings.rescoring.model_dump(),
            }
        )
    for row in rows:
        difference = compare(speech.references, texts[BASELINE], texts[row["name"]])
        row["difference"], row["difference_interval"] = difference.difference, difference.interval
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads"
    return {"machine": machine, "utterances": len(speech.references), "seconds": seconds, "rows": rows}


def tune_folders(options: argparse.Namespace, scratch: Path, console: Console) -> dict[str, Path]:
    """Make a model folder for each way of decoding, with its language models and tuned weights."""
    original = find_model(options.model)
    rnn, lm = options.rnn, options.lm
    choices: dict[str, list[tuple[Path | None, Path | None]]] = {
        "greedy": [],
        BASELINE: [(lm, None)],
        "recurrent second pass": [(None, rnn)],
        "n-grams, second pass": [(lm, None), (None, rnn)],
        "recurrent fusion": [(rnn, None)],
    }
    folders = {}
    for index, (name, steps) in enumerate(choices.items()):
        folders[name] = scratch / str(index)
        copytree(original, folders[name], ignore=lambda *_: {"run", *LANGUAGE_MODELS, RESCORER})
        for first, second in steps:
            console.print(f"tuning: {name}")
            found = tune(
                [options.dev],
                model=str(folders[name]),
                lm=first,
                rescore=second,
                device="cpu",
                reporter=ConsoleReporter(console),
            )
            console.print(str(found), highlight=False)
    return folders


def listen(folder: Path, manifest: Path) -> tuple[Speech, float]:
    """Return the network's output for a set, and its seconds of speech."""
    cuts = load_cuts([manifest])
    recognizer = load_model(folder, device="cpu", decoding=DecodingOptions(decoder="greedy"))
    return Speech(*collect_log_probs(recognizer, cuts)), sum(cut.duration for cut in cuts)


def decode(recognizer: Recognizer, log_probs: list[LogProbs]) -> tuple[list[str], float]:
    """Return texts, and the seconds that decoding took."""
    decoder = recognizer.decoder
    read: Callable[[LogProbs], str] = lambda own: decoder.tokenizer.decode(decoder.search(own).tokens)  # noqa: E731
    read(log_probs[0])  # the first call compiles and loads, which is not measured
    started = time.perf_counter()
    texts = [" ".join(read(own).split()) for own in log_probs]
    return texts, time.perf_counter() - started


def describe(row: Row) -> str:
    low, high = row["wer_interval"]
    worse, better = row["difference_interval"][1], row["difference_interval"][0]
    compared = f"{row['difference']:+.2%} ({better:+.2%} to {worse:+.2%})"
    return (
        f"{row['name']:28} {100 * row['wer']:7.2f} {100 * low:6.2f} to {100 * high:5.2f} {100 * row['cer']:7.2f} "
        f"{row['milliseconds_per_second']:12.1f}   {compared}"
    )


if __name__ == "__main__":
    main()
