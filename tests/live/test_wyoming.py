"""Home Assistant's protocol, spoken by its own client library."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from asr.cli.live import parse_address
from asr.errors import AsrError
from asr.live.server import Server, choose_language, listen
from asr.live.settings import Limits, ServerSettings
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.recordings import open_streams
from tests.live.serving import RATE, TEXTS, pause, read_pcm

pytest.importorskip("wyoming", reason="needs wyoming: python -m pip install --editable '.[wyoming]'")

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from asr.live.wyoming.server import Refusal, to_mono


@contextmanager
def run_wyoming(recognizer: Recognizer, **settings: Any) -> Iterator[tuple[Server, int]]:
    """A server that also speaks Wyoming, and its port."""
    listener = listen("127.0.0.1", 0)
    chosen = ServerSettings(port=0, language="en", **settings)
    server = Server(open_streams(recognizer), "an4", chosen, listener)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield server, listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def port(recognizer: Recognizer) -> Iterator[int]:
    with run_wyoming(recognizer) as (_, port):
        yield port


def recording(pcm: bytes, *, rate: int = RATE, width: int = 2, channels: int = 1, block: int = 3200) -> list[Event]:
    """What Home Assistant sends."""
    chunks = [
        AudioChunk(rate, width, channels, pcm[at : at + block * width * channels]).event()
        for at in range(0, len(pcm), block * width * channels)
    ]
    return [AudioStart(rate, width, channels).event(), *chunks, AudioStop().event()]


async def read_until(client: AsyncTcpClient, last: type) -> list[Event]:
    events = []
    while not events or not last.is_type(events[-1].type):
        event = await asyncio.wait_for(client.read_event(), 20)
        assert event is not None, [one.type for one in events]
        events.append(event)
    return events


def request(port: int, events: Sequence[Event], last: type = TranscriptStop) -> list[Event]:
    """The answers up to the last."""

    async def run() -> list[Event]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            for event in events:
                await client.write_event(event)
            return await read_until(client, last)

    return asyncio.run(run())


def text_of(events: Sequence[Event]) -> str:
    (text,) = (Transcript.from_event(event).text for event in events if Transcript.is_type(event.type))
    return text


def chunks_of(events: Sequence[Event]) -> list[str]:
    return [TranscriptChunk.from_event(event).text for event in events if TranscriptChunk.is_type(event.type)]


def test_a_client_learns_what_it_can_ask_for(port: int):
    (answer,) = request(port, [Describe().event()], Info)
    (program,) = Info.from_event(answer).asr
    (model,) = program.models
    assert (model.name, model.languages, model.installed) == ("an4", ["en"], True)
    assert program.supports_transcript_streaming


def test_a_recording_is_transcribed(port: int):
    sent = [Transcribe(language="en").event(), *recording(read_pcm("number"))]
    events = request(port, sent)
    assert text_of(events) == TEXTS["number"]
    assert TranscriptStart.is_type(events[0].type)
    assert [event.type for event in events[-2:]] == ["transcript", "transcript-stop"]


def test_chunks_come_while_the_client_speaks_and_make_up_the_transcript(port: int):
    async def run() -> tuple[list[Event], list[Event]]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            spoken = recording(read_pcm("number") + pause(1.5) + read_pcm("phone"))
            for event in spoken[:-1]:
                await client.write_event(event)
            early = await read_until(client, TranscriptChunk)  # before the end is known
            await client.write_event(spoken[-1])
            return early, await read_until(client, TranscriptStop)

    early, late = asyncio.run(run())
    assert text_of(late) == f"{TEXTS['number']} {TEXTS['phone']}"
    assert "".join(chunks_of(early) + chunks_of(late)) == text_of(late)
    assert len(chunks_of(early) + chunks_of(late)) > 2


def test_several_recordings_share_a_connection(port: int):
    async def run() -> list[str]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            texts = []
            for name in ("number", "phone"):
                for event in recording(read_pcm(name)):
                    await client.write_event(event)
                texts.append(text_of(await read_until(client, TranscriptStop)))
            return texts

    assert asyncio.run(run()) == [TEXTS["number"], TEXTS["phone"]]


def test_sound_of_another_format_is_converted(port: int):
    samples = np.frombuffer(read_pcm("number"), "<i2")
    wide = (samples.astype(np.int64) << 16).astype("<i4")
    stereo = np.stack([wide, wide], axis=1)
    assert text_of(request(port, recording(stereo.tobytes(), width=4, channels=2))) == TEXTS["number"]


def test_samples_are_scaled_and_channels_averaged():
    stereo = np.array([[16384, 0], [-32768, -32768]], "<i2")
    assert to_mono(AudioChunk(RATE, 2, 2, stereo.tobytes())).tolist() == [0.25, -1.0]
    for chunk in (
        AudioChunk(RATE, 1, 1, b"abcd"),
        AudioChunk(RATE, 2, 0, b"abcd"),
        AudioChunk(RATE, 2, 2, b"abcdef"),
        AudioChunk(10, 2, 1, b"abcd"),
    ):
        with pytest.raises(Refusal):
            to_mono(chunk)


def test_nothing_said_is_an_empty_transcript(port: int):
    assert text_of(request(port, [AudioStart(RATE, 2, 1).event(), AudioStop().event()])) == ""


def test_a_client_may_name_what_it_expects(port: int):
    sent = Event("transcribe", {"transcript_names": ["erin"], "transcript_terms": ["help"]})
    assert text_of(request(port, [sent, *recording(read_pcm("number"))])) == TEXTS["number"]


def test_a_ping_is_answered_and_unknown_events_are_passed_over(port: int):
    (answer,) = request(port, [Event("select-program", {"name": "asr"}), Ping("here").event()], Pong)
    assert Pong.from_event(answer).text == "here"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET / HTTP/1.1\r\n", "message"),
        (b'{"type": "audio-chunk", "data": {"rate": 16000}}\n', "message"),
        (b'{"type": "audio-chunk", "payload_length": 99999999999}\n', "message"),
        (b'{"type": "audio-chunk", "payload_length": -1}\n', "message"),
        (b"[" * 70_000 + b"\n", "message"),
        (b'["type"]\n', "message"),
        (
            b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 1, "channels": 1}, "payload_length": 1}\nx',
            "audio",
        ),
    ],
)
def test_what_is_no_event_is_refused_with_a_reason(port: int, sent: bytes, code: str):
    async def run() -> dict[str, Any]:
        source, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        header = json.loads(await asyncio.wait_for(source.readline(), 20))
        while header["type"] != "error":
            await source.readexactly(header.get("data_length", 0))
            header = json.loads(await asyncio.wait_for(source.readline(), 20))
        data = json.loads(await source.readexactly(header["data_length"]))
        assert await asyncio.wait_for(source.read(), 20) == b""  # the server has hung up
        writer.close()
        return data

    assert asyncio.run(run())["code"] == code


@pytest.mark.parametrize(
    ("limits", "code"),
    [(Limits(session_seconds=1), "session"), (Limits(idle_seconds=0.3), "idle"), (Limits(clients=0), "clients")],
)
def test_limits_are_kept(recognizer: Recognizer, limits: Limits, code: str):
    with run_wyoming(recognizer, limits=limits) as (_, port):
        sent = [] if code != "session" else recording(read_pcm("number"))
        events = request(port, sent, Error)
    assert Error.from_event(events[-1]).code == code


def test_a_server_that_shuts_down_sends_what_was_said(recognizer: Recognizer):
    with run_wyoming(recognizer) as (server, port):

        async def run() -> list[Event]:
            async with AsyncTcpClient("127.0.0.1", port) as client:
                for event in [*recording(read_pcm("number"))[:-1], Ping().event()]:
                    await client.write_event(event)
                await read_until(client, Pong)  # all audio has arrived
                server.should_exit = True
                return await read_until(client, TranscriptStop)

        assert text_of(asyncio.run(run())) == TEXTS["number"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:10300", ("0.0.0.0", 10300)),
        (":10300", ("127.0.0.1", 10300)),
        ("tcp://[::1]:10300", ("::1", 10300)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["10300", "host", "unix:///run/asr", "host:99999", "host:port", "a:1/b"])
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(AsrError, match="HOST:PORT"):
        parse_address(text)


def test_the_language_must_be_known(recognizer: Recognizer):
    with pytest.raises(AsrError, match="language"):
        choose_language(recognizer, ServerSettings())
    assert choose_language(recognizer, ServerSettings(language="en")) == "en"
