"""The Vosk server's websocket protocol: sound in, partial and final text out; its clients work unchanged.

A text message {"config": {"sample_rate": 16000, "words": true, ...}} may come first; then binary
messages of 16-bit little-endian mono PCM, 8000 Hz unless the config said otherwise. Each is
answered by {"partial": ...}, or by {"result": [...], "text": ...} where an utterance ended.
{"eof" : 1} is answered by the rest, and the connection closes; {"reset" : 1} by the rest, and it goes on.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asr.live.engine import Engine, Session
from asr.live.limits import Refusal
from asr.recognize.streaming.recognizer import Partial, to_waveform
from asr.recognize.utterance import UtteranceDecoder
from asr.transcript.transcript import Segment, Word

SAMPLE_RATES = (4000, 192000)  # Hz, lowest and highest
MOST_PHRASES, MOST_LETTERS = 1000, 32_000  # of a phrase list: each phrase takes time and memory to prepare
_UNKNOWN = "[unk]"  # in a phrase list: other words are possible, too

ReaderMaker = Callable[[Sequence[str], bool], UtteranceDecoder]


@dataclass(frozen=True)
class StreamConfig:
    """What a client may choose.

    Attributes:
        sample_rate: Hz of its sound.
        words: Whether results list words with times and confidences.
        alternatives: Whether results come as a list of readings; there is one.
        phrases: The only words expected; with "[unk]" among them they are made likelier instead.
        committed: Whether partials also tell how much of them will not change: for the page.
    """

    sample_rate: float = 8000.0
    words: bool = True
    alternatives: bool = False
    phrases: tuple[str, ...] = ()
    committed: bool = False


def update_config(config: StreamConfig, chosen: Any) -> StreamConfig:
    """A config with what a client chose; keys that are not known are passed over, as Vosk does.

    Raises:
        Refusal: If a value makes no sense.
    """
    if not isinstance(chosen, dict):
        raise _refuse("config: expected an object, such as {'sample_rate': 16000}")
    rate = _read_rate(chosen.get("sample_rate", config.sample_rate))
    phrases = chosen.get("phrase_list", list(config.phrases)) or []
    if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases):
        raise _refuse("config: phrase_list must be a list of phrases")
    if len(phrases) > MOST_PHRASES or sum(map(len, phrases)) > MOST_LETTERS:
        raise _refuse(f"config: phrase_list may hold {MOST_PHRASES} phrases of {MOST_LETTERS} letters together")
    return StreamConfig(
        sample_rate=rate,
        words=bool(chosen.get("words", config.words)),
        alternatives=bool(chosen.get("max_alternatives", config.alternatives)),
        phrases=tuple(phrases),
        committed=bool(chosen.get("committed", config.committed)),
    )


def _read_rate(rate: Any) -> float:
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if not isinstance(rate, bool) and SAMPLE_RATES[0] <= float(rate) <= SAMPLE_RATES[1]:  # "16000" is taken, too
            return float(rate)
    raise _refuse(f"config: sample_rate must be {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz")


class Conversation:
    """One client's stream: messages in, replies out.

    A rate or phrases that come while something is being said count from the next reset on.

    Args:
        engine: Reads the sound.
        make_reader: Makes a reader for a list of phrases; the flag says whether other words are possible, too.
    """

    def __init__(self, engine: Engine, make_reader: ReaderMaker) -> None:
        self._engine = engine
        self._make_reader = make_reader
        self._config = StreamConfig()
        self._session: Session | None = None
        self._phrases: tuple[str, ...] = ()
        self._text_reader: UtteranceDecoder | None = None  # made for these phrases
        self._odd = b""  # half a sample, whose other half the next message brings
        self.seconds = 0.0  # of sound so far
        self.utterances = 0
        self.is_over = False

    async def hear(self, pcm: bytes) -> str:
        """Sound, 16-bit little-endian mono; the reply."""
        pcm = self._odd + pcm
        even = len(pcm) // 2 * 2
        self._odd = pcm[even:]
        samples = to_waveform(np.frombuffer(pcm[:even], dtype="<i2").astype(np.int16))
        session = await self._open()
        self.seconds += len(samples) / session.sample_rate
        partial = await session.feed(samples)
        return self._result(partial.finals) if partial.finals else self._partial(partial)

    async def read(self, text: str) -> str | None:
        """A text message; the reply, if one is due.

        Raises:
            Refusal: If it is none that the protocol knows.
        """
        message = _parse(text)
        if "config" in message:
            self._config = update_config(self._config, message["config"])
            return None
        if message.get("eof"):
            self.is_over = True
            return await self.finish()
        if message.get("reset"):
            return await self.finish()
        raise _refuse('expected {"config": {...}}, {"eof": 1} or {"reset": 1} as text, and sound as binary')

    async def finish(self) -> str:
        """Everything heard so far becomes final; sound may follow."""
        partial = await self._session.finish() if self._session else Partial()
        self._session = None
        self._odd = b""
        return self._result(partial.finals)

    async def _open(self) -> Session:
        if self._session is None:
            if self._config.phrases != self._phrases:
                self._phrases = self._config.phrases
                self._text_reader = await self._prepare(self._phrases) if self._phrases else None
            # Times go on where they were.
            self._session = self._engine.start(
                self._config.sample_rate, text_reader=self._text_reader, start_seconds=self.seconds
            )
        return self._session

    async def _prepare(self, phrases: Sequence[str]) -> UtteranceDecoder:
        known = [phrase for phrase in phrases if phrase != _UNKNOWN]
        return await asyncio.to_thread(self._make_reader, known, _UNKNOWN in phrases)

    def _partial(self, partial: Partial) -> str:
        reply = {"partial": partial.text}
        return _dump(reply | {"committed": partial.committed} if self._config.committed else reply)

    def _result(self, finals: Sequence[Segment]) -> str:
        """One result of all utterances that ended: a client waits for one reply."""
        self.utterances += len(finals)
        words = [word for segment in finals for word in segment.words]
        result: dict[str, Any] = {"text": " ".join(word.text for word in words)}
        if self._config.words and words:
            result = {"result": [_describe(word) for word in words], **result}
        if self._config.alternatives:
            result = {"alternatives": [{"confidence": 1.0, **result}]}
        return _dump(result)


def is_text(message: bytes) -> bool:
    """Whether a binary message is a text message in the wrong kind of frame, as some clients send it."""
    if not message.startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(message), dict)
    except (ValueError, RecursionError):
        return False


def _parse(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise _refuse("a text message must be JSON; send sound as binary messages") from None
    if not isinstance(message, dict):
        raise _refuse("a text message must be a JSON object")
    return message


def _describe(word: Word) -> dict[str, Any]:
    confidence = 1.0 if word.confidence is None else round(word.confidence, 6)
    return {"conf": confidence, "end": round(word.end, 3), "start": round(word.start, 3), "word": word.text}


def _dump(reply: dict[str, Any]) -> str:
    """JSON laid out as Vosk does: some clients look for `"text" : `."""
    return json.dumps(reply, ensure_ascii=False, indent=2, separators=(",", " : "))


def _refuse(reason: str) -> Refusal:
    return Refusal("message", 1007, reason)
