"""Measure how many live streams this machine can serve, and whether the server survives badly behaved clients.

    python tools/benchmarks/live_server.py load recipes/an4/samples --streams 4 8 16 24 --seconds 30 --json load.json
    python tools/benchmarks/live_server.py soak recipes/an4/samples --minutes 30 --json soak.json

`load` starts `asr serve` and a number of clients that each speak in real time, in blocks of 0.2 s, and measures the
time from each block to its reply. It continues with the next number as long as 99 % of replies arrive within 500 ms;
then, with --checkout FOLDER, it does the same with the version of asr in that folder.
`soak` keeps a few such clients talking and checks that they always receive the same texts, while others disconnect,
stall, or send garbage, text as binary, frames that are too large or broken uploads. It watches the server's memory
(Linux) and its log. Everything is on loopback.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import websockets

from asr.signal.audio import load_audio

RATE = 16000
BLOCK = 2 * RATE // 5  # bytes of 0.2 s
LIMIT_SECONDS = 0.5
CONFIG = json.dumps({"config": {"sample_rate": RATE}})
Latencies = list[float]


def main() -> None:
    options = parse_options()
    recordings = [read_pcm(path) for path in sorted(options.folder.glob("*.flac"))]
    clients = 64 if options.what == "soak" else max(options.streams) + 1
    result: Any = {}
    if options.what == "load":
        for checkout in [None, options.checkout] if options.checkout else [None]:
            print(f"{checkout or 'this version'}:", flush=True)
            with serving(options.model, clients, checkout) as (address, _, _):
                rows = measure_load(address, recordings, options.streams, options.seconds)
            result["checkout" if checkout else "asr"] = rows
    else:
        with serving(options.model, clients) as (address, process, log):
            result = asyncio.run(Soak(address, process.pid, recordings, options.minutes).run())
            result["log"] = [
                line for line in log.read_text().splitlines() if "listening" not in line and "compiling" not in line
            ]
            print(f"{len(result['log'])} lines in the server's log", *result["log"][:20], sep="\n  ")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.what == "soak" and (result["harmed"] or result["log"]):
        sys.exit("the soak failed: clients were harmed, or the server complained")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("load", "soak"))
    parser.add_argument("folder", type=Path, help="folder of FLAC recordings that clients speak")
    parser.add_argument("--model", default="an4", help="a model folder or name")
    parser.add_argument(
        "--streams", type=int, nargs="+", default=[4, 8, 12, 16, 24, 32, 48], help="numbers of clients, step by step"
    )
    parser.add_argument("--seconds", type=float, default=20, help="duration of each step of the load")
    parser.add_argument("--checkout", type=Path, help="also load the version of asr in this folder")
    parser.add_argument("--minutes", type=float, default=30, help="duration of the soak")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    return parser.parse_args()


def read_pcm(path: Path) -> bytes:
    """Read a recording and add a second and a half of room noise, which ends the utterance."""
    noise = 1e-3 * np.random.default_rng(0).standard_normal(3 * RATE // 2)
    samples = np.concatenate([load_audio(path, sample_rate=RATE), noise])
    return (32767 * samples.clip(-1, 1)).astype("<i2").tobytes()


@contextlib.contextmanager
def serving(
    model: str, clients: int, checkout: Path | None = None
) -> Iterator[tuple[str, "subprocess.Popen[bytes]", Path]]:
    """Run a server in its own process, of another version of asr if one is given; yields address, process and log."""
    environment = {**os.environ, "COLUMNS": "200"} | ({"PYTHONPATH": str(checkout.resolve())} if checkout else {})
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "asr", "serve", "--model", model, "--port", "0"]
        command += ["--clients", str(clients), "--idle", "5", "--device", "cpu"]
        with log.open("wb") as file:
            process = subprocess.Popen(command, stderr=file, env=environment, cwd=checkout)
            try:
                while not (found := re.search(r"http://(\S+)", log.read_text())):
                    if process.poll() is not None:
                        sys.exit(f"the server ended: {log.read_text()}")
                    time.sleep(0.2)
                while not responds(found[1]):
                    time.sleep(0.2)
                yield found[1], process, log
            finally:
                process.terminate()
                process.wait(30)


def responds(address: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/health", timeout=60):
        return True
    return False


async def speak(address: str, pcm: bytes, latencies: Latencies, *, seconds: float, start: float = 0.0) -> list[str]:
    """Speak a recording repeatedly in real time; returns the texts received."""
    await asyncio.sleep(start)
    texts = []
    async with websockets.connect(f"ws://{address}", open_timeout=60, ping_timeout=None) as client:
        await client.send(CONFIG)
        begun = time.perf_counter()
        for number in range(int(seconds / 0.2)):
            at = number * BLOCK % (len(pcm) // BLOCK * BLOCK)
            await asyncio.sleep(max(0.0, begun + 0.2 * (number + 1) - time.perf_counter()))
            due = begun + 0.2 * (number + 1)  # if a reply is late, the client falls behind, which is measured
            await client.send(pcm[at : at + BLOCK])
            reply = json.loads(await client.recv())
            latencies.append(time.perf_counter() - due)
            texts += [reply["text"]] if reply.get("text") else []
        await client.send('{"eof" : 1}')
        await client.recv()
    return texts


def measure_load(address: str, recordings: list[bytes], numbers: list[int], seconds: float) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []
    for number in numbers:
        latencies: Latencies = []

        async def talk(number: int = number, latencies: Latencies = latencies) -> None:
            speakers = (
                speak(
                    address, recordings[index % len(recordings)], latencies, seconds=seconds, start=index * 0.2 / number
                )
                for index in range(number)
            )
            await asyncio.gather(*speakers)

        asyncio.run(talk())
        ranked = sorted(latencies)
        row = {"streams": number, "p50": statistics.median(ranked), "p99": ranked[int(0.99 * len(ranked))]}
        rows.append({**row, "worst": ranked[-1]})
        p50, p99, worst = (round(1000 * rows[-1][name]) for name in ("p50", "p99", "worst"))
        print(f"{number} streams: p50 {p50} ms, p99 {p99} ms, worst {worst} ms", flush=True)
        if rows[-1]["p99"] > LIMIT_SECONDS:
            break
    return rows


class Soak:
    """Runs good and bad clients for some minutes.

    Args:
        address: The server's.
        pid: The server's process, whose memory is watched.
        recordings: What clients speak.
        minutes: Duration.
    """

    def __init__(self, address: str, pid: int, recordings: list[bytes], minutes: float) -> None:
        self.address = address
        self.pid = pid
        self.recordings = recordings
        self.end = time.monotonic() + 60 * minutes
        self.random = random.Random(0)
        self.ends: Counter[str] = Counter()
        self.harmed: list[str] = []
        self.latencies: Latencies = []
        self.memory: list[float] = []
        self.rounds = 0

    async def run(self) -> dict[str, Any]:
        good = [self._keep(self._talk_well, index % len(self.recordings)) for index in range(3)]
        bad = [
            self._vanish,
            self._stall,
            self._send_garbage,
            self._send_text_as_binary,
            self._send_too_much,
            self._upload,
            self._upload_half,
            self._flood_phrases,
        ]
        await asyncio.gather(*good, *(self._keep(one) for one in bad), self._watch())
        ranked = sorted(self.latencies)
        steady = self.memory[len(self.memory) // 3 :]
        result = {
            "good_conversations": self.rounds,
            "harmed": self.harmed,
            "p99": ranked[int(0.99 * len(ranked))],
            "bad_ends": dict(self.ends),
            "memory_mb": self.memory,
            "growth_mb": statistics.mean(steady[-len(steady) // 4 :]) - statistics.mean(steady[: len(steady) // 4 + 1]),
        }
        print(json.dumps({name: value for name, value in result.items() if name != "memory_mb"}, indent=1))
        print("memory, MB:", " ".join(f"{one:.0f}" for one in self.memory[:: max(1, len(self.memory) // 20)]))
        return result

    async def _keep(self, act: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        while time.monotonic() < self.end:
            try:
                await act(*arguments)
            except (OSError, websockets.WebSocketException) as error:
                self.ends[f"{act.__name__}: {self._describe(error)}"] += 1
                if act == self._talk_well:
                    self.harmed.append(self._describe(error))
            await asyncio.sleep(self.random.uniform(0.0, 0.3))

    @staticmethod
    def _describe(error: Exception) -> str:
        if isinstance(error, websockets.ConnectionClosed) and error.rcvd is not None:
            if "Traceback" in error.rcvd.reason:
                sys.exit(f"a stack trace reached a client: {error.rcvd.reason}")
            return f"{error.rcvd.code} {error.rcvd.reason}"
        return type(error).__name__

    async def _talk_well(self, which: int) -> None:
        pcm = self.recordings[which]
        texts = await speak(self.address, pcm, self.latencies, seconds=len(pcm) // BLOCK * 0.2)
        self.rounds += 1
        expected = self.__dict__.setdefault(f"text{which}", texts)
        if texts != expected:
            self.harmed.append(f"expected {expected}, received {texts}")

    def _connect(self) -> Any:
        return websockets.connect(f"ws://{self.address}", open_timeout=60, ping_timeout=None)

    async def _vanish(self) -> None:
        async with self._connect() as client:
            await client.send(CONFIG)
            await client.send(self.random.choice(self.recordings)[:BLOCK])
            client.transport.abort()

    async def _stall(self) -> None:
        """Send audio as fast as possible, and read no reply."""
        async with self._connect() as client:
            client.transport.pause_reading()

            async def flood() -> None:
                while True:
                    await client.send(bytes(64_000))

            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(flood(), 8)
            client.transport.abort()

    async def _send_garbage(self) -> None:
        async with self._connect() as client:
            for _ in range(5):
                await client.send(self.random.randbytes(self.random.randrange(1, 5000)))
                await client.recv()
            await client.send(
                self.random.choice(
                    ["", "[", '{"config": 3}', "\0" * 99, "[" * 100_000, '{"config": {"sample_rate": 1e999}}']
                )
            )
            await client.recv()

    async def _send_text_as_binary(self) -> None:
        async with self._connect() as client:
            await client.send(CONFIG.encode())
            await client.send(b"the quick brown fox" * 500)
            await client.recv()
            await client.send(b'{"eof" : 1}')
            await client.recv()

    async def _send_too_much(self) -> None:
        async with self._connect() as client:
            await client.send(bytes(3 << 20))
            await client.recv()

    async def _upload(self) -> None:
        def post() -> int:
            body = self.random.randbytes(self.random.choice([0, 100, 200_000]))
            headers = {"Content-Type": "multipart/form-data; boundary=" + self.random.choice(["b", ""])}
            request = urllib.request.Request(f"http://{self.address}/v1/audio/transcriptions", body, headers)
            try:
                return int(urllib.request.urlopen(request, timeout=60).status)
            except urllib.error.HTTPError as error:
                if b"Traceback" in error.read():
                    sys.exit("a stack trace reached a client")
                return error.code

        self.ends[f"_upload: HTTP {await asyncio.to_thread(post)}"] += 1

    async def _upload_half(self) -> None:
        """Begin an upload, then disconnect or stall in the middle."""
        host, port = self.address.rsplit(":", 1)
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n" + bytes(self.random.randrange(50_000))
        )
        await writer.drain()
        await asyncio.sleep(self.random.choice([0.0, 8.0]))
        writer.transport.abort()

    async def _flood_phrases(self) -> None:
        count = self.random.choice([900, 90_000])  # accepted, or too many
        phrases = ["".join(self.random.choices("abcdefgh", k=5)) for _ in range(count)]
        async with self._connect() as client:
            await client.send(json.dumps({"config": {"phrase_list": ["[unk]", *phrases]}}))
            await client.send(bytes(BLOCK))
            await client.recv()

    async def _watch(self) -> None:
        while time.monotonic() < self.end:
            status = Path(f"/proc/{self.pid}/status").read_text()
            self.memory.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)
            await asyncio.sleep(5)


if __name__ == "__main__":
    main()
