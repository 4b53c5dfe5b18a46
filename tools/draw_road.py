"""The picture of the road from sound to text: `python tools/draw_road.py [AUDIO] [--output docs/road.png]`.

Three rows over one time axis: the waveform, its log-mel features as the network sees them, and
what the network says at each frame; the text is read off the last row.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import asr
from asr.acoustic.model import SUBSAMPLING
from asr.decode.greedy import greedy_decode

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "recipes" / "an4" / "samples" / "code.flac"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "road.png")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    draw(options.audio, options.output)


def draw(audio: Path, output: Path) -> None:
    recognizer = asr.load_model()
    waveform = recognizer.load(audio)
    features = recognizer.extractor(waveform)
    log_probs, lengths = recognizer.log_probs([waveform])
    text = recognizer.tokenizer.decode(greedy_decode(log_probs, lengths)[0])
    seconds = len(waveform) / recognizer.sample_rate
    step = recognizer.settings.features.step_seconds

    mpl.rcParams["font.size"] = 11
    figure, rows = plt.subplots(3, 1, figsize=(11, 6.2), sharex=True, height_ratios=[1, 1.6, 1.6], layout="constrained")
    rows[0].plot(np.arange(len(waveform)) / recognizer.sample_rate, waveform, linewidth=0.4, color="#24527a")
    rows[0].set(ylabel="waveform", yticks=[], xlim=(0, seconds))
    rows[1].imshow(
        features.T, aspect="auto", origin="lower", cmap="magma", extent=(0, len(features) * step, 0, features.shape[1])
    )
    rows[1].set(ylabel="log-mel features", yticks=[])
    draw_posteriors(rows[2], log_probs[0].exp().numpy(), recognizer.tokenizer.symbols, step * SUBSAMPLING)
    rows[2].set(xlabel=f"seconds      ►  {text}", ylabel="probability")
    figure.savefig(output, dpi=130)


def draw_posteriors(axes: Axes, probabilities: np.ndarray, symbols: list[str], step: float) -> None:
    """A line a symbol: (T', V). The blank in grey; each peak of another is labelled with its symbol."""
    times = np.arange(len(probabilities)) * step
    axes.fill_between(times, probabilities[:, 0], color="#e4e4e4", label="blank")
    best = probabilities.argmax(1)
    for token in sorted(set(best) - {0}):
        axes.plot(times, probabilities[:, token], linewidth=1.2)
    for frame in np.flatnonzero(np.diff(best, prepend=0)):
        if best[frame] != 0:
            symbol = {" ": "␣"}.get(symbols[best[frame]], symbols[best[frame]])
            axes.text(times[frame], 1.03, symbol, ha="center", fontsize=11 if symbol != "␣" else 8)
    axes.set(ylim=(0, 1.18), yticks=[0, 1])


if __name__ == "__main__":
    main()
