"""Sessions that share a network: together as alone, and none harmed by another's failure."""

import asyncio

import numpy as np
import pytest
import soundfile

from asr.live.engine import Engine, Session
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.recognizer import StreamReader
from tests.live.serving import RATE, SAMPLES, TEXTS


def read(name: str) -> np.ndarray:
    return soundfile.read(SAMPLES / f"{name}.flac", dtype="float32")[0]


async def hear(session: Session, name: str) -> str:
    await session.feed(read(name))
    return " ".join(segment.text for segment in (await session.finish()).finals)


def test_blocks_that_come_at_the_same_time_are_read_together(recognizer: Recognizer):
    rounds: list[int] = []

    async def run() -> list[str]:
        with Engine(StreamReader(recognizer), watch=lambda streams, seconds: rounds.append(streams)) as engine:
            return await asyncio.gather(*(hear(engine.start(RATE), name) for name in ("phone", "number", "code")))

    assert asyncio.run(run()) == [TEXTS[name] for name in ("phone", "number", "code")]
    assert max(rounds) >= 2


def test_a_stream_that_fails_harms_no_other(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch):
    async def run() -> list[str | BaseException]:
        with Engine(StreamReader(recognizer)) as engine:
            sessions = [engine.start(RATE) for _ in range(3)]

            def fail(log_probs: object) -> None:
                raise RuntimeError("broken")

            monkeypatch.setattr(sessions[1]._stream._utterance, "take", fail)
            names = ("phone", "number", "code")
            hearings = (hear(session, name) for session, name in zip(sessions, names, strict=True))
            return await asyncio.gather(*hearings, return_exceptions=True)

    first, second, third = asyncio.run(run())
    assert (first, third) == (TEXTS["phone"], TEXTS["code"])
    assert isinstance(second, RuntimeError)


def test_a_session_that_is_given_up_is_forgotten(recognizer: Recognizer):
    async def run() -> str:
        with Engine(StreamReader(recognizer)) as engine:
            lost = asyncio.ensure_future(engine.start(RATE).feed(read("city")))
            await asyncio.sleep(0)
            lost.cancel()
            return await hear(engine.start(RATE), "phone")

    assert asyncio.run(run()) == TEXTS["phone"]
