"""A model that needs whole recordings, in the server: files and finished recordings as any, no live streams."""

import asyncio
from pathlib import Path

import httpx2
import numpy as np
import pytest
import soundfile
import websockets

from asr.convert.folder import ImportOptions
from asr.convert.onnx_ctc import import_onnx
from asr.live.engine import Engine
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.recognizer import MultiStreamRecognizer
from asr.recognize.streaming.recordings import RecordingRecognizer, open_streams
from tests.convert import onnx_models
from tests.convert.onnx_models import SYMBOLS
from tests.live.serving import PHONE, RATE, read_pcm, run_server


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    folder = tmp_path_factory.mktemp("imported")
    onnx_models.zipformer(folder / "a.onnx")
    onnx_models.write_tokens(folder / "tokens.txt", SYMBOLS)
    import_onnx(folder / "a.onnx", folder / "tokens.txt", ImportOptions(folder / "a"))
    return load_model(folder / "a")


def test_which_models_can_follow_live_streams(imported: Recognizer, recognizer: Recognizer):
    assert isinstance(open_streams(imported), RecordingRecognizer)
    assert isinstance(open_streams(recognizer), MultiStreamRecognizer)


def test_files_are_transcribed(imported: Recognizer):
    text = imported.transcribe(PHONE).text
    assert text
    with run_server(imported) as address:
        request = {"files": {"file": ("a.flac", PHONE.read_bytes())}, "data": {"model": "an4"}}
        assert httpx2.post(f"http://{address}/v1/audio/transcriptions", **request).json()["text"] == text


def test_live_streams_are_refused_with_the_reason(imported: Recognizer):
    async def connect(address: str) -> tuple[int | None, str | None]:
        async with websockets.connect(f"ws://{address}") as client:
            await asyncio.wait_for(client.wait_closed(), 5)
            return client.close_code, client.close_reason

    with run_server(imported) as address:
        code, reason = asyncio.run(connect(address))
        metrics = httpx2.get(f"http://{address}/metrics").text
    assert (code, reason) == (1008, "this model needs whole recordings: POST files to /v1/audio/transcriptions")
    assert 'asr_refusals_total{reason="recordings"} 1.0' in metrics


def test_wyoming_clients_get_the_text_of_the_whole_recording(imported: Recognizer):
    pytest.importorskip("wyoming", reason="needs wyoming: python -m pip install --editable '.[wyoming]'")
    from wyoming.asr import Transcript, TranscriptChunk

    from tests.live.test_wyoming import recording, request, run_wyoming

    with run_wyoming(imported) as (_, port):
        events = request(port, recording(read_pcm("phone")))
    (transcript,) = [Transcript.from_event(event).text for event in events if Transcript.is_type(event.type)]
    assert transcript == imported.transcribe(PHONE).text
    assert "".join(event.data["text"] for event in events if TranscriptChunk.is_type(event.type)) == transcript


def test_what_is_too_short_for_a_word_has_no_text_and_failures_stay_with_their_stream(
    imported: Recognizer,
):
    samples = soundfile.read(PHONE, dtype="float32")[0]

    async def run() -> list[object]:
        with Engine(open_streams(imported)) as engine:
            streams = [engine.start(RATE) for _ in range(3)]
            streams[1]._stream.utterance_decoder = None
            waveforms = [samples, samples, np.zeros(100, np.float32)]
            for stream, waveform in zip(streams, waveforms, strict=True):
                assert (await stream.feed(waveform)).finals == ()
            return await asyncio.gather(*(stream.finish() for stream in streams), return_exceptions=True)

    first, second, third = asyncio.run(run())
    assert " ".join(segment.text for segment in first.finals) == imported.transcribe(Path(PHONE)).text
    assert isinstance(second, AttributeError)
    assert third.finals == ()
