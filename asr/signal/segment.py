"""A recording of any length in, stretches to recognise each by itself out, cut where it is quietest.

Network and language models learned from sentences, and read best what is about as long: of a recording that
goes through the network in one piece they get more words wrong, the longer it is. Where the cuts fall depends on
the sound alone, never on the blocks in which it comes: a recording that streams and one that is read whole are cut
alike. Short recordings stay whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from asr.signal.audio import Waveform

WHOLE_SECONDS = 20.0  # what is no longer is not cut
# Of what is longer, a stretch of so many seconds is cut off. Longer ones had more errors on development speech, shorter
# ones as many.
SHORTEST_SECONDS, LONGEST_SECONDS = 3.0, 10.0
_PAUSE_SECONDS = 0.5  # in which it must be quiet: stop consonants are silent, too, and shorter


@dataclass(frozen=True)
class AudioSegment:
    """A stretch of a recording.

    Attributes:
        first: Its first frame of log probabilities, counted from the start of the recording.
        waveform: (S,) samples.
    """

    first: int
    waveform: Waveform


class Segmenter:
    """Cuts one recording, between two frames.

    Args:
        sample_rate: Hz of the waveform.
        frame_samples: Samples from one frame of log probabilities to the next.
    """

    def __init__(self, sample_rate: int, frame_samples: int) -> None:
        self._frame = frame_samples
        self._whole, self._longest, self._shortest, self._half_pause = (
            max(1, round(seconds * sample_rate / frame_samples))
            for seconds in (WHOLE_SECONDS, LONGEST_SECONDS, SHORTEST_SECONDS, _PAUSE_SECONDS / 2)
        )
        self._first = 0
        self._held: Waveform = np.empty(0, np.float32)

    def feed(self, block: Waveform) -> Iterator[AudioSegment]:
        """The stretches that (S,) more samples complete."""
        self._held = np.concatenate([self._held, block])
        while len(self._held) > self._whole * self._frame:
            cut = self._find_cut()
            yield AudioSegment(self._first, self._held[: cut * self._frame])
            self._first, self._held = self._first + cut, self._held[cut * self._frame :]

    def finish(self) -> Iterator[AudioSegment]:
        """What is left at the end of the recording."""
        if len(self._held):
            yield AudioSegment(self._first, self._held)
        self._held = self._held[:0]

    def _find_cut(self) -> int:
        """The frame before which the held sound parts: in the middle of its quietest half second."""
        frames = self._held[: self._longest * self._frame].reshape(-1, self._frame)
        power = np.einsum("fs,fs->f", frames, frames, dtype=np.float64)
        first = self._shortest - self._half_pause
        pauses = np.lib.stride_tricks.sliding_window_view(power[first:], 2 * self._half_pause)
        return self._shortest + int(pauses.sum(axis=1).argmin())


def cut_blocks(blocks: Iterable[Waveform], sample_rate: int, frame_samples: int) -> Iterator[AudioSegment]:
    """The stretches of a recording that comes in blocks (S,); none where there is no sample."""
    cutter = Segmenter(sample_rate, frame_samples)
    for block in blocks:
        yield from cutter.feed(block)
    yield from cutter.finish()
