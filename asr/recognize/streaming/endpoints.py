"""Endpoint detection: the network's output in, frame by frame, out where an utterance ends.

Blanks alone do not prove silence: CTC emits a vowel once, however long it sounds. So a short pause must also be quiet,
and only a long one counts whatever its loudness.
"""

import math
from dataclasses import dataclass, fields

from asr.errors import ConfigError

QUIET = 20.0  # decibels below the loudest frame of the utterance
_BREATH_SECONDS = 0.12  # of blanks, at which an utterance that is too long may be split


@dataclass(frozen=True)
class Endpoints:
    """Rules that split a stream into utterances, in seconds.

    Attributes:
        pause: Quiet after speech that ends an utterance.
        long_pause: Time after speech in which nothing is recognised, quiet or not, that also ends an utterance.
        idle: Time without speech after which recognition starts afresh, so that the running mean of the features
            does not adapt to silence. (WER on AN4's dev speech with pauses of 1.2 to 5 s, for idle 0.6, 1, 2 and
            4 s: 5.0, 5.5, 5.5, 9.5 %.)
        longest: Length from which an utterance ends at the next breath; 20 % later it ends in any case.
        lead: Part of a pause that belongs to the utterance after it.
    """

    pause: float = 0.8
    long_pause: float = 1.6
    idle: float = 1.0
    longest: float = 30.0
    lead: float = 0.3

    @classmethod
    def from_seconds(cls, pause: float, longest: float) -> "Endpoints":
        """Scale the rules to speech with longer or shorter pauses. Raises ConfigError as the class does."""
        return cls(pause=pause, long_pause=2 * pause, longest=longest)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:  # also refuses NaN
                raise ConfigError(f"endpoints: {field.name} is {value}; expected seconds above 0")
        if self.lead >= min(self.pause, self.long_pause, self.idle):
            raise ConfigError(f"endpoints: lead is {self.lead}; expected less than pause, long_pause and idle")


class EndpointDetector:
    """Watches one utterance, one frame of the network's output at a time.

    Args:
        rules: When an utterance ends.
        frame_seconds: Seconds per frame.
    """

    def __init__(self, rules: Endpoints, frame_seconds: float) -> None:
        self._pause, self._long_pause, self._idle, self._longest, self._lead, self._breath = (
            max(1, round(seconds / frame_seconds))
            for seconds in (rules.pause, rules.long_pause, rules.idle, rules.longest, rules.lead, _BREATH_SECONDS)
        )
        # Counted in frames, the next utterance must still start within the one that ends.
        self._lead = min(self._lead, self._pause - 1, self._long_pause - 1, self._idle - 1)
        self._num_frames = 0
        self._num_silent = 0  # latest frames without a symbol
        self._num_quiet = 0  # those of them since the last loud frame
        self._loudest = -math.inf
        self._has_speech = False

    def feed(self, *, silent: bool, loudness: float) -> int | None:
        """Process the next frame.

        Args:
            silent: Whether the network emits only a blank or a space.
            loudness: Of the frame, in decibels.

        Returns:
            The frame at which the next utterance starts, counted from the start of this one; None while this one
            continues.
        """
        self._num_frames += 1
        self._loudest = max(self._loudest, loudness)
        self._has_speech = self._has_speech or not silent
        self._num_silent = self._num_silent + 1 if silent else 0
        is_quiet = silent and loudness < self._loudest - QUIET
        self._num_quiet = self._num_quiet + 1 if is_quiet else 0
        return self._find_end()

    def _find_end(self) -> int | None:
        if not self._has_speech:
            return self._num_frames - self._lead if self._num_silent >= self._idle else None
        if self._num_quiet >= self._pause or self._num_silent >= self._long_pause:
            return self._num_frames - self._lead
        if self._num_frames >= self._longest and (
            self._num_silent >= self._breath or self._num_frames >= 1.2 * self._longest
        ):
            return self._num_frames - self._num_silent // 2
        return None
