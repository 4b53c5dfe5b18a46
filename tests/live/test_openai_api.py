"""OpenAI's own client against the server."""

import asyncio
import io
import re
import threading

import httpx2 as httpx
import numpy as np
import openai
import pytest
import soundfile
from starlette.datastructures import UploadFile

from asr.live.access import RequestError
from asr.live.metrics import Metrics
from asr.live.openai_api import Transcriber
from asr.live.settings import Limits
from asr.recognize.recognizer import Recognizer, load_model
from asr.runtime import threads
from tests.live.serving import SAMPLES, TEXTS, run_server


@pytest.fixture(scope="module")
def client(server: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://{server}/v1", api_key="none", max_retries=0)


def transcribe(client: openai.OpenAI, name: str = "code.flac", **options: object):
    with (SAMPLES / name).open("rb") as file:
        return client.audio.transcriptions.create(file=file, **{"model": "an4", **options})


def test_json_is_the_default(client: openai.OpenAI):
    assert transcribe(client).text == TEXTS["code"]
    assert transcribe(client, model="whisper-1", language="en", prompt="codes", temperature=0).text == TEXTS["code"]


def test_plain_text(client: openai.OpenAI):
    assert transcribe(client, response_format="text").strip() == TEXTS["code"]


def test_words_and_segments_with_their_times(client: openai.OpenAI):
    verbose = transcribe(client, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert verbose.text == TEXTS["code"]
    assert verbose.duration == pytest.approx(2.283, abs=0.001)
    assert [word.word for word in verbose.words] == TEXTS["code"].split()
    assert all(0 <= word.start < word.end <= verbose.duration for word in verbose.words)
    assert " ".join(segment.text for segment in verbose.segments) == TEXTS["code"]
    assert transcribe(client, response_format="verbose_json").words is None


def test_subtitles(client: openai.OpenAI):
    srt = transcribe(client, response_format="srt")
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n", srt)
    assert " ".join(srt.split("\n")[2:]).split() == TEXTS["code"].split()
    assert transcribe(client, response_format="vtt").startswith("WEBVTT\n\n")


def test_files_leave_the_other_cores_to_live_streams(monkeypatch: pytest.MonkeyPatch):
    recognizer, idents = load_model("an4", device="cpu"), set()
    network = recognizer.runner.network
    run = network._run

    def note_thread(features: np.ndarray) -> np.ndarray:
        idents.add(threading.get_ident())
        return run(features)

    monkeypatch.setattr(network, "_run", note_thread)
    monkeypatch.setattr(threads, "count_threads", lambda: 4)
    samples = np.concatenate([soundfile.read(path)[0] for path in SAMPLES.glob("*.flac")] * 5)
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format="WAV")
    file.seek(0)

    async def send() -> str:
        transcriber = Transcriber(recognizer, "an4", Limits(), Metrics())
        try:
            return (await transcriber._transcribe(UploadFile(file))).text
        finally:
            await transcriber.close()

    assert asyncio.run(send())
    assert len(idents) == 1


def test_the_model_is_listed(client: openai.OpenAI):
    assert [model.id for model in client.models.list()] == ["an4"]
    assert client.models.retrieve("an4").id == "an4"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("big")


@pytest.mark.parametrize(
    ("options", "error", "param"),
    [
        ({"model": "big"}, openai.NotFoundError, "model"),
        ({"response_format": "diarized_json"}, openai.BadRequestError, "response_format"),
        ({"timestamp_granularities": ["word"]}, openai.BadRequestError, "response_format"),
        ({"name": "transcripts.txt"}, openai.BadRequestError, "file"),
    ],
)
def test_what_cannot_be_done_is_an_error_as_openai_writes_it(
    client: openai.OpenAI, options: dict, error: type, param: str
):
    with pytest.raises(error) as caught:
        transcribe(client, **options)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")


def test_other_addresses_and_broken_forms_get_an_error_in_the_same_form(client: openai.OpenAI):
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(input="x", model="an4")
    with pytest.raises(openai.BadRequestError, match="file: missing"):
        client.post("/audio/transcriptions", body={"model": "an4"}, cast_to=object)


@pytest.mark.parametrize(("limits", "status"), [(Limits(), 503), (Limits(upload_seconds=60), 413)])
def test_a_long_file_is_given_up_at_shutdown_or_past_the_limit(recognizer: Recognizer, limits: Limits, status: int):
    content = io.BytesIO()
    soundfile.write(content, np.zeros(1200 * 8000, np.int16), 8000, format="FLAC")  # twenty minutes
    content.seek(0)

    async def run() -> None:
        transcriber = Transcriber(recognizer, "an4", limits, Metrics())
        work = asyncio.ensure_future(transcriber._transcribe(UploadFile(content)))
        if limits == Limits():
            await asyncio.sleep(0.2)
            await transcriber.close(patience=0.0)
        await work

    with pytest.raises(RequestError) as caught:
        asyncio.run(run())
    assert caught.value.status == status


def test_the_channels_of_a_call_are_apart_if_the_client_asks(client: openai.OpenAI):
    sides = [soundfile.read(SAMPLES / f"{name}.flac")[0] for name in ("code", "date")]
    call = np.zeros((max(map(len, sides)), 2))
    for channel, side in enumerate(sides):
        call[: len(side), channel] = side
    file = io.BytesIO()
    soundfile.write(file, call, 16000, format="WAV")

    def transcribe_call(channel: str):
        audio = ("call.wav", file.getvalue())
        options = {"model": "an4", "response_format": "verbose_json", "extra_body": {"channel": channel}}
        return client.audio.transcriptions.create(file=audio, **options)

    segments = transcribe_call("each").segments
    for channel, name in enumerate(("code", "date")):
        assert " ".join(segment.text for segment in segments if segment.channel == channel) == TEXTS[name]
        assert transcribe_call(str(channel)).text == TEXTS[name]
    for channel, message in (("left", "expected mix, each"), ("2", "has no channel 2")):
        with pytest.raises(openai.BadRequestError, match=message):
            transcribe_call(channel)


def post(server: str, files: dict[str, object], **fields: str) -> httpx.Response:
    return httpx.post(
        f"http://{server}/v1/audio/transcriptions", files=files, data={"model": "an4", **fields}, timeout=60
    )


@pytest.mark.parametrize("padding", [0, 2 << 20])
@pytest.mark.parametrize(
    "disposition", ['name="file"', "name=file", 'name="file"; filename=""', "name=\"file\"; filename*=UTF-8''x"]
)
def test_a_file_needs_no_name(server: str, disposition: str, padding: int):
    content = (SAMPLES / "code.flac").read_bytes()
    if padding:  # larger than a text may be
        samples, rate = soundfile.read(io.BytesIO(content))
        file = io.BytesIO()
        soundfile.write(file, np.concatenate([samples, np.zeros(padding // 2)]), rate, format="WAV")
        content = file.getvalue()
    parts = [b'--X\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--X\r\n']
    parts += [f"Content-Disposition: form-data; {disposition}\r\nContent-Type: audio/flac\r\n\r\n".encode(), content]
    body = b"".join([*parts, b"\r\n--X--\r\n"])
    headers = {"Content-Type": "multipart/form-data; boundary=X"}
    answer = httpx.post(f"http://{server}/v1/audio/transcriptions", content=body, headers=headers, timeout=60)
    assert (answer.status_code, answer.json()) == (200, {"text": TEXTS["code"]})


def test_events_are_those_of_openai(client: openai.OpenAI):
    with (SAMPLES / "code.flac").open("rb") as file:
        events = list(client.audio.transcriptions.create(file=file, model="gpt-4o-transcribe", stream=True))
    assert {event.type for event in events[:-1]} == {"transcript.text.delta"}
    assert (events[-1].type, events[-1].text) == ("transcript.text.done", TEXTS["code"])
    assert "".join(event.delta for event in events[:-1]) == TEXTS["code"]
    with pytest.raises(openai.BadRequestError, match="stream: needs response_format"):
        transcribe(client, stream=True, response_format="srt")


@pytest.mark.parametrize("value", ["false", "False", "0", "no", "off", ""])
def test_no_is_no_however_it_is_written(server: str, value: str):
    with (SAMPLES / "code.flac").open("rb") as file:
        answer = post(server, {"file": file}, stream=value)
    assert answer.headers["content-type"] == "application/json"


def test_the_language_is_the_models_and_not_what_is_asked_for(client: openai.OpenAI):
    assert transcribe(client, response_format="verbose_json", language="fr").language == "und"


@pytest.mark.parametrize(
    ("names", "asked", "status"),
    [
        (["large-v3", "Systran/faster-whisper-large-v3"], "large-v3", 200),
        (["large-v3", "Systran/faster-whisper-large-v3"], "Systran/faster-whisper-large-v3", 200),
        (["large-v3"], "small", 404),
        (["*"], "any/thing", 200),
        ([], "large-v3", 404),
    ],
)
def test_the_model_may_have_other_names(recognizer: Recognizer, names: list[str], asked: str, status: int):
    with run_server(recognizer, model_names=names) as address:
        assert httpx.get(f"http://{address}/v1/models/{asked}").status_code == status
        with (SAMPLES / "code.flac").open("rb") as file:
            assert post(address, {"file": file}, model=asked).status_code == status


def test_a_recording_of_a_browser_without_ffmpeg_says_what_to_install(server: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    webm = bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d") + bytes(2000)
    answer = post(server, {"file": ("blob", webm, "audio/webm;codecs=opus")})
    assert answer.status_code == 400
    assert "install ffmpeg" in answer.json()["error"]["message"]


def test_health_may_be_asked_without_a_body(server: str):
    for path in ("/health", "/v1/models", "/"):
        answer = httpx.head(f"http://{server}{path}")
        assert (answer.status_code, answer.content) == (200, b"")
