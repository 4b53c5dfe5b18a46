"""Speech in as it comes, text out as it is said: the model that transcribes files, on streams.

    stream = StreamingRecognizer(load_model())
    for block in blocks:                     # (S,) float32 within ±1, or 16-bit integers
        if partial := stream.accept(block):
            print(partial.text)
    print(stream.finish())

Each utterance is recognised afresh: where a pause ends one, the next starts with new states and a
new running mean. So how a stream is cut into blocks never changes its text.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from asr.config import CHUNK_SECONDS, RIGHT_SECONDS
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.endpoints import EndpointDetector, Endpoints
from asr.recognize.streaming.partial_text import start_text
from asr.recognize.utterance import UtteranceDecoder
from asr.recognize.words import find_words
from asr.runtime.network import BLANK, ChunkSize, NetworkStream
from asr.signal.loudness import frame_energy, measure_loudness, to_decibels
from asr.signal.resample import Resampler, Samples
from asr.transcript.transcript import Segment, Transcript, Word

# More at a time would be read in vain where an utterance ends within it.
_BLOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Partial:
    """What is known of a stream.

    Attributes:
        committed: Of the utterance that is being said, the text that will not change any more.
        tail: What follows it for the moment.
        finals: Utterances that ended since the last one of these.
    """

    committed: str = ""
    tail: str = ""
    finals: tuple[Segment, ...] = ()

    @property
    def text(self) -> str:
        """The utterance that is being said, as far as it is known."""
        return self.committed + self.tail


class StreamReader:
    """Reads any number of streams, those that are ready together.

    Args:
        recognizer: The model; with a beam search it is used, its state carried.
        chunk: Seconds that are read at a time.
        right: Seconds of right context that the network sees before text is settled.
        endpoints: When an utterance ends.
        preview: Guess at what still waits for its right context, so that the tail of the text
            appears at once; a second reading of that much.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        chunk: float = CHUNK_SECONDS,
        right: float = RIGHT_SECONDS,
        endpoints: Endpoints | None = None,
        preview: bool = True,
    ) -> None:
        self.recognizer = recognizer
        self.endpoints = endpoints or Endpoints()
        self.preview = preview
        self.frame_seconds = recognizer.runner.frame_seconds
        self.frame_samples = recognizer.runner.frame_samples
        self.network = recognizer.runner.network.streaming(
            ChunkSize.from_seconds(chunk, right, frame_seconds=self.frame_seconds)
        )
        symbols = recognizer.tokenizer.symbols
        self.silent = {token for token, symbol in enumerate(symbols) if token == BLANK or not symbol.strip(" ▁")}
        self.silent |= recognizer.tokenizer.marks

    def start(self, text_reader: UtteranceDecoder | None = None, *, start_seconds: float = 0.0) -> "SpeechStream":
        """A new stream.

        Args:
            text_reader: How text is found in this one, in the place of the recogniser's.
            start_seconds: Added to the times of its words.
        """
        return SpeechStream(self, text_reader or self.recognizer.decoder, start_seconds)

    def warm_up(self) -> None:
        """Load and compile what the first utterance would otherwise wait for."""
        stream = self.start()
        stream.put(torch.zeros(self.recognizer.sample_rate), last=True)
        self.read([stream])
        log_probs = np.full((25, len(self.recognizer.tokenizer.symbols)), -1.0, np.float32)
        find_words(log_probs, [1], self.recognizer.tokenizer, self.recognizer.decoder.timing, loudness=np.zeros(100))

    def read(self, streams: Sequence["SpeechStream"]) -> list[Partial | None]:
        """Read what the streams hold.

        Returns:
            For each stream what is known now; None where nothing is new, and where it has failed:
            its `error` tells why, and the others go on.
        """
        # Where an utterance ends, what follows goes through the network again, with the next.
        while waiting := [one for one in streams if one.error is None and one.acoustic.is_ready]:
            found = self.network.run([stream.acoustic for stream in waiting])
            for stream, log_probs in zip(waiting, found, strict=True):
                stream.take(torch.from_numpy(log_probs))
        if self.preview:
            self._guess([stream for stream in streams if not stream.ended and stream.error is None])
        for stream in streams:
            stream.settle()
        return [stream.look() for stream in streams]

    def _guess(self, streams: Sequence["SpeechStream"]) -> None:
        guesses = self.network.preview([stream.acoustic for stream in streams])
        for stream, log_probs in zip(streams, guesses, strict=True):
            stream.guess(torch.from_numpy(log_probs))


