"""One live stream: samples and log probabilities in, partial text and finished utterances out.

Each utterance is recognised afresh: after a pause the next one starts with new states and a new running mean, so the
text does not depend on how a stream is divided into blocks. Knows nothing of the streams that share its network.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from asr.alignment import BLANK
from asr.config import CHUNK_SECONDS, RIGHT_SECONDS
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.endpoints import EndpointDetector, Endpoints
from asr.recognize.streaming.partial_text import BeamPartialText, GreedyPartialText, PartialText
from asr.recognize.utterance import UtteranceDecoder
from asr.runtime.network import ChunkSize, LogProbs, NetworkStream
from asr.signal.loudness import frame_energy, measure_loudness, to_decibels
from asr.signal.resample import Waveform
from asr.transcript.transcript import Segment, Word


@dataclass(frozen=True)
class StreamingOptions:
    """How streams are recognised.

    Attributes:
        chunk: Seconds that go through the network at a time.
        right: Seconds of look-ahead (right context) before text is committed.
        endpoints: When an utterance ends.
        preview: Whether to show provisional text for audio whose look-ahead has not arrived yet. That audio goes
            through the network twice.
    """

    chunk: float = CHUNK_SECONDS
    right: float = RIGHT_SECONDS
    endpoints: Endpoints = field(default_factory=Endpoints)
    preview: bool = True


@dataclass(frozen=True)
class Partial:
    """What is known of a stream.

    Attributes:
        committed: Text of the current utterance that will not change any more.
        tail: Provisional text after it.
        finals: Utterances that have ended since the previous result.
        closed: At the end of a stream whose last utterance was final before, and left its sentence open: that utterance
            again, with the mark after its last word.
    """

    committed: str = ""
    tail: str = ""
    finals: tuple[Segment, ...] = ()
    closed: Segment | None = None

    @property
    def text(self) -> str:
        """The current utterance so far."""
        return self.committed + self.tail

    def after(self, earlier: "Partial") -> "Partial":
        """Return this result together with the utterances of an earlier one that was not reported."""
        if self.closed is not None and earlier.finals:
            return replace(self, finals=(*earlier.finals[:-1], self.closed), closed=None)
        return replace(self, finals=(*earlier.finals, *self.finals))


class StreamContext:
    """What all streams of a recogniser share: the model, its network in chunks, and the tokens that are not speech."""

    def __init__(self, recognizer: Recognizer, options: StreamingOptions) -> None:
        self.recognizer = recognizer
        self.endpoints = options.endpoints
        self.frame_seconds = recognizer.runner.frame_seconds
        self.frame_samples = recognizer.runner.frame_samples
        chunk_size = ChunkSize.from_seconds(options.chunk, options.right, frame_seconds=self.frame_seconds)
        self.network = recognizer.runner.network.streaming(chunk_size)
        symbols = recognizer.tokenizer.symbols
        self.silent = {token for token, symbol in enumerate(symbols) if token == BLANK or not symbol.strip(" ▁")}
        self.silent |= recognizer.tokenizer.word_ends


class LogProbsObserver(Protocol):
    """Sees the log probabilities of a stream, utterance by utterance."""

    def feed(self, log_probs: LogProbs, start_seconds: float) -> None:
        """Take (T, V) further log probabilities of the utterance that starts at a time in the stream."""

    def finish(self) -> None:
        """End the utterance."""


class SpeechStream:
    """One stream of a `MultiStreamRecognizer`.

    Attributes:
        ended: Whether the last samples have been fed.
        error: Why the stream cannot continue, such as a vocabulary that allows nothing of what was said.
    """

    error: Exception | None = None

    def __init__(
        self,
        context: StreamContext,
        utterance_decoder: UtteranceDecoder,
        start_seconds: float,
        observer: LogProbsObserver | None = None,
    ) -> None:
        self.ended = False
        self._observer = observer
        self._start_seconds = start_seconds
        self._context = context
        self._utterance_decoder = utterance_decoder
        self._num_samples = 0
        self._utterance = _Utterance(context, utterance_decoder, 0)
        self._finals: list[Segment] = []
        self._closed: Segment | None = None
        writer = utterance_decoder.writer
        self._written = writer.start() if writer is not None else None
        self._latest = Partial()

    @property
    def acoustic(self) -> NetworkStream:
        """The features that wait for the network."""
        return self._utterance.acoustic

    @property
    def duration(self) -> float:
        """Seconds of audio so far."""
        return self._num_samples / self._context.recognizer.sample_rate

    def feed(self, waveform: Waveform, *, last: bool = False) -> None:
        """Append (S,) samples at the model's rate, S may be 0; `MultiStreamRecognizer.decode` decodes them.

        Raises:
            ValueError: If the stream has ended before.
        """
        if self.ended:
            raise ValueError("this stream has ended; start another")
        self.ended = last
        self._num_samples += len(waveform)
        self._utterance.feed(waveform, last=last)

    def feed_log_probs(self, log_probs: LogProbs) -> None:
        """Decode (T, V) log probabilities up to the end of the utterance.

        Samples after that end belong to the next utterance and go through the network again.
        """
        with self._catch_error():
            utterance, num_frames = self._utterance, self._utterance.num_frames
            end = utterance.feed_log_probs(log_probs)
            if self._observer is not None:
                start = utterance.start / self._context.recognizer.sample_rate
                self._observer.feed(log_probs[: utterance.num_frames - num_frames], self._start_seconds + start)
            if end is not None:
                self._close_utterance(end * self._context.frame_samples)

    def finish_if_ended(self) -> None:
        """Close the last utterance if the stream has ended; all log probabilities must have been fed."""
        with self._catch_error():
            if self.ended and self.error is None:
                if self._utterance.num_frames:
                    self._close_utterance(len(self._utterance.waveform))
                self._close_sentence()

    def preview(self, log_probs: LogProbs) -> None:
        """Show provisional text from (T, V) log probabilities that `feed_log_probs` will replace."""
        self._utterance.preview(log_probs)

    def take_partial(self) -> Partial | None:
        """Return what is known now; None if nothing has changed."""
        if self.error is not None:
            return None
        committed, text = self._utterance.texts()
        partial = Partial(committed, text[len(committed) :], tuple(self._finals), self._closed)
        self._finals.clear()
        self._closed = None
        if partial == self._latest:
            return None
        self._latest = replace(partial, finals=(), closed=None)
        return partial

    @contextlib.contextmanager
    def _catch_error(self) -> Iterator[None]:
        """Keep an error from the other streams of a batch, which would lose their frames."""
        try:
            yield
        except Exception as error:
            self.error = error

    def _close_utterance(self, num_samples: int) -> None:
        """End the utterance after its first `num_samples` samples and start the next with the others."""
        closed = self._utterance
        if words := closed.finish(self._start_seconds):
            self._finals.append(self._write_out(Segment(words), closed, num_samples))
        if self._observer is not None:
            self._observer.finish()
        self._utterance = _Utterance(self._context, self._utterance_decoder, closed.start + num_samples)
        self._utterance.feed(closed.waveform[num_samples:], last=self.ended)

    def _close_sentence(self) -> None:
        """End the last sentence, since nothing follows any more."""
        closed = self._written.close() if self._written is not None else None
        if closed is not None and self._finals:
            self._finals[-1] = closed
        else:
            self._closed = closed

    def _write_out(self, segment: Segment, utterance: "_Utterance", num_samples: int) -> Segment:
        """Write out the words of an utterance of so many samples; with the last of the stream ends a sentence."""
        if self._written is None:
            return segment
        # Nothing was said up to the last frame, although the end of the pause belongs to the next utterance.
        known = utterance.start + max(num_samples, utterance.num_frames * self._context.frame_samples)
        end_seconds = self._start_seconds + known / self._context.recognizer.sample_rate
        is_last = self.ended and utterance.start + num_samples == self._num_samples
        return self._written.write(segment, max(0.0, end_seconds - segment.end), closes=is_last)


class _Utterance:
    """The speech between two pauses of a stream.

    Attributes:
        start: Its first sample, counted from the start of the stream.
        waveform: (S,) its samples so far.
        acoustic: The features that wait for the network.
        num_frames: Frames of log probabilities so far.
    """

    def __init__(self, context: StreamContext, utterance_decoder: UtteranceDecoder, start: int) -> None:
        self.start = start
        self.waveform = np.empty(0, np.float32)
        self.acoustic: NetworkStream = context.network.start()
        self._context = context
        self._utterance_decoder = utterance_decoder
        self._features = context.recognizer.runner.extractor.stream()
        beam = utterance_decoder.beam
        self._text: PartialText = GreedyPartialText() if beam is None else BeamPartialText(beam)
        self._detector = EndpointDetector(context.endpoints, context.frame_seconds)
        self._log_probs: list[LogProbs] = []
        self.num_frames = 0
        self._preview: list[int] | None = None  # tokens after the committed ones; None without a preview

    def feed(self, waveform: Waveform, *, last: bool) -> None:
        self.waveform = np.concatenate([self.waveform, waveform])
        self.acoustic.feed(self._features.feed(waveform, last=last), last=last)

    def feed_log_probs(self, log_probs: LogProbs) -> int | None:
        """Decode (T, V) log probabilities.

        Returns:
            The frame at which the next utterance starts; None while this one continues.
        """
        path = log_probs.argmax(-1).tolist()
        for index, (token, loudness) in enumerate(zip(path, self._loudness(len(path)), strict=True)):
            end = self._detector.feed(silent=token in self._context.silent, loudness=loudness)
            if end is not None:
                self._append(log_probs[: index + 1])
                return end
        self._append(log_probs)
        return None

    def preview(self, log_probs: LogProbs) -> None:
        """Show provisional text from (T, V) log probabilities that `feed_log_probs` will replace."""
        self._preview = self._text.preview(log_probs)

    def texts(self) -> tuple[str, str]:
        """Return the committed text, and all text including the provisional tail."""
        committed = self._text.committed
        tail = self._text.tail() if self._preview is None else self._preview
        to_text, num_complete = self._utterance_decoder.to_text, len(committed)
        if word_ends := self._utterance_decoder.tokenizer.word_ends:
            # Until the end symbol of the last word comes, it may be any of several homophones.
            while num_complete and committed[num_complete - 1] not in word_ends:
                num_complete -= 1
        return to_text(committed[:num_complete]), to_text([*committed, *tail])

    def finish(self, stream_start: float) -> tuple[Word, ...]:
        """Return the words of the whole utterance; `stream_start` seconds are added to their times."""
        recognizer = self._context.recognizer
        return self._utterance_decoder.find_words(
            np.concatenate(self._log_probs),
            self._text.finish(self._utterance_decoder.num_hypotheses),
            measure_loudness(self.waveform, recognizer.sample_rate),
            stream_start + self.start / recognizer.sample_rate,
        )

    def _append(self, log_probs: LogProbs) -> None:
        self._text.feed(log_probs)
        self._log_probs.append(log_probs)
        self.num_frames += len(log_probs)
        self._preview = None

    def _loudness(self, count: int) -> list[float]:
        """Measure the next `count` frames, in decibels."""
        size = self._context.frame_samples
        samples = self.waveform[self.num_frames * size : (self.num_frames + count) * size]
        padded = np.pad(samples, (0, count * size - len(samples)))
        # A floor of -100 dB, so that pauses lie 20 dB below speech even in a recording of -80 dB.
        loudness: list[float] = to_decibels(frame_energy(padded, size) / size, floor=1e-10).tolist()
        return loudness
