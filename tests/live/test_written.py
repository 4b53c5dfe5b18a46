"""The server with a punctuator: OpenAI's clients get written text, Vosk's when they ask for it."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np
import pytest
import soundfile

from asr.recognize.recognizer import Recognizer, load_model
from asr.transcript.written_text import TextWriter
from tests.language.punctuators import random_punctuator
from tests.live.browser import Tab, browse, find_chromium
from tests.live.serving import PHONE, RATE, TEXTS, pause, read_pcm, run_server, talk


@pytest.fixture(scope="module")
def writing_server() -> Iterator[str]:
    recognizer: Recognizer = load_model("an4", device="cpu")
    recognizer.decoder = replace(recognizer.decoder, writer=TextWriter(random_punctuator(seed=3).start))
    with run_server(recognizer) as address:
        yield address


PCM = read_pcm("number") + pause(1.5) + read_pcm("phone")


def test_vosk_clients_get_what_was_recognised(writing_server: str):
    replies = asyncio.run(talk(writing_server, PCM, {"sample_rate": RATE}))
    results = [reply for reply in replies if reply.get("text")]
    assert [result["text"] for result in results] == [TEXTS["number"], TEXTS["phone"]]
    assert set(results[0]["result"][0]) == {"conf", "start", "end", "word"}


def test_the_sentence_ends_with_the_stream_even_if_its_words_were_final_before(writing_server: str):
    for words in (True, False):
        config = {"sample_rate": RATE, "punctuate": True, "words": words}
        replies = asyncio.run(talk(writing_server, PCM + pause(1.5), config))
        final = [reply for reply in replies if reply.get("text")][-1]
        closed = replies[-1].get("closed")
        assert "closed" in replies[-1] or final["text"][-1] in ".?!"
        if closed is not None:
            assert final["text"][-1] not in ".?!"
            assert closed["text"][-1] in ".?!"
            assert closed["text"].rstrip(".?!") == final["text"].rstrip(",;: –")
            assert ("result" in closed) == words
    plain = asyncio.run(talk(writing_server, PCM + pause(1.5), {"sample_rate": RATE}))
    assert "closed" not in plain[-1]


def test_vosk_clients_that_ask_get_it_written(writing_server: str):
    replies = asyncio.run(talk(writing_server, PCM, {"sample_rate": RATE, "punctuate": True}))
    results = [reply for reply in replies if reply.get("text")]
    for result, name in zip(results, ("number", "phone"), strict=True):
        assert result["text"] != TEXTS[name]
        assert [word["word"] for word in result["result"]] == TEXTS[name].split()
        assert " ".join(word["written"] for word in result["result"]) == result["text"]
    assert all(reply["partial"] in (reply["partial"].lower(), "") for reply in replies if "partial" in reply)


NUMBER = [
    {"word": "go", "written": "Go", "conf": 0.9},
    {"word": "twenty", "written": "25.", "conf": 0.8},
    {"word": "five", "written": "", "conf": 0.4},
]


@pytest.mark.skipif(find_chromium() is None, reason="needs Chromium: apt install chromium")
def test_the_page_shows_it_written(writing_server: str, tmp_path: Path):
    spoken = pause(1.0) + PCM + pause(1.5)  # a slow browser loses the beginning
    replies = asyncio.run(talk(writing_server, spoken, {"sample_rate": RATE, "punctuate": True}))
    expected = [reply["text"] for reply in replies if reply.get("text")]
    soundfile.write(tmp_path / "talk.wav", np.frombuffer(spoken, "<i2"), RATE, subtype="PCM_16")

    async def visit(tab: Tab) -> list[str]:
        await tab.wait_for("document.getElementById('model')?.textContent === 'an4'")
        await tab.key("keyDown")
        await tab.key("keyUp")  # a short press: it goes on listening
        lines = "[...document.querySelectorAll('#finals p > span')].map(line => line.textContent.trim())"
        await tab.wait_for(f"{lines}.length === 2", 30)
        module = "import('/page/transcript.js')"
        joined = f"{module}.then(page => page.joinNumbers({json.dumps(NUMBER)}).map(word => [word.written, word.conf]))"
        assert await tab.evaluate(joined) == [["Go", 0.9], ["25.", 0.4]]
        return await tab.evaluate(lines)

    shown = browse(f"http://{writing_server}/", tmp_path / "talk.wav", visit)
    assert shown[0] == expected[0] != TEXTS["number"]
    assert [re.sub(r"[^\w' ]", "", line).lower().split() for line in shown] == [
        TEXTS[name].split() for name in ("number", "phone")
    ]


def test_openai_clients_get_it_written(writing_server: str):
    def post(**fields: str) -> httpx2.Response:
        files = {"file": ("phone.flac", PHONE.read_bytes())}
        return httpx2.post(
            f"http://{writing_server}/v1/audio/transcriptions", files=files, data={"model": "an4", **fields}
        )

    text = post().json()["text"]
    assert text != TEXTS["phone"]
    assert text[-1] in ".?!"
    assert post(response_format="text").text.strip() == text
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
    verbose = post(**fields).json()
    assert [word["word"] for word in verbose["words"]] == TEXTS["phone"].split()
    assert " ".join(word["written"] for word in verbose["words"]) == text
    assert text.split()[-1] in post(response_format="srt").text


def test_pages_send_what_was_written_for_their_subtitles(writing_server: str):
    words = [
        {"text": "go", "start": 0, "end": 1, "written": "Go"},
        {"text": "twenty", "start": 1, "end": 2, "written": "25."},
        {"text": "five", "start": 2, "end": 3, "written": ""},
    ]
    body = {"duration": 3, "segments": [{"words": words}]}
    assert "Go 25.\n" in httpx2.post(f"http://{writing_server}/subtitles/srt", json=body).text
