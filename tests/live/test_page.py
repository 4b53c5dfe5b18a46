"""The web page in a real browser, whose microphone is a recording."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.transcript.transcript import DOUBTFUL
from tests.live.browser import Tab, browse, find_chromium
from tests.live.serving import RATE, SAMPLES, TEXTS, pause, read_pcm

needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="needs Chromium: apt install chromium")
TEXT = "[...document.querySelectorAll('#finals p > span')].map(line => line.textContent.trim())"


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two phrases with pauses around them."""
    pcm = pause(0.3) + read_pcm("number") + pause(1.2) + read_pcm("phone") + pause(0.5)
    path = tmp_path_factory.mktemp("microphone") / "talk.wav"
    soundfile.write(path, np.frombuffer(pcm, "<i2"), RATE, subtype="PCM_16")
    return path


async def downloaded(folder: Path, pattern: str, seconds: float = 15) -> str:
    """The text of a file that the browser saves; it takes its name before it has its content."""
    end = time.monotonic() + seconds
    while True:
        text = "".join(path.read_text() for path in folder.glob(pattern))
        if text and not list(folder.glob("*.crdownload")):
            return text
        assert time.monotonic() < end, f"nothing was saved; there is {[path.name for path in folder.iterdir()]}"
        await asyncio.sleep(0.05)


@needs_chromium
def test_what_is_said_into_the_microphone_appears(server: str, microphone: Path):
    async def visit(tab: Tab) -> None:
        await tab.wait_for("document.getElementById('model')?.textContent === 'an4'")
        await tab.key("keyDown")
        await tab.key("keyUp")  # a short press: it goes on listening
        await tab.wait_for("document.getElementById('tail').textContent.length > 3")
        assert await tab.evaluate("document.getElementById('talk').hasAttribute('data-on')")
        await tab.wait_for(f"{TEXT}.length === 1")  # a pause ends an utterance by itself
        await tab.wait_for("document.getElementById('partial').textContent.trim().endsWith('three')")
        await asyncio.sleep(0.5)  # it is known before it is over, and what is cut off may read otherwise
        await tab.key("keyDown")
        await tab.key("keyUp")
        await tab.wait_for("document.getElementById('status').textContent === 'Ready.'")
        assert await tab.evaluate(TEXT) == [TEXTS["number"], TEXTS["phone"]]
        shades = "[...document.querySelectorAll('.word')].map(word => word.style.getPropertyValue('--confidence'))"
        assert all(0 < float(shade) <= 1 for shade in await tab.evaluate(shades))
        underlined = "[...document.querySelectorAll('.word')].map(word => word.classList.contains('doubtful'))"
        assert await tab.evaluate(underlined) == [float(shade) < DOUBTFUL for shade in await tab.evaluate(shades)]
        assert await tab.evaluate("document.getElementById('save-srt').disabled") is False

    browse(f"http://{server}/", microphone, visit)


@needs_chromium
def test_a_file_that_is_dropped_is_transcribed_and_can_be_downloaded(server: str, microphone: Path, tmp_path: Path):
    async def visit(tab: Tab) -> str:
        await tab.wait_for("document.getElementById('model')?.textContent === 'an4'")
        await tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        document = await tab.call("DOM.getDocument")
        node = await tab.call("DOM.querySelector", nodeId=document["root"]["nodeId"], selector="#file")
        await tab.call("DOM.setFileInputFiles", files=[str(SAMPLES / "number.flac")], nodeId=node["nodeId"])
        await tab.wait_for("document.getElementById('status').textContent.endsWith('done.')")
        await tab.wait_for("performance.getEntriesByName(location.origin + '/subtitles/srt').length === 1")
        await tab.evaluate("window.fetch = () => Promise.reject(new Error('no server')); 0")  # it is gone by now
        await tab.evaluate("document.getElementById('save-srt').click()")
        return await downloaded(tmp_path, "*.srt")

    cue = browse(f"http://{server}/", microphone, visit).splitlines()
    assert cue[0] == "1"
    assert cue[1].startswith("00:00:00,")
    assert cue[2] == TEXTS["number"]


def test_the_page_needs_no_build_and_nothing_from_elsewhere():
    page = Path(__file__).parents[2] / "asr" / "live" / "page"
    for file in page.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text.replace("https:// or localhost", "")
        assert "http://" not in text
