"""Sessions that share a network: together as alone, and none harmed by another's failure."""

import asyncio

import numpy as np
import pytest
import soundfile

from asr.live.engine import Engine, LiveStream
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.recognizer import MultiStreamRecognizer
from tests.live.serving import RATE, SAMPLES, TEXTS


def read(name: str) -> np.ndarray:
    return soundfile.read(SAMPLES / f"{name}.flac", dtype="float32")[0]


async def transcribe(stream: LiveStream, name: str) -> str:
    await stream.feed(read(name))
    return " ".join(segment.text for segment in (await stream.finish()).finals)


def test_blocks_that_come_at_the_same_time_are_decoded_together(recognizer: Recognizer):
    batches: list[int] = []

    async def run() -> list[str]:
        with Engine(
            MultiStreamRecognizer(recognizer), on_batch=lambda num_streams, seconds: batches.append(num_streams)
        ) as engine:
            return await asyncio.gather(*(transcribe(engine.start(RATE), name) for name in ("phone", "number", "code")))

    assert asyncio.run(run()) == [TEXTS[name] for name in ("phone", "number", "code")]
    assert max(batches) >= 2


def test_a_stream_that_fails_harms_no_other(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch):
    async def run() -> list[str | BaseException]:
        with Engine(MultiStreamRecognizer(recognizer)) as engine:
            streams = [engine.start(RATE) for _ in range(3)]

            def fail(log_probs: object) -> None:
                raise RuntimeError("broken")

            monkeypatch.setattr(streams[1]._stream._utterance, "feed_log_probs", fail)
            names = ("phone", "number", "code")
            transcriptions = (transcribe(stream, name) for stream, name in zip(streams, names, strict=True))
            return await asyncio.gather(*transcriptions, return_exceptions=True)

    first, second, third = asyncio.run(run())
    assert (first, third) == (TEXTS["phone"], TEXTS["code"])
    assert isinstance(second, RuntimeError)


def test_a_stream_that_is_given_up_is_forgotten(recognizer: Recognizer):
    async def run() -> str:
        with Engine(MultiStreamRecognizer(recognizer)) as engine:
            lost = asyncio.ensure_future(engine.start(RATE).feed(read("city")))
            await asyncio.sleep(0)
            lost.cancel()
            return await transcribe(engine.start(RATE), "phone")

    assert asyncio.run(run()) == TEXTS["phone"]
