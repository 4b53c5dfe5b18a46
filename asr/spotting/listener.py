"""Live audio and phrases in, hits out: voice commands.

listener = PhraseListener(recognizer, spotter)
for block in blocks:                       # (S,) float32 within ±1, or 16-bit integers
    for hit in listener.feed(block):
        print(hit.phrase, hit.confidence)
"""

from typing import Any

import numpy as np

from asr.alignment import BLANK
from asr.jit import Array
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.recognizer import StreamingRecognizer
from asr.recognize.streaming.stream import StreamingOptions
from asr.recognize.words import FrameTiming
from asr.runtime.network import LogProbs
from asr.spotting.find import Hit, time_match
from asr.spotting.spotter import Match, PhraseSpotter, SpottingStream

# Sounds that an utterance may have besides the phrase, if phrases must stand alone: a breath is often taken for one.
_MOST_OTHER_SOUNDS = 1


class PhraseListener:
    """Finds phrases in one stream of audio.

    Args:
        recognizer: The model; best without beam search, whose text is not used.
        spotter: The phrases; best `exclusive`.
        options: Latency, and where utterances end. Previews are of no use.
        sample_rate: Hz of the samples; None takes the model's.
        alone: Whether a phrase counts only if nothing else is said between the pauses around it. Hits then come when
            the utterance has ended.

    Raises:
        ValueError: If the rate is not valid.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        spotter: PhraseSpotter,
        options: StreamingOptions | None = None,
        *,
        sample_rate: float | None = None,
        alone: bool = False,
    ) -> None:
        self._timing: FrameTiming = recognizer.decoder.timing
        self._observer = _Observer(spotter, self._timing, find_silent_tokens(recognizer), alone=alone)
        options = options or StreamingOptions(preview=False)
        self._stream = StreamingRecognizer(recognizer, options, sample_rate=sample_rate, observer=self._observer)

    def feed(self, samples: Any) -> list[Hit]:
        """Search the next samples (S,), as `StreamingRecognizer.feed` takes them; return the hits that are final."""
        self._stream.feed(samples)
        return self._observer.take_hits()

    def finish(self) -> list[Hit]:
        """End the stream; return the hits that were not final before."""
        self._stream.finish()
        return self._observer.take_hits()


class _Observer:
    """Searches the log probabilities of a stream, utterance by utterance."""

    def __init__(self, spotter: PhraseSpotter, timing: FrameTiming, silent: Array, *, alone: bool) -> None:
        self._spotter = spotter
        self._timing = timing
        self._silent = silent
        self._alone = alone
        self._hits: list[Hit] = []
        self._start_utterance()

    def feed(self, log_probs: LogProbs, start_seconds: float) -> None:
        self._start_seconds = start_seconds
        self._paths.append(log_probs.argmax(axis=1))
        self._add(self._stream.feed(log_probs))

    def finish(self) -> None:
        self._add(self._stream.finish())
        if self._alone:
            path = np.concatenate([np.empty(0, np.int64), *self._paths])
            sounds = find_sounds(path, self._silent)
            self._hits += [self._make_hit(match) for match in self._matches if is_alone(match, sounds)]
        self._start_utterance()

    def take_hits(self) -> list[Hit]:
        """Return the hits since the last call."""
        hits, self._hits = self._hits, []
        return hits

    def _start_utterance(self) -> None:
        self._stream: SpottingStream = self._spotter.stream()
        self._paths: list[Array] = []  # the most probable token of each frame
        self._matches: list[Match] = []  # that wait for the end of the utterance

    def _add(self, matches: list[Match]) -> None:
        if self._alone:
            self._matches += matches
        else:
            self._hits += map(self._make_hit, matches)

    def _make_hit(self, match: Match) -> Hit:
        num_frames = sum(map(len, self._paths))
        start, end = time_match(match, num_frames, self._timing)
        return Hit(match.phrase.text, self._start_seconds + start, self._start_seconds + end, match.confidence)


def find_silent_tokens(recognizer: Recognizer) -> Array:
    """Return the tokens that stand for no sound: the blank, word ends, a space."""
    tokenizer = recognizer.tokenizer
    silent = [token for token, symbol in enumerate(tokenizer.symbols) if not symbol.strip(" ▁")]
    return np.array(sorted({BLANK, *silent, *tokenizer.word_ends}))


def find_sounds(path: Array, silent: Array) -> Array:
    """Return the first frames (N,) of the sounds in a path (T,) of tokens."""
    is_new = np.diff(path, prepend=BLANK) != 0
    return np.flatnonzero(is_new & ~np.isin(path, silent))


def is_alone(match: Match, sounds: Array) -> bool:
    """Whether hardly any of the sounds, whose first frames are (N,), lie outside a match."""
    inside = np.count_nonzero((sounds >= match.start - 1) & (sounds <= match.end))
    return bool(len(sounds) - inside <= _MOST_OTHER_SOUNDS)
