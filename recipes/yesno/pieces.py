"""Cut the recordings of a manifest at their pauses, a piece a word.

    python recipes/yesno/pieces.py MANIFEST OUTPUT

By the corpus's own split, every training recording begins with "no" and every test recording with
"yes". Words by themselves, which training joins to new sequences, teach a network to listen to the
first word, too, instead of knowing it beforehand.
"""

import sys
from pathlib import Path

import numpy as np
from lhotse import CutSet
from numpy.typing import NDArray

from asr.atomic import replacing
from asr.train.corpus import load_cuts

FRAME_SECONDS = 0.02
SMOOTH_FRAMES = 5
SPEECH_DB = 20.0  # below the loudest, speech begins and ends


def find_pauses(samples: NDArray[np.float32], rate: int, count: int) -> list[float]:
    """So many pauses, in seconds: where it is quietest about the places that divide the speech evenly."""
    size = round(FRAME_SECONDS * rate)
    power = np.square(samples[: len(samples) // size * size].reshape(-1, size)).mean(axis=1)
    levels = 10 * np.log10(np.convolve(power, np.ones(SMOOTH_FRAMES) / SMOOTH_FRAMES, mode="same") + 1e-12)
    spoken = np.flatnonzero(levels > levels.max() - SPEECH_DB)
    word = (spoken[-1] - spoken[0]) / (count + 1)
    starts = [round(spoken[0] + (number + 0.6) * word) for number in range(count)]
    return [float(start + levels[start : start + round(0.8 * word)].argmin() + 0.5) * FRAME_SECONDS for start in starts]


def pieces(cut: object) -> list[object]:
    """A cut a word, with the silence around it."""
    words = cut.supervisions[0].text.split()
    pauses = find_pauses(cut.load_audio()[0], cut.sampling_rate, len(words) - 1)
    bounds = [0.0, *pauses, cut.duration]
    made = []
    for number, word in enumerate(words):
        piece = cut.truncate(offset=bounds[number], duration=bounds[number + 1] - bounds[number])
        supervision = piece.supervisions[0]
        supervision.start, supervision.duration, supervision.text = 0.0, piece.duration, word
        made.append(piece.with_id(f"{cut.id}-{number}"))
    return made


def main() -> None:
    source, output = map(Path, sys.argv[1:])
    made = [piece for cut in load_cuts([source]) for piece in pieces(cut)]
    with replacing(output) as partial:
        CutSet(made).to_file(partial)
    lengths = [piece.duration for piece in made]
    print(f"{output}: {len(made)} words, {min(lengths):.2f} to {max(lengths):.2f} s")


if __name__ == "__main__":
    main()
