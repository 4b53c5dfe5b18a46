"""Measure how exact word times are.

    python tools/benchmarks/word_times.py [--model M] [--utterances MANIFEST] [--recordings N] [--json FILE]

There are two references. Synthetic: words spoken one by one by espeak-ng, in phrases like AN4's, are joined with
pauses of 0 to 0.4 s, so every start and end is known. Joined: eight utterances of a manifest form one recording; the
energy alone shows where each begins and ends, which is compared with the start of its first word and the end of its
last. The text is given; only the times are measured. The cost of finding words, next to that of the network, is also
reported.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import librosa
import numpy as np
from numpy.typing import NDArray

import asr
from asr.corpus.cuts import load_cuts
from asr.evaluate.evaluate import read_waveforms, reference_text
from asr.recognize.utterance import SearchResult
from asr.signal.loudness import measure_loudness
from asr.text.normalize import normalize
from asr.transcript.transcript import Word

sys.path.append(str(Path(__file__).parents[1] / "voices"))
from espeak import RATE, Voice, make_voices, mark_letters, speak
from make_synthetic_speech import draw_phrase

Samples = NDArray[np.float32]
PAUSES = (0.0, 0.03, 0.1, 0.2, 0.4)  # seconds between synthetic words
JOINED = 8  # utterances a recording
HOP = 80  # samples between measurements of energy: 5 ms
CLOSURE = 20  # of them


class Boundary(NamedTuple):
    """A known time: the start or the end of a word."""

    word: int
    is_start: bool
    seconds: float


class Recording(NamedTuple):
    """A waveform, its text, and its known times."""

    waveform: Samples
    text: str
    boundaries: list[Boundary]


def main() -> None:
    options = parse_options()
    recognizer = asr.load_model(options.model, device="cpu")
    sets = {"synthetic": [make_recording(options.seed + number) for number in range(options.recordings)]}
    if options.utterances:
        sets["joined"] = list(join_utterances(options.utterances, recognizer))
    results = {name: measure(recognizer, recordings) for name, recordings in sets.items()}
    print(
        "| set | boundary | known times | mean error | mean absolute | median absolute | 95 % within | within 100 ms |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for name, result in results.items():
        for kind in ("starts", "ends", "all"):
            row = result[kind]
            print(
                f"| {name} | {kind} | {row['count']} | {row['mean_ms']:+.0f} ms | {row['mean_absolute_ms']:.0f} ms "
                f"| {row['median_absolute_ms']:.0f} ms | {row['p95_ms']:.0f} ms | {row['within_100_ms']:.1%} |"
            )
        print(f"{name}: the network takes {result['network_ratio']:.0f} times as long as finding the words")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="an4", help="a model folder or name")
    parser.add_argument("--utterances", type=Path, help="manifest whose utterances are joined")
    parser.add_argument("--recordings", type=int, default=100, help="synthetic recordings")
    parser.add_argument("--seed", type=int, default=1000, help="of the synthetic recordings; below 60: tuned on")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    return parser.parse_args()


def make_recording(seed: int) -> Recording:
    """Return eight words in one synthetic voice, joined with pauses, in faint noise."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    voice = rng.choice(make_voices())._replace(rate=rng.randint(130, 180), pitch=rng.randint(30, 70))
    words = f"{draw_phrase(rng)} {draw_phrase(rng)}".split()[:8]
    pieces = [np.zeros(int(0.3 * RATE), np.float32)]
    boundaries = []
    for number, word in enumerate(words):
        start = sum(map(len, pieces)) / RATE
        pieces.append(speak_trimmed(word, voice))
        boundaries += [Boundary(number, True, start), Boundary(number, False, sum(map(len, pieces)) / RATE)]
        pieces.append(np.zeros(int(rng.choice(PAUSES) * RATE), np.float32))
    pieces.append(pieces[0])
    waveform = np.concatenate(pieces)
    waveform = 0.3 * waveform / np.abs(waveform).max() + 0.001 * noise.standard_normal(len(waveform))
    return Recording(waveform.astype(np.float32), " ".join(words), boundaries)


