"""A recogniser in other processes and in threads: forked, spawned, pickled, shared."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from asr.recognize.options import DecodingOptions
from asr.recognize.recognizer import Recognizer, load_model
from asr.recognize.streaming.recognizer import StreamingRecognizer
from asr.signal.audio import load_audio
from tests.processes import is_true_in_fork, needs_fork

SAMPLES = Path(__file__).parents[2] / "recipes" / "an4" / "samples"
TEXTS = dict(line.split("\t") for line in (SAMPLES / "transcripts.txt").read_text().splitlines())
PATHS = {str(SAMPLES / f"{name}.flac"): text for name, text in TEXTS.items()}


@pytest.fixture(scope="module", params=["greedy", "beam"])
def recognizer(request: pytest.FixtureRequest) -> Recognizer:
    hotwords = ["help"] if request.param == "beam" else []  # so that the search looks into tables
    return load_model("an4", device="cpu", decoding=DecodingOptions(decoder=request.param, hotwords=hotwords))


def transcribes(recognizer: Recognizer) -> bool:
    """Whether the samples are transcribed, together and as a stream."""
    together = [one.text for one in recognizer.transcribe_many(list(PATHS))]
    path, text = next(iter(PATHS.items()))
    stream = StreamingRecognizer(recognizer)
    stream.feed(load_audio(path))
    return together == list(PATHS.values()) and stream.finish().text == text


@needs_fork
def test_a_forked_child_transcribes_after_its_parent_has(recognizer: Recognizer):
    assert transcribes(recognizer)
    assert is_true_in_fork(lambda: transcribes(recognizer))
    assert transcribes(recognizer)


def test_a_recogniser_that_was_pickled_transcribes(recognizer: Recognizer):
    assert transcribes(pickle.loads(pickle.dumps(recognizer)))


def test_a_stream_that_was_pickled_midway_goes_on(recognizer: Recognizer):
    path, text = next(iter(PATHS.items()))
    waveform, stream = load_audio(path), StreamingRecognizer(recognizer)
    stream.feed(waveform[: len(waveform) // 2])
    copied = pickle.loads(pickle.dumps(stream))
    copied.feed(waveform[len(waveform) // 2 :])
    assert copied.finish().text == text


def test_a_spawned_process_transcribes_with_the_recogniser_it_is_sent(recognizer: Recognizer):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(transcribes, recognizer).result(timeout=100)


def test_threads_share_a_recogniser(recognizer: Recognizer):
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(transcribes, [recognizer] * 8))
