"""Headless Chromium with a recording as its microphone, driven through the DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import websockets

Result = TypeVar("Result")
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-quic", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
]


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Tab:
    """A page of the browser."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._last = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Run a command of the DevTools protocol and return its result."""
        self._last += 1
        await self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while (answer := json.loads(await self._socket.recv())).get("id") != self._last:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        response = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in response, response
        return response["result"].get("value")

    async def wait_for(self, expression: str, seconds: float = 15) -> Any:
        """The value of an expression, once it is true."""
        end = time.monotonic() + seconds
        while not (value := await self.evaluate(expression)):
            assert time.monotonic() < end, f"{expression} stayed {value!r}; status {await self.status()!r}"
            await asyncio.sleep(0.1)
        return value

    async def status(self) -> str:
        return await self.evaluate("document.getElementById('status')?.textContent")

    async def key(self, kind: str, key: str = " ") -> None:
        """Press ("keyDown") or release ("keyUp") a key."""
        text = {"text": key} if kind == "keyDown" else {}
        await self.call("Input.dispatchKeyEvent", type=kind, key=key, code="Space" if key == " " else key, **text)

    async def screenshot(self, path: Path) -> None:
        shot = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


def browse(url: str, microphone: Path, visit: Callable[[Tab], Awaitable[Result]]) -> Result:
    """Open a page in a fresh browser whose microphone plays a WAV file once, and visit it."""
    with tempfile.TemporaryDirectory(prefix="asr-chromium-", ignore_cleanup_errors=True) as profile:
        sound = f"--use-file-for-fake-audio-capture={microphone}%noloop"
        command = [find_chromium() or "chromium", *_FLAGS, sound, f"--user-data-dir={profile}", url]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                return asyncio.run(_visit(Path(profile) / "DevToolsActivePort", visit))
            finally:
                browser.kill()


async def _visit(port_file: Path, visit: Callable[[Tab], Awaitable[Result]]) -> Result:
    end = time.monotonic() + 30
    while not (port_file.is_file() and port_file.read_text().count("\n")):
        assert time.monotonic() < end, "Chromium did not start"
        await asyncio.sleep(0.1)
    address = f"http://127.0.0.1:{port_file.read_text().split()[0]}/json/list"
    while not (pages := [page for page in _read_json(address) if page["type"] == "page"]):
        await asyncio.sleep(0.1)
    async with websockets.connect(pages[0]["webSocketDebuggerUrl"], max_size=None) as socket:
        return await visit(Tab(socket))


def _read_json(address: str) -> Any:
    with urllib.request.urlopen(address) as response:
        return json.load(response)
