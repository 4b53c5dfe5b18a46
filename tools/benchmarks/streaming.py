"""Measure word error rate against latency, and the computing time of streams.

    python tools/benchmarks/streaming.py data/an4/test.jsonl.gz --json out.json --plot docs/latency.png
    python tools/benchmarks/streaming.py data/an4/dev.jsonl.gz --model exp/chunked --grid 0.4:0.4 0.4:1.0 --speed 0

Every utterance is its own stream, with endpoints, and its text is compared with the same model's on the whole
utterance. Then, on one core with one stream: processor time per second of audio, in blocks of a tenth of a second,
without and with provisional text; and the time from an utterance's last sample to its final text. Medians over
utterances; with --torch each utterance is also timed with the same network in torch.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from asr.corpus.cuts import load_cuts, read_waveform
from asr.evaluate.evaluate import reference_text
from asr.evaluate.wer import score_utterances
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.recognizer import MultiStreamRecognizer
from asr.recognize.streaming.stream import StreamingOptions
from asr.signal.resample import Waveform
from asr.text.normalize import normalize

GRID = [(chunk, right) for chunk in (0.1, 0.2, 0.4, 1.0) for right in (0.1, 0.2, 0.4, 0.6, 1.0, 2.0)]
SPEEDS = ((0.4, 1.0), (0.4, 0.4), (0.2, 0.4))
BLOCK_SECONDS = 0.1


class Speech(NamedTuple):
    """Utterances: waveforms (S,) and references."""

    waveforms: list[Waveform]
    texts: list[str]


def main() -> None:
    options = parse_options()
    recognizer = load_model(options.model, device="cpu", precision=options.precision)
    speech = read_speech(options.manifest, recognizer)
    result: dict[str, Any] = {"model": options.model, "utterances": len(speech.texts)}
    if options.grid:
        offline = recognizer.decode_waveforms(speech.waveforms)
        result["offline_wer"] = score(speech, [decoded.text for decoded in offline])
        print(f"offline: {result['offline_wer']:.2%}", flush=True)
        result["wer"] = [measure_wer(recognizer, speech, *cell, result["offline_wer"]) for cell in options.grid]
    if options.speed:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        recognizers = {recognizer.runner.network.precision: recognizer}
        if options.torch:
            recognizers["torch"] = add_torch(recognizer, options.model)
        waveforms = speech.waveforms[: options.speed]
        result["speed"] = [row for cell in SPEEDS for row in measure_speed(recognizers, waveforms, *cell)]
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        draw(result, options.plot)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", default="an4", help="a model folder or name")
    parser.add_argument("--grid", nargs="*", type=_cell, default=GRID, help="CHUNK:RIGHT in seconds; nothing: no WER")
    parser.add_argument("--precision", default="auto", help="auto, fp32, int8")
    parser.add_argument("--torch", action="store_true", help="also time streams with the network in torch, in fp32")
    parser.add_argument("--speed", type=int, default=40, help="utterances to time; 0: none")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    parser.add_argument("--plot", type=Path, help="draw WER against latency to this file")
    return parser.parse_args()


def add_torch(recognizer: Recognizer, model: str) -> Recognizer:
    """Return a recogniser with the same network in torch, in one thread."""
    import torch
    from torch_recognizer import with_torch

    torch.set_num_threads(1)
    return with_torch(recognizer, model)


def _cell(text: str) -> tuple[float, float]:
    chunk, right = map(float, text.split(":"))
    return chunk, right


def read_speech(manifest: Path, recognizer: Recognizer) -> Speech:
    cuts = sorted(load_cuts([manifest]), key=lambda cut: cut.id)
    waveforms = [read_waveform(cut, recognizer.sample_rate) for cut in cuts]
    return Speech(waveforms, [normalize(reference_text(cut), recognizer.settings.normalizer) for cut in cuts])


def score(speech: Speech, hypotheses: Sequence[str]) -> float:
    return score_utterances(speech.texts, hypotheses).wer


def measure_wer(recognizer: Recognizer, speech: Speech, chunk: float, right: float, offline: float) -> dict[str, float]:
    """Measure the word error rate of streams with a chunk and a right context, in seconds."""
    wer = score(speech, recognize_streams(recognizer, speech.waveforms, StreamingOptions(chunk, right, preview=False)))
    print(f"chunk {chunk:g} s, right {right:g} s: {wer:.2%}, {wer / offline - 1:+.1%} of offline", flush=True)
    return {"chunk": chunk, "right": right, "wer": wer, "relative": wer / offline - 1}


def recognize_streams(recognizer: Recognizer, waveforms: Sequence[Waveform], options: StreamingOptions) -> list[str]:
    """Recognise all utterances as parallel streams, one second of each at a time."""
    streaming = MultiStreamRecognizer(recognizer, options)
    streams = [streaming.start() for _ in waveforms]
    texts: list[list[str]] = [[] for _ in streams]
    step = recognizer.sample_rate
    for at in range(0, max(map(len, waveforms)), step):
        live = [index for index, stream in enumerate(streams) if not stream.ended]
        for index in live:
            streams[index].feed(waveforms[index][at : at + step], last=at + step >= len(waveforms[index]))
        for index, partial in zip(live, streaming.decode([streams[index] for index in live]), strict=True):
            texts[index] += [segment.text for segment in partial.finals] if partial else []
    return [" ".join(one) for one in texts]


def measure_speed(
    recognizers: dict[str, Recognizer], waveforms: Sequence[Waveform], chunk: float, right: float
) -> list[dict[str, Any]]:
    """Return for each network the seconds of computing per second of audio, and to the final text; they take turns."""
    rows = [{"network": network, "chunk": chunk, "right": right} for network in recognizers]
    for name, preview in (("plain", False), ("preview", True)):
        options = StreamingOptions(chunk, right, preview=preview)
        streamings = [MultiStreamRecognizer(recognizer, options) for recognizer in recognizers.values()]
        for streaming in streamings:
            streaming.warm_up()
        times: list[list[tuple[float, float]]] = [[] for _ in rows]
        for number, waveform in enumerate(waveforms):
            for index in range(len(rows))[:: -1 if number % 2 else 1]:
                times[index].append(time_stream(streamings[index], waveform))
        for row, seconds in zip(rows, times, strict=True):
            row[f"{name}_per_second"] = statistics.median(one[0] for one in seconds)
            row[f"{name}_to_final"] = statistics.median(one[1] for one in seconds)
            row[f"{name}_to_final_95"] = sorted(one[1] for one in seconds)[int(0.95 * len(seconds))]
    for row in rows:
        print({name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}, flush=True)
    return rows


def time_stream(streaming: MultiStreamRecognizer, waveform: Waveform) -> tuple[float, float]:
    """Return seconds per second of audio, and from the last sample to the final text."""
    size = round(BLOCK_SECONDS * streaming.recognizer.sample_rate)
    blocks = [waveform[start : start + size] for start in range(0, len(waveform), size)]
    stream = streaming.start()
    started = time.process_time()
    for block in blocks:
        stream.feed(block)
        streaming.decode([stream])
    ended = time.process_time()
    stream.feed(waveform[:0], last=True)
    streaming.decode([stream])
    final = time.process_time()
    return (final - started) / stream.duration, final - ended


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw WER over latency, one line per chunk size. Text is committed *right* to *chunk + right* seconds late."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for chunk in sorted({row["chunk"] for row in result["wer"]}):
        rows = [row for row in result["wer"] if row["chunk"] == chunk]
        axes.plot([row["right"] for row in rows], [100 * row["wer"] for row in rows], "o-", label=f"chunk {chunk:g} s")
    axes.axhline(100 * result["offline_wer"], color="grey", linestyle=":", label="whole utterance")
    axes.set(xlabel="right context, seconds", ylabel="word error rate, %", xscale="log")
    axes.set_xticks([row[1] for row in GRID[-6:]], [f"{row[1]:g}" for row in GRID[-6:]], minor=False)
    axes.minorticks_off()
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
