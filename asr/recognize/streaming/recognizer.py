"""Streaming recognition: speech in as it is spoken, text out, with the model that transcribes files.

    stream = StreamingRecognizer(load_model())
    for block in blocks:                     # (S,) float32 within ±1, or 16-bit integers
        if partial := stream.feed(block):
            print(partial.text)
    print(stream.finish())

`MultiStreamRecognizer` serves any number of streams with one network.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.stream import (
    LogProbsObserver,
    Partial,
    SpeechStream,
    StreamContext,
    StreamingOptions,
)
from asr.recognize.utterance import SearchResult, UtteranceDecoder
from asr.runtime.threads import map_in_threads
from asr.signal.arrays import check_peak, to_samples
from asr.signal.channels import Mixer
from asr.signal.resample import Resampler, Waveform
from asr.transcript.transcript import Segment, Transcript, judge_speech

# In longer blocks, more of the work after the end of an utterance would be thrown away.
_BLOCK_SECONDS = 1.0


class MultiStreamRecognizer:
    """Recognises any number of streams; those that are ready go through the network together.

    Args:
        recognizer: The model; its beam search is used, if it has one.
        options: Latency, endpoints and previews.
    """

    is_live = True  # whether text comes before a stream has ended

    def __init__(self, recognizer: Recognizer, options: StreamingOptions | None = None) -> None:
        self.recognizer = recognizer
        self._options = options or StreamingOptions()
        self._context = StreamContext(recognizer, self._options)

    def start(
        self,
        utterance_decoder: UtteranceDecoder | None = None,
        *,
        start_seconds: float = 0.0,
        observer: LogProbsObserver | None = None,
    ) -> SpeechStream:
        """Start a stream.

        Args:
            utterance_decoder: Decodes this stream; None takes the recogniser's.
            start_seconds: Added to the times of its words.
            observer: Sees its log probabilities.
        """
        return SpeechStream(self._context, utterance_decoder or self.recognizer.decoder, start_seconds, observer)

    def warm_up(self) -> None:
        """Load and compile what the first utterance would otherwise wait for."""
        stream = self.start()
        stream.feed(np.zeros(self.recognizer.sample_rate, np.float32), last=True)
        self.decode([stream])
        log_probs = np.full((25, len(self.recognizer.tokenizer.symbols)), -1.0, np.float32)
        self.recognizer.decoder.find_words(log_probs, SearchResult.greedy([1]), np.zeros(100))
        if self.recognizer.decoder.writer is not None:
            self.recognizer.decoder.writer.warm_up()

    def decode(self, batch: Sequence[SpeechStream], *, preview: bool = True) -> list[Partial | None]:
        """Decode what a batch of streams has been fed.

        Args:
            batch: The streams.
            preview: Whether to preview audio whose look-ahead is missing, if the options allow it.

        Returns:
            For each stream what is known now; None if nothing has changed or the stream has failed. Its `error` says
            why, and the other streams continue.
        """
        network = self._context.network
        # After the end of an utterance, the samples that follow go through the network again as the next one.
        while ready := [stream for stream in batch if stream.error is None and stream.acoustic.is_ready]:
            outputs = network.run([stream.acoustic for stream in ready])
            pairs = list(zip(ready, outputs, strict=True))
            map_in_threads(lambda pair: pair[0].feed_log_probs(pair[1]), pairs)
        if preview and self._options.preview:
            live = [stream for stream in batch if not stream.ended and stream.error is None]
            pairs = list(zip(live, network.preview([stream.acoustic for stream in live]), strict=True))
            map_in_threads(lambda pair: pair[0].preview(pair[1]), pairs)
        for stream in batch:
            stream.finish_if_ended()
        return [stream.take_partial() for stream in batch]


class StreamingRecognizer:
    """Recognises one recording that arrives in blocks.

    Args:
        recognizer: The model.
        options: Latency, endpoints and previews.
        sample_rate: Hz of the samples that will be fed, at least 1000; None takes the model's.
        observer: Sees the log probabilities.

    Raises:
        ValueError: If the rate is not valid.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        options: StreamingOptions | None = None,
        *,
        sample_rate: float | None = None,
        observer: LogProbsObserver | None = None,
    ) -> None:
        self._observer = observer
        self._recognizer = MultiStreamRecognizer(recognizer, options)
        self._rate = recognizer.sample_rate if sample_rate is None else sample_rate
        if not self._rate >= 1000:  # also refuses NaN
            raise ValueError(f"sample_rate is {self._rate}; expected Hz, such as 16000")
        self.reset()

    def reset(self) -> None:
        """Forget everything and start afresh."""
        self._stream = self._recognizer.start(observer=self._observer)
        self._resampler = Resampler(self._rate, self._recognizer.recognizer.sample_rate)
        self._mixer = Mixer("mix", "stream")  # measures
        self._segments: list[Segment] = []

    def feed(self, samples: Any) -> Partial | None:
        """Recognise the next samples.

        Args:
            samples: (S,) floats within ±1, or integers, which are divided by the range of their type, as in
                `load_audio`; an array, a list or a tensor, S may be 0.

        Returns:
            What is known now; None if nothing has changed.

        Raises:
            ValueError: If the shape is wrong, the scale of samples is not known (an AudioError, too), samples are NaN
                or infinite, or `finish` was called and `reset` was not.
        """
        waveform = self._mixer.mix(to_waveform(samples)[:, None])
        return self._decode(self._resampler.feed(waveform), last=False)

    def finish(self) -> Transcript:
        """Return the transcript of everything that was fed; call `reset` to start another recording."""
        if not self._stream.ended:
            self._decode(self._resampler.finish(), last=True)
        text = " ".join(segment.text for segment in self._segments)
        is_written = self._recognizer.recognizer.decoder.writer is not None
        raw_text = " ".join(segment.raw_text for segment in self._segments) if is_written else None
        words = [word for segment in self._segments for word in segment.words]
        warnings = self._mixer.describe_levels() or judge_speech(words, self._stream.duration)
        segments = tuple(self._segments)
        return Transcript(text, self._stream.duration, segments=segments, warnings=warnings, raw_text=raw_text)

    def _decode(self, samples: Waveform, *, last: bool) -> Partial | None:
        latest: Partial | None = None
        for waveform, is_last in split_into_blocks(samples, self._recognizer.recognizer.sample_rate, last=last):
            self._stream.feed(waveform, last=is_last)
            partial = self._recognizer.decode([self._stream])[0]
            if self._stream.error is not None:
                raise self._stream.error
            if partial is not None:
                latest = partial if latest is None else partial.after(latest)
                self._segments += partial.finals
                if partial.closed is not None:
                    self._segments[-1] = partial.closed
        return latest


def to_waveform(samples: Any) -> Waveform:
    """Convert (S,) samples to float32 within ±1, as `load_audio` does.

    Raises:
        ValueError: If the shape is wrong, the scale of samples is not known, or they are not finite.
    """
    array = to_samples(samples, name="block")
    if array.ndim != 1:
        raise ValueError(f"expected samples of shape (S,), found {array.shape}")
    check_peak(array, "block")
    return array


def split_into_blocks(samples: Waveform, sample_rate: int, *, last: bool) -> list[tuple[Waveform, bool]]:
    """Split samples into blocks of at most a second, each with whether the stream ends after it."""
    size = int(_BLOCK_SECONDS * sample_rate)
    starts = range(0, max(1, len(samples)), size)  # one block, if there are no samples
    return [(samples[start : start + size], last and start == starts[-1]) for start in starts]
