"""Recordings or an index and phrases in, hits out.

for hit in find(["invoice number"], ["calls/monday.wav", "calls.index"]):
    print(hit.source, hit.start, hit.confidence, hit.before, hit.phrase, hit.after)
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from asr.config import DEFAULT_MODEL
from asr.errors import AsrError, AudioError
from asr.recognize.options import DecodingOptions, choose_decoder
from asr.recognize.recognizer import Recognizer, read_model_or_file
from asr.recognize.runner import BLOCK_SECONDS, NetworkRunner
from asr.recognize.utterance import UtteranceDecoder
from asr.recognize.word_boundaries import find_boundaries
from asr.recognize.words import FrameTiming
from asr.signal.audio import AudioSource, count_channels, name_of, open_as_file, stream_audio
from asr.signal.channels import Channel, ChannelChoice
from asr.signal.front_end import frame_layout
from asr.spotting.context import ContextDecoder
from asr.spotting.index import IndexedSegment, LogProbIndex, digest_model, is_index
from asr.spotting.spotter import THRESHOLD, Match, PhraseSpotter


@dataclass(frozen=True)
class Hit:
    """Where a phrase was said.

    Attributes:
        phrase: As it was given.
        start, end: Seconds from the start of the recording, half-open.
        confidence: Probability that it was said there.
        source: Name of the recording, if it has one.
        channel: The channel of the recording, from 0; None if all were mixed.
        before, after: The words around it, as the model recognises them; empty if they were not asked for.
    """

    phrase: str
    start: float
    end: float
    confidence: float
    source: str | None = None
    channel: int | None = None
    before: str = ""
    after: str = ""

    def to_fields(self) -> dict[str, str | int | float]:
        """Return the fields for JSON, in seconds; without source and channel if there are none."""
        named = {"source": self.source, "channel": self.channel}
        return {
            **{name: value for name, value in named.items() if value is not None},
            "phrase": self.phrase,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "confidence": round(self.confidence, 3),
            "before": self.before,
            "after": self.after,
        }


def find(
    phrases: Sequence[str],
    sources: Iterable[AudioSource],
    *,
    model: str | Path = DEFAULT_MODEL,
    threshold: float = THRESHOLD,
    context: bool = True,
    channel: ChannelChoice = "mix",
    device: str = "auto",
) -> Iterator[Hit]:
    """Find where phrases are said, in any words, also those that the model's lexicon lacks.

    Args:
        phrases: Texts, such as ["invoice number", "refund"].
        sources: Recordings (paths, file objects or `(array, sample_rate)`), or paths of indexes of `asr index`.
        model: A model folder, a name or an exported file.
        threshold: Least confidence of a hit.
        context: Whether to recognise the words around each hit.
        channel: As for `Recognizer.transcribe`; an index has the channels that it was made with.
        device: Where the network runs.

    Yields:
        Hits, in the order of the sources and of time.

    Raises:
        TextError: If a phrase cannot be spelled or pronounced.
        AudioError: If a recording cannot be read.
        AsrError: If an index is of another model, or the model or an index is missing or broken.
    """
    finder = PhraseFinder(model, phrases, threshold=threshold, context=context, device=device)
    for source in sources:
        if isinstance(source, str | os.PathLike) and is_index(path := Path(source)):
            with LogProbIndex(path) as index:
                yield from finder.search_index(index)
        else:
            yield from finder.search(source, channel=channel)


class PhraseFinder:
    """Searches recordings and indexes. The network is loaded when the first recording comes; an index needs none.

    Args: as for `find`.
    """

    def __init__(
        self,
        model: str | Path,
        phrases: Sequence[str],
        *,
        threshold: float = THRESHOLD,
        context: bool = True,
        device: str = "auto",
    ) -> None:
        self._model, self._folder = read_model_or_file(model)
        settings = self._model.settings
        self.spotter = PhraseSpotter(phrases, self._model.tokenizer, settings, threshold=threshold)
        layout = frame_layout(settings.features)
        rate = settings.features.sample_rate
        self.timing = FrameTiming(layout.output_step / rate, layout.window / rate)
        self._with_context = context
        self._device = device

    def search(self, source: AudioSource, *, channel: ChannelChoice = "mix") -> list[Hit]:
        """Search a recording; the hits come in the order of time.

        Raises:
            AudioError: If it cannot be read.
        """
        segments = read_segments(self._runner, source, channel)
        return self._search(segments, name_of(source))

    def search_index(
        self, index: LogProbIndex, on_progress: Callable[[float], None] = lambda seconds: None
    ) -> Iterator[Hit]:
        """Yield the hits in an index, recording by recording.

        Args:
            index: Open, and of the same model.
            on_progress: Called with the seconds of sound that are done.

        Raises:
            AsrError: If the index is of another model, or damaged.
        """
        if index.about.digest != digest_model(self._folder):
            raise AsrError(f"{index.path}: was made with another model ({index.about.model}); give that one")
        seconds = 0.0
        for recording in index.recordings():
            yield from self._search(index.segments(recording), str(recording.path))
            seconds += recording.seconds
            on_progress(seconds)

    def _search(self, segments: Iterable[IndexedSegment], name: str | None) -> list[Hit]:
        hits = [
            self._make_hit(match, segment, name)
            for segment in segments
            for match in self.spotter.spot(segment.log_probs)
        ]
        return sorted(hits, key=lambda hit: hit.start)

    def _make_hit(self, match: Match, segment: IndexedSegment, name: str | None) -> Hit:
        start, end = time_match(match, len(segment.log_probs), self.timing)
        before, after = self._context.decode(segment.log_probs, match) if self._with_context else ("", "")
        offset = segment.start
        return Hit(
            match.phrase.text, offset + start, offset + end, match.confidence, name, segment.channel, before, after
        )

    @cached_property
    def _runner(self) -> NetworkRunner:
        return Recognizer(self._model, device=self._device).runner

    @cached_property
    def _context(self) -> ContextDecoder:
        settings, tokenizer = self._model.settings, self._model.tokenizer
        beam = choose_decoder(self._folder, tokenizer, settings.decoder, DecodingOptions(), settings.normalizer)
        return ContextDecoder(UtteranceDecoder(tokenizer, self.timing, beam=beam))


def time_match(match: Match, num_frames: int, timing: FrameTiming) -> tuple[float, float]:
    """Return the seconds at which a match starts and ends in an utterance of T frames."""
    first, last = (frame * timing.frame_seconds + timing.offset for frame in (match.start, match.end))
    duration = num_frames * timing.frame_seconds + timing.offset
    starts, ends = find_boundaries(np.array([max(first, 0.0)]), np.array([last]), duration)
    return float(starts[0]), float(ends[0])


def read_segments(
    runner: NetworkRunner, source: AudioSource, channel: ChannelChoice = "mix"
) -> Iterator[IndexedSegment]:
    """Run the network on a recording; yield its segments, channel by channel.

    Raises:
        AudioError: If the recording cannot be read, or is shorter than one window of features.
    """
    if channel != "each":
        yield from _read_channel(runner, source, channel, name_of(source))
        return
    with ExitStack() as stack:  # a file object can be read once only
        held = source if isinstance(source, tuple) else stack.enter_context(open_as_file(source))[0]
        for number in range(count_channels(held)):
            yield from _read_channel(runner, held, number, name_of(source))


def _read_channel(
    runner: NetworkRunner, source: AudioSource, channel: Channel, name: str | None
) -> Iterator[IndexedSegment]:
    blocks = stream_audio(source, block_seconds=BLOCK_SECONDS, sample_rate=runner.sample_rate, channel=channel)
    is_empty = True
    for segment, log_probs in runner.run_segments(runner.split(blocks)):
        if len(log_probs):
            is_empty = False
            yield IndexedSegment(segment.start, log_probs, None if channel == "mix" else channel)
    if is_empty:
        raise AudioError(f"{name or 'audio'}: too short to hold speech")
