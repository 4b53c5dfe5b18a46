"""Compare the runtime's precisions with the same network in torch: log probabilities, texts, word error rates, streams.

    python tools/benchmarks/precision.py --model english --json out.json "AN4 test=data/an4/test.jsonl.gz" \
        "LibriSpeech dev=data/librispeech-dev-clean-half/dev.jsonl.gz"

Every utterance goes by itself through the network in torch in fp32 and through the runtime in fp32 and int8, from the
same features and to the same decoder. For fp32 the table has the largest difference of a log probability, of whole
utterances and of streams, and the number of texts that differ; for int8 the difference of the word error rates with
its 95 % interval (paired bootstrap over utterances). The streams (the first utterances of a set) are fed together in
blocks of random length, and their previews are compared, too. NAME=MANIFEST::4 takes every fourth utterance by name.
"""

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_recognizer import with_torch
from transcribe import TestSet, read_set

from asr.config import CHUNK_SECONDS, RIGHT_SECONDS
from asr.evaluate.wer import compare, score_utterances
from asr.recognize.recognizer import Recognizer, load_model
from asr.runtime.network import ChunkSize, Features, LogProbs, Network
from asr.text.normalize import normalize

LONGEST_BLOCK = 100  # feature frames: a second
TORCH = "torch"
Row = dict[str, Any]


def main() -> None:
    options = parse_options()
    torch.set_num_threads(1)
    recognizers = {name: load_model(options.model, device="cpu", precision=name) for name in ("fp32", "int8")}
    recognizers[TORCH] = with_torch(recognizers["fp32"], options.model)
    normalizer = recognizers[TORCH].settings.normalizer
    rows = []
    for item in options.sets:
        test = read_set(item, options.utterances, lambda text: normalize(text, normalizer))
        rows.append(compare_set(test, recognizers, options.streams))
        print(json.dumps(rows[-1]), flush=True)
    print_rows(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=MANIFEST[::STEP]")
    parser.add_argument("--model", default="english", help="a model folder or name")
    parser.add_argument("--utterances", type=int, help="about how many of each set; default: all")
    parser.add_argument("--streams", type=int, default=40, help="streams of each set; 0: none")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    return parser.parse_args()


def compare_set(test: TestSet, recognizers: dict[str, Recognizer], num_streams: int) -> Row:
    texts: dict[str, list[str]] = {name: [] for name in recognizers}
    largest = dict.fromkeys(recognizers, 0.0)  # difference from torch
    for waveform in test.waveforms:
        outputs = {name: recognize(recognizer, waveform) for name, recognizer in recognizers.items()}
        for name, (text, log_probs) in outputs.items():
            texts[name].append(text)
            largest[name] = max(largest[name], largest_difference(log_probs, outputs[TORCH][1]))
    row = {"set": test.name, "utterances": len(test.references)}
    for name in recognizers:
        found = compare(test.references, texts[TORCH], texts[name])
        row[name] = {
            "wer": score_utterances(test.references, texts[name]).wer,
            "other_texts": sum(text != other for text, other in zip(texts[name], texts[TORCH], strict=True)),
            "log_probs": largest[name],
            "difference": found.difference,
            "difference_interval": list(found.interval),
        }
    if num_streams:
        features = [recognizers[TORCH].runner.extract(waveform) for waveform in test.waveforms[:num_streams]]
        row["streams"] = compare_streams(recognizers["fp32"], recognizers[TORCH], features)
    return row


def recognize(recognizer: Recognizer, waveform: np.ndarray) -> tuple[str, LogProbs]:
    """Return the text of a recording, and the log probabilities (T', V) of its segments, joined."""
    runner, decoder = recognizer.runner, recognizer.decoder
    parts = [log_probs for _, log_probs in runner.run_segments(runner.split([waveform]))]
    return decoder.join([decoder.decode(part) for part in parts]).text, np.concatenate(parts)


def largest_difference(one: LogProbs, other: LogProbs) -> float:
    if one.shape != other.shape:
        raise SystemExit(f"log probabilities of different shapes: {one.shape} and {other.shape}")
    return float(np.abs(one - other).max(initial=0.0))


def compare_streams(first: Recognizer, second: Recognizer, features: Sequence[Features]) -> dict[str, float]:
    """Return the largest differences between the log probabilities of streams, and between those of previews."""
    chunk_size = ChunkSize.from_seconds(CHUNK_SECONDS, RIGHT_SECONDS, frame_seconds=first.runner.frame_seconds)
    runs = [run_streams(recognizer.runner.network, chunk_size, features) for recognizer in (first, second)]
    largest = {"log_probs": 0.0, "previews": 0.0}
    for one, other in zip(*runs, strict=True):
        for kind, outputs, others in zip(largest, one, other, strict=True):
            pairs = zip(outputs, others, strict=True)
            largest[kind] = max(largest[kind], *(largest_difference(*pair) for pair in pairs))
    return largest


def run_streams(
    network: Network, chunk_size: ChunkSize, features: Sequence[Features]
) -> Iterator[tuple[list[LogProbs], list[LogProbs]]]:
    """Feed streams (T, F) block by block; yield after each the log probabilities that are complete, and previews."""
    streaming, rng = network.streaming(chunk_size), random.Random(0)
    streams = [streaming.start() for _ in features]
    at = [0] * len(streams)
    while live := [index for index, utterance in enumerate(features) if at[index] < len(utterance)]:
        for index in live:
            end = at[index] + rng.randint(1, LONGEST_BLOCK)
            streams[index].feed(features[index][at[index] : end], last=end >= len(features[index]))
            at[index] = end
        batch = [streams[index] for index in live]
        yield streaming.run(batch), streaming.preview(batch)


def print_rows(rows: Sequence[Row]) -> None:
    print("| set | utterances | WER, torch | fp32: other texts | log_probs | streams, previews | WER, int8 | points |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        fp32, int8, streams = row["fp32"], row["int8"], row.get("streams", {})
        low, high = (100 * limit for limit in int8["difference_interval"])
        print(
            f"| {row['set']} | {row['utterances']} | {row[TORCH]['wer']:.2%} | {fp32['other_texts']} | "
            f"{fp32['log_probs']:.0e} | {', '.join(f'{value:.0e}' for value in streams.values())} | "
            f"{int8['wer']:.2%} | {100 * int8['difference']:+.2f} ({low:+.2f} to {high:+.2f}) |"
        )


if __name__ == "__main__":
    main()
