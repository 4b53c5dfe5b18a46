"""Streams for models that need whole recordings: audio block by block in, all text after the last block.

Clients whose protocol sends finished recordings in blocks can use such a model as any other; who waits for text while
somebody speaks cannot.
"""

from collections.abc import Sequence

import numpy as np

from asr.config import BATCH_SECONDS
from asr.errors import AudioError
from asr.recognize.pipeline import Pipeline
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.recognizer import MultiStreamRecognizer
from asr.recognize.streaming.stream import Partial, StreamingOptions
from asr.recognize.utterance import UtteranceDecoder
from asr.signal.resample import Waveform


class RecordingRecognizer:
    """Takes the place of a `MultiStreamRecognizer`, and transcribes each stream when it has ended.

    Args:
        recognizer: The model.
    """

    is_live = False

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer

    def start(
        self, utterance_decoder: UtteranceDecoder | None = None, *, start_seconds: float = 0.0
    ) -> "RecordingStream":
        """Start a stream; None takes the recogniser's decoder. Raises ValueError if it does not start at 0."""
        if start_seconds:
            raise ValueError(f"a whole recording starts at 0 seconds, not {start_seconds}")
        return RecordingStream(utterance_decoder or self.recognizer.decoder)

    def warm_up(self) -> None:
        """Load and compile what the first recording would otherwise wait for."""
        stream = self.start()
        stream.feed(np.zeros(self.recognizer.sample_rate, np.float32), last=True)
        self.decode([stream])

    def decode(self, batch: "Sequence[RecordingStream]", *, preview: bool = True) -> list[Partial | None]:
        """Transcribe those streams of a batch that have ended; None for the others, and for those that fail."""
        return [self._transcribe(stream) if stream.ended and stream.error is None else None for stream in batch]

    def _transcribe(self, stream: "RecordingStream") -> Partial | None:
        waveform = stream.take_waveform()
        if len(waveform) < self.recognizer.runner.layout.window:
            return Partial()  # too short for any word
        pipeline = Pipeline(self.recognizer.runner, stream.utterance_decoder, BATCH_SECONDS, 1)
        try:
            (result,) = pipeline.run([(waveform, self.recognizer.sample_rate)])
            if isinstance(result, AudioError):
                raise result
        except Exception as error:  # harms no other stream
            stream.error = error
            return None
        return Partial(finals=result.segments)


class RecordingStream:
    """One stream of a `RecordingRecognizer`.

    Attributes:
        utterance_decoder: From log probabilities to words.
        ended: Whether the last samples have been fed.
        error: Why there is no transcript.
    """

    error: Exception | None = None

    def __init__(self, utterance_decoder: UtteranceDecoder) -> None:
        self.utterance_decoder = utterance_decoder
        self.ended = False
        self._blocks: list[Waveform] = []

    def feed(self, waveform: Waveform, *, last: bool = False) -> None:
        """Append (S,) samples at the model's rate, S may be 0.

        Raises:
            ValueError: If the stream has ended before.
        """
        if self.ended:
            raise ValueError("this stream has ended; start another")
        self.ended = last
        self._blocks.append(waveform)

    def take_waveform(self) -> Waveform:
        """Return all samples, and keep none."""
        waveform: Waveform = np.concatenate(self._blocks)
        self._blocks = []
        return waveform


def open_streams(
    recognizer: Recognizer, options: StreamingOptions | None = None
) -> MultiStreamRecognizer | RecordingRecognizer:
    """Return what recognises streams: as they come if the model can do that, else whole recordings."""
    graph = recognizer.settings.graph
    is_live = graph is None or graph.streaming
    return MultiStreamRecognizer(recognizer, options) if is_live else RecordingRecognizer(recognizer)