class SpeechStream:
    """One recording on its way through a `StreamReader`.

    Attributes:
        ended: Whether its last samples are in.
        error: Why it cannot be read on, such as by a vocabulary that allows nothing of what is said.
    """

    error: Exception | None = None

    def __init__(self, reader: StreamReader, text_reader: UtteranceDecoder, start_seconds: float) -> None:
        self.ended = False
        self._start_seconds = start_seconds
        self._reader = reader
        self._text_reader = text_reader
        self._num_samples = 0
        self._utterance = _Utterance(reader, text_reader, 0)
        self._finals: list[Segment] = []
        self._shown = Partial()

    @property
    def acoustic(self) -> NetworkStream:
        """What the network has still to read of it."""
        return self._utterance.acoustic

    @property
    def duration(self) -> float:
        """Seconds of sound so far."""
        return self._num_samples / self._reader.recognizer.sample_rate

    def put(self, waveform: Tensor, *, last: bool = False) -> None:
        """Take (S,) samples at the model's rate; S may be 0. `StreamReader.read` reads them.

        Raises:
            ValueError: If the stream has ended before.
        """
        if self.ended:
            raise ValueError("this stream has ended; start another")
        self.ended = last
        self._num_samples += len(waveform)
        self._utterance.put(waveform, last=last)

    def take(self, log_probs: Tensor) -> None:
        """Read (T, V) log probabilities on, up to where the utterance ends; what follows the network reads again."""
        with self._failing_alone():
            cut = self._utterance.take(log_probs)
            if cut is not None:
                self._close(cut * self._reader.frame_samples)

    def settle(self) -> None:
        """All has been read: if nothing follows, the last utterance is over, too."""
        with self._failing_alone():
            if self.ended and self.error is None and self._utterance.has_frames:
                self._close(len(self._utterance.waveform))

    def guess(self, log_probs: Tensor) -> None:
        """What (T, V) log probabilities say of the frames that `take` has yet to bring."""
        self._utterance.guess(log_probs)

    def look(self) -> Partial | None:
        """What is known now; None where nothing is new."""
        if self.error is not None:
            return None
        committed, text = self._utterance.texts()
        partial = Partial(committed, text[len(committed) :], tuple(self._finals))
        self._finals.clear()
        if partial == self._shown:
            return None
        self._shown = replace(partial, finals=())
        return partial

    @contextlib.contextmanager
    def _failing_alone(self) -> Iterator[None]:
        """Streams that are read together must not lose their frames by an error of one."""
        try:
            yield
        except Exception as error:
            self.error = error

    def _close(self, num_samples: int) -> None:
        """The utterance is over; what lies after so many of its samples belongs to the next."""
        over = self._utterance
        if words := over.words(self._start_seconds):
            self._finals.append(Segment(words))
        self._utterance = _Utterance(self._reader, self._text_reader, over.start + num_samples)
        self._utterance.put(over.waveform[num_samples:], last=self.ended)


class _Utterance:
    """What lies between two pauses of a stream.

    Attributes:
        start: Its first sample, counted from the stream's.
        waveform: (S,) its samples so far.
        acoustic: What the network has still to read of it.
    """

    def __init__(self, reader: StreamReader, text_reader: UtteranceDecoder, start: int) -> None:
        self.start = start
        self.waveform = torch.empty(0)
        self.acoustic: NetworkStream = reader.network.start()
        self._reader = reader
        self._text_reader = text_reader
        self._features = reader.recognizer.runner.extractor.stream()
        self._text = start_text(text_reader.beam)
        self._detector = EndpointDetector(reader.endpoints, reader.frame_seconds)
        self._log_probs: list[Tensor] = []
        self._num_frames = 0
        self._guessed: list[int] | None = None  # after the settled tokens, by frames that `take` has yet to bring

    @property
    def has_frames(self) -> bool:
        return bool(self._log_probs)

    def put(self, waveform: Tensor, *, last: bool) -> None:
        self.waveform = torch.cat([self.waveform, waveform])
        self.acoustic.feed(self._features.feed(waveform).numpy(), last=last)

    def take(self, log_probs: Tensor) -> int | None:
        """Read (T, V) log probabilities; where the utterance ends within, the frame at which the next one starts."""
        levels = self._levels(len(log_probs))
        path = log_probs.argmax(-1).tolist()
        for index, (token, level) in enumerate(zip(path, levels, strict=True)):
            cut = self._detector.feed(silent=token in self._reader.silent, level=level)
            if cut is not None:
                self._append(log_probs[: index + 1])
                return cut
        self._append(log_probs)
        return None

    def guess(self, log_probs: Tensor) -> None:
        self._guessed = self._text.preview(log_probs)

    def texts(self) -> tuple[str, str]:
        """The text that will not change any more, and all of it as it seems now."""
        settled = self._text.settled
        unsettled = self._text.open() if self._guessed is None else self._guessed
        both = self._whole_words(settled), [*settled, *unsettled]
        committed, text = map(self._text_reader.to_text, both)
        return committed, text

    def _whole_words(self, tokens: list[int]) -> list[int]:
        """Tokens without a word whose mark is still to come: until then it may be any of those that sound alike."""
        marks = self._text_reader.tokenizer.marks
        if not marks:
            return tokens
        last = next((place for place in range(len(tokens), 0, -1) if tokens[place - 1] in marks), 0)
        return tokens[:last]

    def words(self, stream_start: float) -> tuple[Word, ...]:
        """Its words, now that it is over, with times from so many seconds before the stream's start."""
        recognizer = self._reader.recognizer
        return find_words(
            torch.cat(self._log_probs).numpy(),
            self._text.finish(),
            self._text_reader.tokenizer,
            self._text_reader.timing,
            loudness=measure_loudness(self.waveform.numpy(), recognizer.sample_rate),
            start_seconds=stream_start + self.start / recognizer.sample_rate,
            confidence=self._text_reader.confidence,
        )

    def _append(self, log_probs: Tensor) -> None:
        self._text.feed(log_probs)
        self._log_probs.append(log_probs)
        self._num_frames += len(log_probs)
        self._guessed = None

    def _levels(self, count: int) -> list[float]:
        """Loudness of the next frames, in decibels."""
        size = self._reader.frame_samples
        samples = self.waveform[self._num_frames * size : (self._num_frames + count) * size]
        padded = F.pad(samples, (0, count * size - len(samples))).numpy()
        # A floor of -100 dB, so that even in a recording of -80 dB a pause can lie 20 dB below speech.
        levels: list[float] = to_decibels(frame_energy(padded, size) / size, floor=1e-10).tolist()
        return levels


