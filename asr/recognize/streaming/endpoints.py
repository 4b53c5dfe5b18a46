"""Where an utterance ends in a stream: what the network hears frame by frame in, a place to cut out.

A long run of blanks alone is no proof of silence: CTC says a vowel once, however long it sounds.
So a short pause must also be quiet, and only a long one is believed whatever is heard.
"""

import math
from dataclasses import dataclass, fields

from asr.errors import ConfigError

QUIET = 20.0  # decibels below the utterance's loudest frame
_BREATH_SECONDS = 0.12  # of blanks, where an utterance that grows too long may be cut


@dataclass(frozen=True)
class Endpoints:
    """Rules by which a stream is cut into utterances; all in seconds.

    Attributes:
        pause: Quiet after speech that ends an utterance.
        long_pause: Nothing recognised after speech, quiet or not, that ends it as well.
        idle: Without speech, after which recognition starts afresh: the running mean of the
            features must not settle on silence. (AN4's dev speech with pauses of 1.2 to 5 s,
            WER with idle 0.6, 1, 2, 4 s: 5.0, 5.5, 5.5, 9.5 %.)
        longest: From here on an utterance ends at the first breath, after a fifth more anyhow.
        lead: Of a pause that stays with the utterance after it.
    """

    pause: float = 0.8
    long_pause: float = 1.6
    idle: float = 1.0
    longest: float = 30.0
    lead: float = 0.3

    @classmethod
    def after(cls, pause: float, longest: float) -> "Endpoints":
        """Rules for speech whose pauses are longer or shorter; the rest goes along. Raises ConfigError as the class."""
        return cls(pause=pause, long_pause=2 * pause, longest=longest)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:  # NaN, too
                raise ConfigError(f"endpoints: {field.name} is {value}; expected seconds above 0")
        if self.lead >= min(self.pause, self.long_pause, self.idle):
            raise ConfigError(f"endpoints: lead is {self.lead}; expected less than pause, long_pause and idle")


class EndpointDetector:
    """Watches one utterance, a frame of the network's output at a time.

    Args:
        rules: When to cut.
        frame_seconds: Seconds a frame.
    """

    def __init__(self, rules: Endpoints, frame_seconds: float) -> None:
        self._pause, self._long_pause, self._idle, self._longest, self._lead, self._breath = (
            max(1, round(seconds / frame_seconds))
            for seconds in (rules.pause, rules.long_pause, rules.idle, rules.longest, rules.lead, _BREATH_SECONDS)
        )
        # In frames, too, a cut must lie within the utterance that it ends.
        self._lead = min(self._lead, self._pause - 1, self._long_pause - 1, self._idle - 1)
        self._num_frames = 0
        self._silent = 0  # frames without a symbol, up to now
        self._quiet = 0  # of them those since the last loud one
        self._loudest = -math.inf
        self._has_speech = False

    def feed(self, *, silent: bool, level: float) -> int | None:
        """Look at the next frame.

        Args:
            silent: Whether the network says no symbol there but blank or space.
            level: Loudness in decibels.

        Returns:
            The frame, counted from the utterance's first, at which the next utterance starts;
            None while this one goes on.
        """
        self._num_frames += 1
        self._loudest = max(self._loudest, level)
        self._has_speech = self._has_speech or not silent
        self._silent = self._silent + 1 if silent else 0
        is_quiet = silent and level < self._loudest - QUIET
        self._quiet = self._quiet + 1 if is_quiet else 0
        return self._cut()

    def _cut(self) -> int | None:
        if not self._has_speech:
            return self._num_frames - self._lead if self._silent >= self._idle else None
        if self._quiet >= self._pause or self._silent >= self._long_pause:
            return self._num_frames - self._lead
        if self._num_frames >= self._longest and (
            self._silent >= self._breath or self._num_frames >= 1.2 * self._longest
        ):
            return self._num_frames - self._silent // 2
        return None
