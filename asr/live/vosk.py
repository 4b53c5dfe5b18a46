"""The Vosk server's websocket protocol: audio in, partial and final text out. Its clients work unchanged.

A text message {"config": {"sample_rate": 16000, "words": true, ...}} may come first, then binary messages of 16-bit
little-endian mono PCM, at 8000 Hz unless the config says otherwise. Each is answered by {"partial": ...}, or by
{"result": [...], "text": ...} if an utterance ended. {"eof" : 1} is answered by the last result, and the connection
closes; {"reset" : 1} is answered in the same way, and the connection stays open.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from asr.live.engine import Engine, LiveStream
from asr.live.settings import is_true
from asr.recognize.streaming.recognizer import to_waveform
from asr.recognize.streaming.stream import Partial
from asr.recognize.utterance import UtteranceDecoder
from asr.transcript.transcript import Segment, Word

SAMPLE_RATES = (4000, 192000)  # Hz, lowest and highest
MAX_PHRASES, MAX_CHARACTERS = 1000, 32_000  # of a phrase list: each phrase takes time and memory to prepare
_UNKNOWN = "[unk]"  # in a phrase list: other words are possible as well

# Phrases, and whether other words are possible, to the decoder that expects them.
DecoderFactory: TypeAlias = Callable[[Sequence[str], bool], UtteranceDecoder]


class Refusal(Exception):
    """Something that a client may not do.

    Args:
        kind: A word for the metrics.
        code: Close code of a websocket (RFC 6455, section 7.4).
        reason: What was wrong and what to do.
    """

    def __init__(self, kind: str, code: int, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class StreamConfig:
    """What a client may choose.

    Attributes:
        sample_rate: Hz of its audio.
        words: Whether results list words with times and confidences.
        alternatives: Whether results are lists of alternatives; there is always one.
        phrases: The only phrases expected. With "[unk]" among them they only become more likely.
        committed: Whether partial results include their committed text; the web page asks for it.
        punctuate: Whether results are written with marks and capitals, if the server writes them; Vosk has none.
    """

    sample_rate: float = 8000.0
    words: bool = True
    alternatives: bool = False
    phrases: tuple[str, ...] = ()
    committed: bool = False
    punctuate: bool = False


def update_config(config: StreamConfig, changes: Any) -> StreamConfig:
    """Apply a client's choices to a config; unknown keys are ignored, as in Vosk.

    Raises:
        Refusal: If a value is not valid.
    """
    if not isinstance(changes, dict):
        raise _refuse("config: expected an object, such as {'sample_rate': 16000}")
    rate = _parse_rate(changes.get("sample_rate", config.sample_rate))
    phrases = changes.get("phrase_list", list(config.phrases)) or []
    if isinstance(phrases, str):  # as Vosk's library takes a grammar
        with contextlib.suppress(ValueError, RecursionError):
            phrases = json.loads(phrases) or []
    if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases):
        raise _refuse("config: phrase_list must be a list of phrases")
    if len(phrases) > MAX_PHRASES or sum(map(len, phrases)) > MAX_CHARACTERS:
        raise _refuse(f"config: phrase_list may hold {MAX_PHRASES} phrases and {MAX_CHARACTERS} characters in total")
    return StreamConfig(
        sample_rate=rate,
        words=is_true(changes.get("words", config.words)),
        alternatives=is_true(changes.get("max_alternatives", config.alternatives)),
        phrases=tuple(phrases),
        committed=is_true(changes.get("committed", config.committed)),
        punctuate=is_true(changes.get("punctuate", config.punctuate)),
    )


def _parse_rate(rate: Any) -> float:
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if not isinstance(rate, bool) and SAMPLE_RATES[0] <= float(rate) <= SAMPLE_RATES[1]:  # "16000" is valid as well
            return float(rate)
    raise _refuse(f"config: sample_rate must be {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz")


class VoskStream:
    """One client's stream: messages in, replies out.

    A rate or phrases that arrive in the middle of a stream apply from the next reset on.

    Args:
        engine: Decodes the audio.
        make_decoder: Makes the decoder for a list of phrases.

    Attributes:
        seconds: Audio received so far.
        utterances: How many have ended.
        is_over: Whether the client has sent its end of stream.
    """

    def __init__(self, engine: Engine, make_decoder: DecoderFactory) -> None:
        self._engine = engine
        self._make_decoder = make_decoder
        self._config = StreamConfig()
        self._stream: LiveStream | None = None
        self._phrases: tuple[str, ...] = ()
        self._utterance_decoder: UtteranceDecoder | None = None  # for these phrases
        self._half_sample = b""  # the next message holds its other half
        self.seconds = 0.0
        self.utterances = 0
        self.is_over = False

    async def feed(self, pcm: bytes) -> str:
        """Decode 16-bit little-endian mono audio and return the reply."""
        pcm = self._half_sample + pcm
        even = len(pcm) // 2 * 2
        self._half_sample = pcm[even:]
        samples = to_waveform(np.frombuffer(pcm[:even], dtype="<i2").astype(np.int16))
        stream = await self._open()
        self.seconds += len(samples) / stream.sample_rate
        partial = await stream.feed(samples)
        if partial.finals:
            return self._format_result(partial.finals)
        reply = {"partial": partial.text}
        return _dump(reply | {"committed": partial.committed} if self._config.committed else reply)

    async def handle_text(self, text: str) -> str | None:
        """Handle a text message and return the reply, if one is due.

        Raises:
            Refusal: If the message does not belong to the protocol.
        """
        message = _parse(text)
        if "config" in message:
            self._config = update_config(self._config, message["config"])
            return None
        if is_true(message.get("eof")) or is_true(message.get("reset")):
            self.is_over = is_true(message.get("eof"))
            return await self.finish()
        raise _refuse('expected {"config": {...}}, {"eof": 1} or {"reset": 1} as text, and audio as binary')

    async def finish(self) -> str:
        """Make everything final and return the result; more audio may follow."""
        partial = await self._stream.finish() if self._stream else Partial()
        self._stream = None
        self._half_sample = b""
        return self._format_result(partial.finals, partial.closed)

    async def _open(self) -> LiveStream:
        if self._stream is None:
            if self._config.phrases != self._phrases:
                self._phrases, self._utterance_decoder = self._config.phrases, None
                if phrases := self._phrases:
                    expected = [phrase for phrase in phrases if phrase != _UNKNOWN]
                    preparing = asyncio.to_thread(self._make_decoder, expected, _UNKNOWN in phrases)
                    self._utterance_decoder = await preparing
            # Times continue after a reset.
            self._stream = self._engine.start(
                self._config.sample_rate, utterance_decoder=self._utterance_decoder, start_seconds=self.seconds
            )
        return self._stream

    def _format_result(self, finals: Sequence[Segment], closed: Segment | None = None) -> str:
        """Put all utterances that have ended into one result: a client waits for one reply.

        An extension, `closed`, is the last utterance again, with the mark that ends its sentence.
        """
        self.utterances += len(finals)
        words = [word for segment in finals for word in segment.words]
        text = " ".join(segment.text if self._config.punctuate else segment.raw_text for segment in finals)
        result: dict[str, Any] = {"text": text}
        if self._config.words and words:
            described = [_describe(word, written=self._config.punctuate) for word in words]
            result = {"result": described, **result}
        if closed is not None and self._config.punctuate:
            described = [_describe(word, written=True) for word in closed.words] if self._config.words else []
            result["closed"] = {**({"result": described} if described else {}), "text": closed.text}
        if self._config.alternatives:
            result = {"alternatives": [{"confidence": 1.0, **result}]}
        return _dump(result)


def is_text(message: bytes) -> bool:
    """Whether a binary message is a text message in the wrong kind of frame, as some clients send it."""
    with contextlib.suppress(ValueError, RecursionError):
        return message.startswith(b"{") and isinstance(json.loads(message), dict)
    return False


def _parse(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise _refuse("a text message must be JSON; send audio as binary messages") from None
    if not isinstance(message, dict):
        raise _refuse("a text message must be a JSON object")
    return message


def _describe(word: Word, *, written: bool) -> dict[str, Any]:
    confidence = 1.0 if word.confidence is None else round(word.confidence, 6)
    times = {"end": round(word.end, 3), "start": round(word.start, 3)}
    extension = {"written": word.written} if written and word.written is not None else {}
    return {"conf": confidence, **times, "word": word.text, **extension}


def _dump(reply: dict[str, Any]) -> str:
    """Write JSON in Vosk's layout: some clients search for `"text" : `."""
    return json.dumps(reply, ensure_ascii=False, indent=2, separators=(",", " : "))


def _refuse(reason: str) -> Refusal:
    return Refusal("message", 1007, reason)
