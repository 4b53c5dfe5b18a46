"""Measure a Whisper encoder as the front end: its speed, and how far its frames are from those of a padded window.

    python tools/benchmarks/encoder.py RECORDING ... [--encoder tiny.en] [--json FILE]

Deviations are root mean squares in standard deviations of the frames. The first table compares the number formats that
CTranslate2 computes in; the second, recordings as they are with ones that are padded to 30 s, as Whisper was trained;
the third, streams with the whole recording, for windows of several lengths. Times are of one core.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import ctranslate2
import numpy as np

from asr.config import FeatureSettings
from asr.signal import encoder
from asr.signal.audio import load_audio
from asr.signal.whisper import SAMPLE_RATE, STEP, WHOLE, WhisperExtractor, WhisperStream, WindowSizes
from asr.weights import Array

PADDED = WHOLE.longest * STEP  # samples
EDGE = 12  # frames: half a second
LIVE = [(10, 10, longest) for longest in (100, 150, 300, 750)] + [(10, 5, 300), (10, 25, 300), (20, 10, 300)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="+", help="of up to 30 s")
    parser.add_argument("--encoder", default="tiny.en")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    settings = FeatureSettings(kind="whisper", encoder=options.encoder)
    waveforms = [load_audio(path, sample_rate=SAMPLE_RATE)[:PADDED] for path in options.recordings]
    results = {**compare_formats(settings, waveforms), **compare_with_padded(settings, waveforms)}
    results |= compare_streams(settings, waveforms)
    for name, (speed, deviation) in results.items():
        print(f"{name}\t{speed:.0f} x real time\t{deviation:.3f}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def compare_formats(settings: FeatureSettings, waveforms: Sequence[Array]) -> dict[str, tuple[float, float]]:
    """Compute whole recordings in each number format: how fast, and how far from float32."""
    results, exact = {}, None
    for name in ("float32", *sorted(ctranslate2.get_supported_compute_types("cpu") - {"float32", "int8"})):
        encoder.COMPUTE_TYPE = name
        encoder._models.clear()
        speed, frames = run(WhisperExtractor(settings).plain, waveforms)
        exact = exact or frames
        results[name] = speed, deviation(frames, exact)
    encoder.COMPUTE_TYPE = "int8_float32"
    encoder._models.clear()
    return results


def compare_with_padded(settings: FeatureSettings, waveforms: Sequence[Array]) -> dict[str, tuple[float, float]]:
    """Compare recordings with the same ones before silence up to 30 s, with and without the last half second."""
    extractor = WhisperExtractor(settings)
    slow, padded = run(lambda waveform: extractor.plain(np.pad(waveform, (0, PADDED - len(waveform)))), waveforms)
    speed, frames = run(extractor.plain, waveforms)
    padded = [long[: len(short)] for long, short in zip(padded, frames, strict=True)]
    inner = [[one[EDGE:-EDGE] for one in many] for many in (frames, padded)]
    last = [[one[-EDGE:] for one in many] for many in (frames, padded)]
    return {
        "padded": (slow, 0.0),
        "not padded": (speed, deviation(frames, padded)),
        "not padded, without half a second at both ends": (speed, deviation(*inner)),
        "not padded, the last half second": (speed, deviation(*last)),
    }


def compare_streams(settings: FeatureSettings, waveforms: Sequence[Array]) -> dict[str, tuple[float, float]]:
    """Compare streams with whole recordings."""
    extractor = WhisperExtractor(settings)
    _, expected = run(extractor.plain, waveforms)
    results = {}
    for sizes in LIVE:
        stream = WindowSizes(*sizes)
        speed, frames = run(
            lambda one, stream=stream: WhisperStream(extractor, stream).feed_plain(one, last=True), waveforms
        )
        name = ", ".join(f"{what} {frames / 25:g} s" for what, frames in stream._asdict().items())
        results[name] = speed, deviation(frames, expected)
    return results


def run(compute: Callable[[Array], Array], waveforms: Sequence[Array]) -> tuple[float, list[Array]]:
    """Compute all: seconds of sound for each second of one core, and the frames."""
    compute(waveforms[0])
    start = time.process_time()
    frames = [compute(waveform) for waveform in waveforms]
    return sum(map(len, waveforms)) / SAMPLE_RATE / (time.process_time() - start), frames


def deviation(found: Sequence[Array], expected: Sequence[Array]) -> float:
    """Return the root mean square of the difference, in standard deviations of what is expected."""
    all_found, all_expected = np.concatenate(found), np.concatenate(expected)
    return float(np.sqrt(((all_found - all_expected) ** 2).mean() / all_expected.var(axis=0).mean()))


if __name__ == "__main__":
    main()
