"""Measure word error rates at other levels: `python tools/benchmarks/gain.py MANIFEST [--model MODEL] [--json FILE]`.

Each utterance is scaled to a peak and rounded to 16 bits, offline and as a stream; also with a constant offset of a
tenth of full scale, and with hum of 50 Hz at a tenth of the peak. The differences from the recordings as they are have
paired intervals.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from streaming import Speech, read_speech, recognize_streams

from asr.config import SAMPLE_RATE
from asr.evaluate.wer import compare, score_utterances
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.stream import StreamingOptions
from asr.signal.resample import Waveform

PEAKS = (-10, -30, -40, -50, -60)  # dBFS
OFFSET = 0.1  # of full scale
HUM, HUM_SHARE = 50, 0.1  # Hz; of the peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", default="english", help="a model folder or name")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    recognizer = load_model(options.model, device="cpu")
    speech = read_speech(options.manifest, recognizer)
    result = {name: measure(recognize, recognizer, speech) for name, recognize in KINDS.items()}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def measure(
    recognize: Callable[[Recognizer, list[Waveform]], list[str]], recognizer: Recognizer, speech: Speech
) -> dict[str, dict[str, Any]]:
    """Recognise the utterances as they are, and changed; print and return the error rates."""
    changes: dict[str, Callable[[Waveform], Waveform]] = {f"peak {peak} dBFS": to_peak(peak) for peak in PEAKS}
    changes |= {"offset 0.1": lambda waveform: to_16_bits(waveform / 2 + OFFSET), f"hum {HUM} Hz": add_hum}
    before = recognize(recognizer, speech.waveforms)
    rows = {"as it is": {"wer": score_utterances(speech.texts, before).wer}}
    print(f"{recognize.__name__}\n  as it is: {rows['as it is']['wer']:.2%}", flush=True)
    for name, change in changes.items():
        after = recognize(recognizer, [change(waveform) for waveform in speech.waveforms])
        wer = score_utterances(speech.texts, after).wer
        found = compare(speech.texts, before, after)
        rows[name] = {"wer": wer, "difference": found.difference, "interval": found.interval}
        low, high = found.interval
        print(f"  {name}: {wer:.2%}, {found.difference:+.2%} ({low:+.2%} to {high:+.2%})", flush=True)
    return rows


def to_peak(peak_db: float) -> Callable[[Waveform], Waveform]:
    """Return a function that scales a waveform (S,) to a peak, in 16 bits."""

    def scale(waveform: Waveform) -> Waveform:
        return to_16_bits(waveform * (10 ** (peak_db / 20) / max(1e-9, float(np.abs(waveform).max()))))

    return scale


def add_hum(waveform: Waveform) -> Waveform:
    """Add hum to a waveform (S,), at half its level."""
    hum = np.sin(2 * np.pi * HUM * np.arange(len(waveform)) / SAMPLE_RATE)
    return to_16_bits((waveform + HUM_SHARE * np.abs(waveform).max() * hum) / 2)


def to_16_bits(waveform: Waveform) -> Waveform:
    return (np.clip(np.round(waveform * 32768), -32768, 32767) / 32768).astype(np.float32)


def offline(recognizer: Recognizer, waveforms: list[Waveform]) -> list[str]:
    return [decoded.text for decoded in recognizer.decode_waveforms(waveforms)]


def live(recognizer: Recognizer, waveforms: list[Waveform]) -> list[str]:
    return recognize_streams(recognizer, waveforms, StreamingOptions(preview=False))


KINDS = {"offline": offline, "live": live}


if __name__ == "__main__":
    main()
