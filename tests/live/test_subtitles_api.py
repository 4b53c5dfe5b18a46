"""Subtitles of a transcript in JSON, read back by other libraries."""

import io
import json
from typing import Any

import httpx2
import pytest
import srt
import webvtt

from asr.config import SubtitleSettings
from asr.live.settings import Limits
from asr.recognize.recognizer import Recognizer
from asr.transcript.transcript import DOUBTFUL
from tests.live.serving import SAMPLES, run_server

TIGHT = Limits(transcript_bytes=300)


def word(text: str, start: float, end: float) -> dict[str, Any]:
    return {"text": text, "start": start, "end": end}


def body(*segments: list[dict[str, Any]], duration: float = 60.0) -> dict[str, Any]:
    return {"duration": duration, "segments": [{"words": words} for words in segments]}


def ask(address: str, content: object, style: str = "srt") -> httpx2.Response:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return httpx2.post(f"http://{address}/subtitles/{style}", content=data)


def test_a_long_segment_becomes_readable_cues_with_all_words_in_order(server: str):
    long = [word(f"word{index:02}", 0.5 * index, 0.5 * index + 0.4) for index in range(40)]
    content = body(long, [word("end", 30, 31)])
    cues = list(srt.parse(ask(server, content).text))
    settings = SubtitleSettings()
    lines = [line for cue in cues for line in cue.content.split("\n")]
    assert " ".join(lines).split() == [spoken["text"] for spoken in long] + ["end"]
    assert max(map(len, lines)) <= settings.max_line_length
    assert all(0 < (cue.end - cue.start).total_seconds() <= settings.max_seconds for cue in cues)
    assert [cues[0].start.total_seconds(), cues[-1].start.total_seconds()] == [0, 30]
    captions = webvtt.from_buffer(io.StringIO(ask(server, content, "vtt").text))
    assert [caption.text for caption in captions] == [cue.content for cue in cues]


def test_a_transcript_as_asr_writes_it_is_accepted(server: str, recognizer: Recognizer):
    transcript = recognizer.transcribe(SAMPLES / "code.flac")
    cues = srt.parse(ask(server, transcript.to_dict()).text)
    assert " ".join(cue.content for cue in cues).split() == transcript.text.split()


def test_words_of_two_recordings_may_touch_and_none_give_no_cues(server: str):
    cues = srt.parse(ask(server, body([word("a", 0, 2.01)], [word("b", 2, 3)], duration=2.0)).text)
    assert [(cue.start.total_seconds(), cue.end.total_seconds()) for cue in cues] == [(0, 2), (2, 3)]
    assert ask(server, body()).text == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "JSON"),
        (b"[]", "object"),
        ({"segments": []}, "duration"),
        (body([]), "segments.0.words"),
        (body([{"text": "a", "start": 0}]), "segments.0.words.0.end"),
        (body([word("a", -1, 0)]), "segments.0.words.0.start"),
        (body([word("a", 0, float("nan"))]), "segments.0.words.0.end"),
        (body([word("a", 0, 1e300)]), "segments.0.words.0.end"),
        (body([word("a", 1, 0)]), "order of time"),
        (body([word("a", 1, 2)], [word("b", 0, 1)]), "order of time"),
    ],
)
def test_a_transcript_that_makes_no_sense_is_refused(server: str, content: object, reason: str):
    response = ask(server, content)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert reason in response.json()["error"]["message"]


def test_other_formats_are_refused(server: str):
    assert ask(server, body(), "docx").status_code == 404


def test_size_and_token_are_checked(recognizer: Recognizer):
    with run_server(recognizer, limits=TIGHT, token="secret") as address:
        url, headers = f"http://{address}/subtitles/srt", {"Authorization": "Bearer secret"}
        assert httpx2.post(url, content=json.dumps(body())).status_code == 401
        large = [b"[" * 100] * 4
        for content in (b"".join(large), iter(large)):
            response = httpx2.post(url, content=content, headers=headers)
            assert (response.status_code, response.json()["error"]["code"]) == (413, "upload")
        assert httpx2.post(url, content=json.dumps(body()), headers=headers).text == ""


def test_the_page_learns_the_model_and_which_words_are_doubtful(server: str):
    assert httpx2.get(f"http://{server}/page/settings.json").json() == {"model": "an4", "doubtful": DOUBTFUL}
