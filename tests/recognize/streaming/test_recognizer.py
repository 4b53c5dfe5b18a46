"""Streams against the whole recording, and against streams that are cut otherwise."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from asr.config import AcousticSettings, DecoderSettings, FeatureSettings, ModelSettings
from asr.decode.decoder import BeamDecoder
from asr.recognize.model_folder import read_model
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.endpoints import Endpoints
from asr.recognize.streaming.recognizer import MultiStreamRecognizer, StreamingRecognizer
from asr.recognize.streaming.stream import Partial, StreamingOptions
from asr.transcript.transcript import Transcript
from tests.models import make_model

RATE = 16000
SAMPLES = Path(__file__).parents[3] / "recipes" / "an4" / "samples"
TEXTS = dict(line.split("\t") for line in (SAMPLES / "transcripts.txt").read_text().splitlines())


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return load_model("an4", device="cpu")


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Three samples with a second and a half of faint noise around each: one recording."""
    rng = np.random.default_rng(0)
    parts = [1e-3 * rng.standard_normal(RATE * 3 // 2)]
    for name in ("number", "code", "phone"):
        parts += [read(name), 1e-3 * rng.standard_normal(RATE * 3 // 2)]
    return np.concatenate(parts).astype(np.float32)


def read(name: str) -> np.ndarray:
    return soundfile.read(SAMPLES / f"{name}.flac", dtype="float32")[0]


def stream(stream: StreamingRecognizer, waveform: np.ndarray, block: int) -> tuple[list[Partial], Transcript]:
    partials = [stream.feed(waveform[at : at + block]) for at in range(0, len(waveform), block)]
    return [partial for partial in partials if partial is not None], stream.finish()


@pytest.mark.parametrize("name", ["city", "code", "number", "phone"])
def test_unlimited_right_context_gives_the_offline_text(recognizer: Recognizer, name: str):
    _, transcript = stream(StreamingRecognizer(recognizer, StreamingOptions(right=60.0)), read(name), 1600)
    assert transcript.text == recognizer.transcribe((read(name), RATE)).text == TEXTS[name]
    assert transcript.duration == pytest.approx(len(read(name)) / RATE)


def test_pauses_cut_a_stream_into_utterances_with_words_at_their_times(recognizer: Recognizer, talk: np.ndarray):
    partials, transcript = stream(StreamingRecognizer(recognizer), talk, 3200)
    texts = [TEXTS[name] for name in ("number", "code", "phone")]
    assert [segment.text for segment in transcript.segments] == texts
    finals = [segment for partial in partials for segment in partial.finals]
    assert finals == list(transcript.segments[: len(finals)])
    assert len(finals) >= 2
    assert transcript.text == " ".join(texts)
    start = 1.5
    for name, segment in zip(("number", "code", "phone"), transcript.segments, strict=True):
        end = start + len(read(name)) / RATE
        assert start - 0.2 <= segment.start < segment.end <= end + 0.3
        start = end + 1.5


def test_how_a_stream_is_cut_into_blocks_changes_no_utterance(recognizer: Recognizer, talk: np.ndarray):
    whole = StreamingRecognizer(recognizer)
    whole.feed(talk)
    expected = whole.finish()
    for block in (777, 16000):
        _, transcript = stream(StreamingRecognizer(recognizer, StreamingOptions(preview=False)), talk, block)
        assert transcript.text == expected.text
        assert [word.start for word in transcript.words] == [word.start for word in expected.words]


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_what_is_committed_never_changes(recognizer: Recognizer, talk: np.ndarray, decoder: str):
    beam = BeamDecoder(recognizer.tokenizer.symbols, DecoderSettings(beam_size=8)) if decoder == "beam" else None
    model = Recognizer(read_model("an4"), device="cpu", beam=beam)
    committed, finals = "", []
    streaming = StreamingRecognizer(model)
    for at in range(0, len(talk), 2400):
        partial = streaming.feed(talk[at : at + 2400])
        if partial is None:
            continue
        for segment in partial.finals:
            assert segment.text.startswith(committed)
            committed = ""
        assert partial.committed.startswith(committed)
        assert partial.text.startswith(partial.committed)
        committed = partial.committed
        finals += partial.finals
    transcript = streaming.finish()
    assert [segment.text for segment in finals] == [s.text for s in transcript.segments[: len(finals)]]
    assert [segment.text for segment in transcript.segments] == [TEXTS[name] for name in ("number", "code", "phone")]


def test_a_preview_shows_words_before_they_are_committed(recognizer: Recognizer):
    waveform = read("phone")
    first = {}
    for preview in (False, True):
        streaming = StreamingRecognizer(recognizer, StreamingOptions(preview=preview))
        for at in range(0, len(waveform), 1600):
            partial = streaming.feed(waveform[at : at + 1600])
            if partial and partial.text.startswith("five"):
                first[preview] = at / RATE
                break
    assert first[True] <= first[False] - 0.5


def test_streams_that_are_read_together_give_what_each_gives_alone(recognizer: Recognizer):
    names = ["city", "help", "number"]
    streaming = MultiStreamRecognizer(recognizer)
    streams = [streaming.start() for _ in names]
    finals: list[list[str]] = [[] for _ in names]
    for at in range(0, 3 * RATE, 4000):
        open_streams = [index for index, stream in enumerate(streams) if not stream.ended]
        for index in open_streams:
            waveform = read(names[index])
            streams[index].feed(waveform[at : at + 4000], last=at + 4000 >= len(waveform))
        partials = streaming.decode([streams[index] for index in open_streams])
        for index, partial in zip(open_streams, partials, strict=True):
            finals[index] += [segment.text for segment in partial.finals] if partial else []
    assert finals == [[TEXTS[name]] for name in names]


def test_another_rate_and_integers_are_understood(recognizer: Recognizer):
    waveform = soxr.resample(read("code"), RATE, 44100)
    streaming = StreamingRecognizer(recognizer, sample_rate=44100)
    _, transcript = stream(streaming, (waveform * 32767).astype(np.int16), 4410)
    assert transcript.text == TEXTS["code"]
    assert transcript.duration == pytest.approx(len(read("code")) / RATE, abs=0.001)


def test_reset_forgets_and_a_finished_stream_hears_no_more(recognizer: Recognizer):
    streaming = StreamingRecognizer(recognizer)
    streaming.feed(read("city")[:8000])
    streaming.reset()
    _, transcript = stream(streaming, read("help"), 1600)
    assert transcript.text == "help"
    assert streaming.finish() == transcript
    with pytest.raises(ValueError, match="has ended"):
        streaming.feed(read("help"))


def test_nothing_is_said_in_silence_however_long(recognizer: Recognizer):
    streaming = StreamingRecognizer(recognizer, StreamingOptions(endpoints=Endpoints(idle=1.0)))
    partials, transcript = stream(streaming, np.zeros(8 * RATE, np.float32), 8000)
    assert (partials, transcript.text, transcript.segments) == ([], "", ())
    assert transcript.duration == 8.0


@pytest.mark.parametrize("num_frames", [400, 401, 407])  # whole chunks, and not
def test_a_model_that_only_reads_forward_streams_as_it_reads_files(num_frames: int):
    shape = AcousticSettings(direction="forward", num_layers=1, hidden_size=16, conv_channels=4)
    settings = ModelSettings(acoustic=shape)
    model = Recognizer(make_model(settings, seed=11), device="cpu", precision="fp32")
    waveform = (0.1 * np.random.default_rng(0).standard_normal(160 * num_frames + 240)).astype(np.float32)
    offline = model.transcribe((waveform, RATE)).text
    options = StreamingOptions(endpoints=Endpoints(long_pause=60, pause=60))
    _, transcript = stream(StreamingRecognizer(model, options), waveform, 1600)
    assert transcript.text == offline
    assert offline


def test_words_of_a_stream_are_where_those_of_a_file_are_whatever_the_window():
    shape = AcousticSettings(direction="forward", num_layers=1, hidden_size=16, conv_channels=4)
    settings = ModelSettings(acoustic=shape, features=FeatureSettings(window_seconds=0.1))
    model = Recognizer(make_model(settings, seed=11), device="cpu", precision="fp32")
    waveform = (0.1 * np.random.default_rng(0).standard_normal(4 * RATE)).astype(np.float32)
    offline = model.transcribe((waveform, RATE)).words
    options = StreamingOptions(endpoints=Endpoints(long_pause=60, pause=60))
    _, transcript = stream(StreamingRecognizer(model, options), waveform, 1600)
    assert [(word.text, word.start, word.end) for word in transcript.words] == [
        (word.text, pytest.approx(word.start), pytest.approx(word.end)) for word in offline
    ]
    assert offline


@pytest.mark.parametrize("samples", [np.zeros((2, 2), np.float32), np.ones(3, np.int64), "noise"])
def test_samples_of_another_kind_are_refused(recognizer: Recognizer, samples: object):
    with pytest.raises(ValueError, match=r"expected|64 bits|its type is"):
        StreamingRecognizer(recognizer).feed(samples)


def test_samples_that_are_no_numbers_and_rates_that_are_none_are_refused(recognizer: Recognizer):
    with pytest.raises(ValueError, match="NaN"):
        StreamingRecognizer(recognizer).feed(np.array([0.0, np.nan]))
    for rate in (0, -1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="sample_rate"):
            StreamingRecognizer(recognizer, sample_rate=rate)
