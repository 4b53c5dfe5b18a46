"""A server in a thread of the test, and clients to talk to it."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import websockets

from asr.live.server import Server
from asr.live.settings import ServerSettings
from asr.recognize.recognizer import Recognizer
from asr.recognize.streaming.recordings import open_streams

RECIPES = Path(__file__).parents[2] / "recipes"
SAMPLES, ENGLISH_SAMPLES = RECIPES / "an4" / "samples", RECIPES / "english" / "samples"
TEXTS = dict(line.split("\t") for line in (SAMPLES / "transcripts.txt").read_text().splitlines())
PHONE = SAMPLES / "phone.flac"
RATE = 16000


def read_pcm(name: str, folder: Path = SAMPLES) -> bytes:
    return soundfile.read(folder / f"{name}.flac", dtype="int16")[0].astype("<i2").tobytes()


@contextmanager
def run_server(recognizer: Recognizer, **settings: Any) -> Iterator[str]:
    """The address, as host:port, of a server that runs meanwhile."""
    chosen = ServerSettings(port=0, **settings)
    server = Server(open_streams(recognizer), "an4", chosen)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


async def talk(address: str, pcm: bytes, config: dict[str, Any] | None = None, block: int = 6400) -> list[dict]:
    """What a Vosk client does: config, sound block by block with a reply each, eof; the replies."""
    async with websockets.connect(f"ws://{address}") as client:
        if config is not None:
            await client.send(json.dumps({"config": config}))
        replies = []
        for at in range(0, len(pcm), block):
            await client.send(pcm[at : at + block])
            replies.append(json.loads(await client.recv()))
        await client.send('{"eof" : 1}')
        replies.append(json.loads(await client.recv()))
        await asyncio.wait_for(client.wait_closed(), 5)
        assert client.close_code == 1000
    return replies


def text_of(replies: list[dict]) -> str:
    return " ".join(reply["text"] for reply in replies if reply.get("text"))


def pause(seconds: float) -> bytes:
    noise = 0.001 * np.random.default_rng(0).standard_normal(int(seconds * RATE))
    return (noise * 32767).astype("<i2").tobytes()