def speak_trimmed(word: str, voice: Voice) -> Samples:
    """Return a spoken word without the silence around it."""
    return librosa.effects.trim(speak(mark_letters(word), voice), top_db=40, frame_length=160, hop_length=40)[0]


def join_utterances(manifest: Path, recognizer: asr.Recognizer, limit: int | None = None) -> Iterator[Recording]:
    """Yield the utterances of a manifest as recordings of eight."""
    cuts = list(load_cuts([manifest]))[:limit]
    for first in range(0, len(cuts), JOINED):
        chosen = cuts[first : first + JOINED]
        waveforms = read_waveforms(chosen, recognizer.sample_rate)
        texts = [normalize(reference_text(cut), recognizer.settings.normalizer) for cut in chosen]
        boundaries: list[Boundary] = []
        words, offset = 0, 0
        for waveform, text in zip(waveforms, texts, strict=True):
            start, end = speech_span(waveform)
            boundaries.append(Boundary(words, True, offset / RATE + start))
            words, offset = words + len(text.split()), offset + len(waveform)
            boundaries.append(Boundary(words - 1, False, (offset - len(waveform)) / RATE + end))
        yield Recording(np.concatenate(waveforms), " ".join(texts), boundaries)


def speech_span(waveform: Samples) -> tuple[float, float]:
    """Return the seconds at which an utterance begins and ends, by its energy.

    Speech is what stays above 60 % of the way from noise to speech (in dB) for 50 ms, and its neighbourhood above 30 %:
    clicks and breath before and after are short or faint. At the end a gap of 100 ms may be bridged, the closure before
    a final "t".
    """
    power = librosa.feature.rms(y=waveform, frame_length=2 * HOP, hop_length=HOP)[0]
    loudness = librosa.amplitude_to_db(power, amin=1e-5, top_db=None)
    noise, speech = np.percentile(loudness, [5, 95])
    loud = np.convolve(loudness > noise + 0.6 * (speech - noise), np.ones(10), "valid") == 10
    first, last = np.flatnonzero(loud)[[0, -1]] + [0, 9]
    audible = loudness > noise + 0.3 * (speech - noise)
    while first > 0 and audible[first - 1]:
        first -= 1
    while audible[last + 1 : last + 1 + CLOSURE].any():
        last += 1
    return first * HOP / RATE, (last + 1) * HOP / RATE


def measure(recognizer: asr.Recognizer, recordings: Sequence[Recording]) -> dict[str, Any]:
    errors: dict[bool, list[float]] = {True: [], False: []}
    align(recognizer, recordings[0], run_network(recognizer, recordings[0]))  # compiles
    network = finding = 0.0
    for recording in recordings:
        started = time.perf_counter()
        log_probs = run_network(recognizer, recording)
        between = time.perf_counter()
        words = align(recognizer, recording, log_probs)
        network, finding = network + between - started, finding + time.perf_counter() - between
        for word, is_start, seconds in recording.boundaries:
            errors[is_start].append((words[word].start if is_start else words[word].end) - seconds)
    rows = {"starts": errors[True], "ends": errors[False], "all": errors[True] + errors[False]}
    return {name: summarize(np.array(row)) for name, row in rows.items()} | {"network_ratio": network / finding}


def run_network(recognizer: asr.Recognizer, recording: Recording) -> Samples:
    segments = recognizer.runner.split([recording.waveform])
    return np.concatenate([log_probs for _, log_probs in recognizer.runner.run_segments(segments)])


def align(recognizer: asr.Recognizer, recording: Recording, log_probs: Samples) -> Sequence[Word]:
    loudness = measure_loudness(recording.waveform, RATE)
    tokens = recognizer.tokenizer.encode(recording.text)
    return recognizer.decoder.find_words(log_probs, SearchResult.greedy(tokens), loudness)


def summarize(errors: NDArray[np.float64]) -> dict[str, float]:
    absolute = 1000 * np.abs(errors)
    return {
        "count": len(errors),
        "mean_ms": 1000 * float(errors.mean()),
        "mean_absolute_ms": float(absolute.mean()),
        "median_absolute_ms": float(np.median(absolute)),
        "p95_ms": float(np.percentile(absolute, 95)),
        "within_100_ms": float((absolute <= 100).mean()),
    }


if __name__ == "__main__":
    main()
