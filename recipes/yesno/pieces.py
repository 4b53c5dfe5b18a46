"""Cut the recordings of a manifest at their pauses, one piece per word.

    python recipes/yesno/pieces.py MANIFEST OUTPUT

In the corpus's own split, every training recording begins with "no" and all test recordings but one with "yes".
Training joins single words to new sequences, so that the network cannot learn the position instead of the sound.
Recordings with fewer words than their name says (0_1_0_1_0_0_0_0 has seven) would teach it to output words twice;
they are left out. OUTPUT gets the manifests `words`, and `whole` with the uncut recordings.
"""

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from lhotse import CutSet
from numpy.typing import NDArray

from asr.corpus.cuts import load_cuts, write_manifests
from asr.signal.loudness import to_decibels

FRAME_SECONDS = 0.02
SMOOTH_FRAMES = 5
SHORTEST, LONGEST = 18, 42  # frames from a pause to the next: a word takes 0.35 to 0.85 s
SILENT_DB = 20.0  # below the loudest frame there is no speech


def find_pauses(samples: NDArray[np.float32], rate: int, count: int) -> list[float] | None:
    """Return the `count - 1` pauses between words, in seconds: the quietest points, with speech between each two.

    None if there are fewer words.
    """
    size = round(FRAME_SECONDS * rate)
    power = np.square(samples[: len(samples) // size * size].reshape(-1, size)).mean(axis=1)
    smooth = np.convolve(power, np.ones(SMOOTH_FRAMES) / SMOOTH_FRAMES, mode="same")
    loudness = to_decibels(smooth, floor=1e-12)
    # Dynamic programming: the best score of a number of words before each frame, and where the last of them began.
    best = -loudness
    begins = []
    for _ in range(count):
        before, best, begin = best, np.full(len(loudness), -np.inf), np.zeros(len(loudness), int)
        for end in range(SHORTEST, len(loudness)):
            first = max(0, end - LONGEST)
            peaks = np.maximum.accumulate(loudness[first:end][::-1])[::-1]  # of the frames from each one to the end
            scores = (before[first:end] + peaks)[: end - SHORTEST - first + 1]
            begin[end] = first + int(scores.argmax())
            best[end] = scores.max() - loudness[end]
        begins.append(begin)
    bounds = [int(best.argmax())]
    for begin in reversed(begins):
        bounds.insert(0, int(begin[bounds[0]]))
    peaks = [loudness[start:end].max() for start, end in pairwise(bounds)]
    if min(peaks) < loudness.max() - SILENT_DB:
        return None
    return [(bound + 0.5) * FRAME_SECONDS for bound in bounds[1:-1]]


def cut_words(cut: Any) -> list[Any]:
    """Return one cut per word, with the silence around it; empty if words are missing."""
    words = cut.supervisions[0].text.split()
    pauses = find_pauses(cut.load_audio()[0], cut.sampling_rate, len(words))
    if pauses is None:
        return []
    made = []
    for number, (word, (start, end)) in enumerate(zip(words, pairwise([0.0, *pauses, cut.duration]), strict=True)):
        piece = cut.truncate(offset=start, duration=end - start)
        supervision = piece.supervisions[0]
        supervision.start, supervision.duration, supervision.text = 0.0, piece.duration, word
        made.append(piece.with_id(f"{cut.id}-{number}"))
    return made


def main() -> None:
    source, output = map(Path, sys.argv[1:])
    cuts = list(load_cuts([source]))
    words = {cut.id: cut_words(cut) for cut in cuts}
    for name in (name for name, found in words.items() if not found):
        print(f"{name}: left out, because it has fewer words than its name")
    made = [word for found in words.values() for word in found]
    write_manifests(output, {"whole": CutSet([cut for cut in cuts if words[cut.id]]), "words": CutSet(made)})
    lengths = [word.duration for word in made]
    print(f"{len(made)} words, {min(lengths):.2f} to {max(lengths):.2f} s")


if __name__ == "__main__":
    main()
