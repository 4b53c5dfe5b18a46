"""A recording of any length in, segments to recognise independently out, split where it is quietest.

Network and language models were trained on sentences and work best on segments of about that length: a recording that
goes through the network in one piece gets more word errors, the longer it is. Where it is split depends on
the sound alone, never on the blocks in which it arrives, so streamed and whole recordings are split
alike. Short recordings stay whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from asr.signal.loudness import frame_energy
from asr.signal.resample import Waveform

WHOLE_SECONDS = 20.0  # longer recordings are split
# Range of the segments' lengths. Longer ones had more errors on development speech, shorter ones as many.
SHORTEST_SECONDS, LONGEST_SECONDS = 3.0, 10.0
_PAUSE_SECONDS = 0.5  # that must be quiet: stop consonants are also silent, but shorter


@dataclass(frozen=True)
class AudioSegment:
    """A part of a recording; its first frame of log probabilities and first sample count from the recording's start."""

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


def split_at_quiet(blocks: Iterable[Waveform], sample_rate: int, frame_samples: int) -> Iterator[AudioSegment]:
    """Split a recording that arrives in blocks (S,) between frames of log probabilities.

    Args:
        blocks: A segment is yielded as soon as they complete it; none if there are no samples.
        sample_rate: Hz.
        frame_samples: Samples from one frame of log probabilities to the next.
    """
    whole, longest, shortest, half_pause = (
        max(1, round(seconds * sample_rate / frame_samples))
        for seconds in (WHOLE_SECONDS, LONGEST_SECONDS, SHORTEST_SECONDS, _PAUSE_SECONDS / 2)
    )
    first = 0  # frame of the samples that are held
    held: Waveform = np.empty(0, np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) > whole * frame_samples:
            # Split in the middle of the quietest half second.
            energy = frame_energy(held[: longest * frame_samples], frame_samples)
            pauses = np.lib.stride_tricks.sliding_window_view(energy[shortest - half_pause :], 2 * half_pause)
            num_frames = shortest + int(pauses.sum(axis=1).argmin())
            size = num_frames * frame_samples
            yield AudioSegment(first, first * frame_samples, sample_rate, held[:size])
            first, held = first + num_frames, held[size:]
    if len(held):
        yield AudioSegment(first, first * frame_samples, sample_rate, held)
