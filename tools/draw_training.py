"""Draw the curves of trainings: `python tools/draw_training.py exp/mine ... --output curve.png`.

Above, the loss on training and development speech; below, the error rates on development speech.
"""

import argparse
import json
import sys
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

COLOURS = ("#24527a", "#c1543c", "#4a8c5c", "#8a6fae", "#b58a2e", "#777777")
FLOOR = 5e-4  # an error rate of 0 is drawn here, on a logarithmic scale
RATES = {FLOOR: "0", 0.001: "0.1 %", 0.01: "1 %", 0.03: "3 %", 0.1: "10 %", 0.2: "20 %", 0.5: "50 %", 1: "100 %"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path, help="folders that asr train wrote")
    parser.add_argument("--output", type=Path, required=True, help="a PNG or SVG file")
    options = parser.parse_args()
    draw({folder.name: read_epochs(folder) for folder in options.models}, options.output)


def read_epochs(folder: Path) -> list[dict[str, float]]:
    """Read the figures of each epoch, in order; the last if an epoch was repeated after a crash."""
    log = folder / "run" / "log.jsonl"
    if not log.is_file():
        sys.exit(f"{log}: missing; expected a folder that asr train wrote")
    entries = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    epochs = {entry["epoch"]: entry for entry in entries if "dev_wer" in entry}
    if not epochs:
        sys.exit(f"{log}: no epoch is finished yet")
    return [epochs[number] for number in sorted(epochs)]


def draw(trainings: dict[str, list[dict[str, float]]], output: Path) -> None:
    figure = Figure(figsize=(7, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for index, (name, epochs) in enumerate(trainings.items()):
        colour = COLOURS[index % len(COLOURS)]
        numbers = [epoch["epoch"] + 1 for epoch in epochs]
        above.plot(numbers, [epoch["loss"] for epoch in epochs], color=colour, linestyle=":", linewidth=1)
        above.plot(numbers, [epoch["dev_loss"] for epoch in epochs], color=colour, label=name)
        below.plot(numbers, [max(epoch["dev_wer"], FLOOR) for epoch in epochs], color=colour, label=name)
    above.set(ylabel="nats a token", yscale="log", title="loss: dotted in training, solid on development speech")
    # The axis ends below the best epoch.
    best = min(max(epoch["dev_wer"], FLOOR) for epochs in trainings.values() for epoch in epochs)
    lowest = max(rate for rate in RATES if rate <= best)
    below.set(ylabel="word error rate", yscale="log", ylim=(lowest * 0.8, 1.5), xlabel="epoch")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.set_title("errors on development speech")
    shown = {rate: label for rate, label in RATES.items() if rate >= lowest}
    below.set_yticks(list(shown), labels=list(shown.values()))
    below.yaxis.set_minor_formatter(NullFormatter())
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    if len(trainings) > 1:
        above.legend(frameon=False, fontsize=8)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=90)


if __name__ == "__main__":
    main()