class StreamingRecognizer:
    """Recognises one recording that arrives in blocks.

    Args:
        recognizer: The model.
        sample_rate: Hz of the samples that come, at least 1000; None: the model's.
        options: As for `StreamReader`.

    Raises:
        ValueError: If the rate makes no sense.
    """

    def __init__(self, recognizer: Recognizer, *, sample_rate: float | None = None, **options: Any) -> None:
        self._reader = StreamReader(recognizer, **options)
        self._rate = recognizer.sample_rate if sample_rate is None else sample_rate
        if not self._rate >= 1000:  # NaN, too
            raise ValueError(f"sample_rate is {self._rate}; expected Hz, such as 16000")
        self.reset()

    def reset(self) -> None:
        """Forget all that was heard and start afresh."""
        self._stream = self._reader.start()
        self._resampler = Resampler(self._rate, self._reader.recognizer.sample_rate)
        self._segments: list[Segment] = []

    def accept(self, samples: Any) -> Partial | None:
        """Hear on.

        Args:
            samples: (S,) floats within ±1, or 16-bit integers; an array or a tensor, S may be 0.

        Returns:
            What is known now; None where it is what was known before.

        Raises:
            ValueError: If the shape or type is another, samples are NaN or infinite, or after `finish` without `reset`.
        """
        return self._read(self._resampler.feed(to_waveform(samples)), last=False)

    def finish(self) -> Transcript:
        """The text of all that was heard; nothing can be accepted after, unless `reset`."""
        if not self._stream.ended:
            self._read(self._resampler.feed(np.empty(0, np.float32), last=True), last=True)
        text = " ".join(segment.text for segment in self._segments)
        return Transcript(text, self._stream.duration, segments=tuple(self._segments))

    def _read(self, samples: Samples, *, last: bool) -> Partial | None:
        known: Partial | None = None
        finals: list[Segment] = []
        for waveform, is_last in cut_blocks(samples, self._reader.recognizer.sample_rate, last=last):
            self._stream.put(waveform, last=is_last)
            partial = self._reader.read([self._stream])[0]
            if self._stream.error is not None:
                raise self._stream.error
            if partial is not None:
                known = partial
                finals += partial.finals
        self._segments += finals
        return None if known is None else replace(known, finals=tuple(finals))


def to_waveform(samples: Any) -> Samples:
    """(S,) finite floats or 16-bit integers as float32 within ±1. Raises ValueError for anything else."""
    array = np.asarray(samples)
    if array.ndim != 1 or (array.dtype.kind != "f" and array.dtype != np.int16):
        raise ValueError(f"expected (S,) floats or 16-bit integers, found {array.dtype} of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("the block holds samples that are NaN or infinite")
    return (array / 32768 if array.dtype == np.int16 else array).astype(np.float32)


def cut_blocks(samples: Samples, sample_rate: int, *, last: bool) -> list[tuple[Tensor, bool]]:
    """Blocks of at most a second, each with whether the stream ends after it."""
    step = int(_BLOCK_SECONDS * sample_rate)
    edges = [*range(0, len(samples), step), len(samples)] if len(samples) else [0, 0]
    blocks = [torch.from_numpy(samples[first:end]) for first, end in pairwise(edges)]
    return [(block, last and index == len(blocks) - 1) for index, block in enumerate(blocks)]
