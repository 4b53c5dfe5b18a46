"""What the server refuses, and that other clients do not notice."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest
import websockets
from httpx2 import Client

from asr.errors import AsrError
from asr.live.server import run
from asr.live.settings import Limits, ServerSettings
from asr.live.subtitles_api import SubtitleWriter
from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.stream import StreamingOptions
from tests.live.serving import RATE, TEXTS, read_pcm, run_server, talk

TIGHT = Limits(clients=2, message_bytes=20_000, session_seconds=3, idle_seconds=0.5, upload_bytes=50_000, uploads=1)


@pytest.fixture(scope="module")
def tight(recognizer: Recognizer):
    with run_server(recognizer, limits=TIGHT) as address:
        yield address


async def refused(address: str, messages: list[str | bytes], **options: Any) -> tuple[int | None, str | None]:
    """Close code and reason after sending."""
    async with websockets.connect(f"ws://{address}", **options) as client:
        with contextlib.suppress(websockets.ConnectionClosed):
            for message in messages:
                await client.send(message)
            async for _ in client:
                pass
        return client.close_code, client.close_reason


CONFIG = json.dumps({"config": {"sample_rate": RATE}})


@pytest.mark.parametrize(
    ("messages", "code", "reason"),
    [
        (["hello"], 1007, "must be JSON"),
        (["[1]"], 1007, "JSON object"),
        (['{"hello": 1}'], 1007, "expected"),
        (["{" * 15_000], 1007, "must be JSON"),
        (['{"config": {"sample_rate": -1}}'], 1007, "sample_rate"),
        ([CONFIG, json.dumps({"config": {"phrase_list": ["ünknown"]}}), b"\0\0"], 1007, "alphabet"),
        ([b"\0" * 30_000], 1009, ""),
        ([CONFIG, *[bytes(16_000)] * 8], 1008, "limit of a stream"),
        ([], 1008, "no message"),
    ],
)
def test_what_a_client_may_not_do_ends_its_stream_with_the_reason(
    tight: str, messages: list[str | bytes], code: int, reason: str
):
    close_code, close_reason = asyncio.run(refused(tight, messages))
    assert close_code == code
    assert reason in (close_reason or "")
    assert "Traceback" not in (close_reason or "")


def test_noise_of_any_kind_harms_nobody(tight: str):
    async def run() -> list[dict]:
        async with websockets.connect(f"ws://{tight}") as noisy:
            await noisy.send(random.Random(0).randbytes(10_001))
            await noisy.recv()
            noisy.transport.abort()  # vanishes without a word
        return await talk(tight, read_pcm("phone"), {"sample_rate": RATE})

    assert asyncio.run(run())[-1]["text"] == TEXTS["phone"]


def test_no_more_clients_than_the_limit(tight: str):
    async def run() -> tuple[int | None, str | None]:
        async with websockets.connect(f"ws://{tight}"), websockets.connect(f"ws://{tight}"):
            await asyncio.sleep(0.1)
            return await refused(tight, [])

    code, reason = asyncio.run(run())
    assert (code, "2 clients" in (reason or "")) == (1013, True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://{address}"}, 200),
        ({"Host": "rebound.example"}, 403),
        ({"Host": "localhost:1"}, 200),
    ],
)
def test_pages_of_other_sites_stay_out(server: str, headers: dict[str, str], status: int):
    headers = {name: value.format(address=server) for name, value in headers.items()}
    assert Client().get(f"http://{server}/health", headers=headers).status_code == status
    if "Origin" in headers:
        connect = websockets.connect(f"ws://{server}", additional_headers=headers)
        if status == 200:
            asyncio.run(_open(connect))
        else:
            with pytest.raises(websockets.InvalidStatus, match=str(status)):
                asyncio.run(_open(connect))


async def _open(connect: Any) -> None:
    async with connect:
        pass


def test_an_origin_may_be_allowed_and_a_token_asked_for(recognizer: Recognizer):
    with run_server(recognizer, token="secret", origins=["https://friend.example"]) as address:
        client = Client(base_url=f"http://{address}")
        assert client.get("/health").status_code == client.get("/").status_code == 200
        response = client.get("/v1/models")
        assert (response.status_code, response.json()["error"]["type"]) == (401, "authentication_error")
        assert client.get("/v1/models", headers={"Authorization": "Bearer wrong"}).status_code == 401
        good = {"Authorization": "Bearer secret", "Origin": "https://friend.example"}
        allowed = client.get("/v1/models", headers=good)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, good["Origin"])
        with pytest.raises(websockets.InvalidStatus, match="401"):
            asyncio.run(_open(websockets.connect(f"ws://{address}")))
        asyncio.run(_open(websockets.connect(f"ws://{address}/?token=secret")))
        asyncio.run(_open(websockets.connect(f"ws://{address}", additional_headers=good)))


def test_pages_of_allowed_origins_can_read_refusals_and_failures(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
):
    friend, stranger = "https://friend.example", "https://elsewhere.example"
    monkeypatch.setattr(SubtitleWriter, "respond", lambda *_: 1 / 0)
    with run_server(recognizer, token="secret", origins=[friend]) as address:
        client = Client(base_url=f"http://{address}")
        good = {"Authorization": "Bearer secret", "Origin": friend}
        refusals = [
            client.get("/v1/models", headers={"Origin": friend}),
            client.get("/nowhere", headers=good),
            client.get("/v1/audio/transcriptions", headers=good),
            client.post("/v1/audio/transcriptions", headers=good, data={"model": "an4"}),
            client.post("/subtitles/srt", headers=good),
        ]
        assert [refusal.status_code for refusal in refusals] == [401, 404, 405, 400, 500]
        assert {refusal.headers.get("access-control-allow-origin") for refusal in refusals} == {friend}
        preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        client = Client(base_url=f"http://{address}")  # a failure closes the connection
        asked = client.options("/v1/audio/transcriptions", headers={"Origin": friend, **preflight})
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, friend)
        refused = client.options("/v1/audio/transcriptions", headers={"Origin": stranger, **preflight})
        assert (refused.status_code, refused.headers.get("access-control-allow-origin")) == (403, None)


_PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


@pytest.mark.parametrize("is_declared", [True, False])
def test_large_uploads_are_refused(tight: str, is_declared: bool):
    parts = [_PART, *[b"x" * 1000] * 60]
    content: Any = b"".join(parts) if is_declared else iter(parts)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    refusals = 'asr_refusals_total{reason="upload"}'
    before = count_events(tight).get(refusals, 0)
    response = Client().post(f"http://{tight}/v1/audio/transcriptions", content=content, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "upload")
    assert count_events(tight)[refusals] - before == 1


def test_an_upload_of_which_nothing_more_comes_is_given_up_and_takes_nobodys_place(tight: str):
    def send_half() -> bytes:
        host, port = tight.split(":")
        with socket.create_connection((host, int(port))) as connection:
            head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n"
            head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            connection.sendall(head.encode() + _PART)
            yield b""
            yield connection.recv(1000)

    halves = [send_half() for _ in range(3)]
    for half in halves:
        next(half)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = Client().post(f"http://{tight}/v1/audio/transcriptions", content=b"--b--", headers=headers)
    assert response.status_code == 400  # it had its turn
    assert all(next(half).startswith(b"HTTP/1.1 408") for half in halves)


@pytest.mark.parametrize("headers", [{"Host": "[::1"}, {"Origin": "http://["}])
def test_nonsense_in_headers_is_refused(server: str, headers: dict[str, str]):
    assert Client().get(f"http://{server}/health", headers=headers).status_code == 403


def count_events(address: str) -> dict[str, float]:
    lines = Client().get(f"http://{address}/metrics").text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def test_metrics_count_what_happened(tight: str):
    before = count_events(tight)
    asyncio.run(refused(tight, ["hello"]))
    asyncio.run(talk(tight, read_pcm("phone"), {"sample_rate": RATE}))
    after = count_events(tight)
    refusals = 'asr_refusals_total{reason="message"}'
    assert after[refusals] - before.get(refusals, 0) == 1
    counter = 'asr_audio_seconds_total{source="live"}'
    assert after[counter] - before.get(counter, 0) == pytest.approx(len(read_pcm("phone")) / 2 / RATE)
    assert after["asr_clients"] == after["asr_errors_total"] == 0


def test_sigterm_finishes_what_is_being_said():
    command = [sys.executable, "-m", "asr", "serve", "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        address = next(line for line in process.stderr if "http://" in line).split("http://")[1].split()[0]

        async def run() -> tuple[list[dict], int | None]:
            async with websockets.connect(f"ws://{address}") as client:
                await client.send(CONFIG)
                await client.send(read_pcm("phone"))
                replies = [json.loads(await client.recv())]
                process.send_signal(signal.SIGTERM)
                replies.append(json.loads(await client.recv()))
                await client.wait_closed()
                return replies, client.close_code

        try:
            replies, code = asyncio.run(run())
        except BaseException:
            process.kill()
            raise
        assert (replies[-1]["text"], code) == (TEXTS["phone"], 1012)
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""


def test_a_port_that_is_taken_is_an_error(server: str):
    settings = ServerSettings(port=int(server.split(":")[1]))
    with pytest.raises(AsrError, match="cannot be listened on"):
        run(
            "an4",
            settings,
            StreamingOptions(),
            device="cpu",
            decoding=DecodingOptions(),
        )
