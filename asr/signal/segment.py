"""A recording of any length in, segments to recognise independently out, split where it is quietest.

Network and language models were trained on sentences and work best on segments of about that length: a recording that
goes through the network in one piece gets more word errors, the longer it is. Where it is split depends on
the sound alone, never on the blocks in which it arrives, so streamed and whole recordings are split
alike. Short recordings stay whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from asr.signal.audio import Waveform
from asr.signal.loudness import frame_energy

WHOLE_SECONDS = 20.0  # longer recordings are split
# Range of the segments' lengths. Longer ones had more errors on development speech, shorter ones as many.
SHORTEST_SECONDS, LONGEST_SECONDS = 3.0, 10.0
_PAUSE_SECONDS = 0.5  # that must be quiet: stop consonants are silent, too, but shorter


@dataclass(frozen=True)
class AudioSegment:
    """A part of a recording.

    Attributes:
        first_frame: Its first frame of log probabilities, counted from the start of the recording.
        first_sample: Its first sample, likewise.
        sample_rate: Hz.
        waveform: (S,) samples.
    """

    first_frame: int
    first_sample: int
    sample_rate: int
    waveform: Waveform

    @property
    def start(self) -> float:
        """Seconds from the start of the recording to its start."""
        return self.first_sample / self.sample_rate

    @property
    def end(self) -> float:
        """Seconds from the start of the recording to its end."""
        return (self.first_sample + len(self.waveform)) / self.sample_rate

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.waveform) / self.sample_rate


class Segmenter:
    """Splits one recording between frames of log probabilities.

    Args:
        sample_rate: Hz of the waveform.
        frame_samples: Samples from one frame of log probabilities to the next.
    """

    def __init__(self, sample_rate: int, frame_samples: int) -> None:
        self._sample_rate = sample_rate
        self._frame = frame_samples
        self._whole, self._longest, self._shortest, self._half_pause = (
            max(1, round(seconds * sample_rate / frame_samples))
            for seconds in (WHOLE_SECONDS, LONGEST_SECONDS, SHORTEST_SECONDS, _PAUSE_SECONDS / 2)
        )
        self._first = 0
        self._held: Waveform = np.empty(0, np.float32)

    def feed(self, block: Waveform) -> Iterator[AudioSegment]:
        """Yield the segments that (S,) more samples complete."""
        self._held = np.concatenate([self._held, block])
        while len(self._held) > self._whole * self._frame:
            yield self._cut_off(self._find_cut())

    def finish(self) -> Iterator[AudioSegment]:
        """Yield the segment that is left at the end of the recording, if any."""
        if len(self._held):
            yield self._cut_off(-(-len(self._held) // self._frame))

    def _cut_off(self, num_frames: int) -> AudioSegment:
        """Remove the first frames of the held samples; fewer samples if there are not as many."""
        first, size = self._first, num_frames * self._frame
        segment = AudioSegment(first, first * self._frame, self._sample_rate, self._held[:size])
        self._first, self._held = first + num_frames, self._held[size:]
        return segment

    def _find_cut(self) -> int:
        """Find the frame before which to split the held samples: in the middle of their quietest half second."""
        energy = frame_energy(self._held[: self._longest * self._frame], self._frame)
        pauses = np.lib.stride_tricks.sliding_window_view(
            energy[self._shortest - self._half_pause :], 2 * self._half_pause
        )
        return self._shortest + int(pauses.sum(axis=1).argmin())


def split_at_quiet(blocks: Iterable[Waveform], sample_rate: int, frame_samples: int) -> Iterator[AudioSegment]:
    """Yield the segments of a recording that arrives in blocks (S,); none if it has no samples."""
    segmenter = Segmenter(sample_rate, frame_samples)
    for block in blocks:
        yield from segmenter.feed(block)
    yield from segmenter.finish()
