"""Many recordings at once, long ones among them, around an untrained network."""

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AudioError, ConfigError
from asr.recognize import pipeline
from asr.recognize.align import MeasuredFrames
from asr.recognize.recognizer import Recognizer
from asr.runtime.network import ChunkSize
from asr.transcript.transcript import Transcript
from tests.recognize.test_recognizer import RATE, make_model, noise


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer(make_model())


def texts(recognizer: Recognizer, sources: list, **options) -> list[str]:
    results = list(recognizer.transcribe_many(sources, **options))
    assert all(isinstance(result, Transcript) for result in results)
    return [result.text for result in results]


def test_results_come_in_order_whatever_the_lengths_and_the_threads(recognizer: Recognizer):
    sources = [(noise(seconds, seed), RATE) for seed, seconds in enumerate([2, 0.3, 45, 1, 0.5, 4, 0.2, 25, 1, 2])]
    alone = [recognizer.transcribe(source).text for source in sources]
    assert len(set(alone)) > 5
    for batch_seconds, jobs in ((1.0, 1), (6.0, 3), (60.0, 2)):
        assert texts(recognizer, sources, batch_seconds=batch_seconds, jobs=jobs) == alone


def test_recordings_of_one_length_share_batches_that_are_full_and_no_fuller(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
):
    shapes = []
    network = recognizer.runner.network
    run = network.run
    monkeypatch.setattr(network, "run", lambda batch: shapes.append((len(batch), max(map(len, batch)))) or run(batch))
    sources = [(noise(seconds, 0), RATE) for seconds in (1, 4, 1, 1, 4, 1)]
    list(recognizer.transcribe_many(sources, batch_seconds=8.0))
    # The first window ends where a batch is full: 1 + 4 + 1 + 1 + 4 seconds; the second holds the rest.
    assert shapes == [(3, 98), (2, 398), (1, 98)]


def test_a_long_recording_streams_to_the_text_of_the_whole(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch):
    source = (noise(150.0, 3), RATE)
    positions: list[float] = []
    (streamed,) = recognizer.transcribe_many([source], on_progress=positions.append)
    assert positions == sorted(positions)
    assert positions[0] < 50 < positions[-1] == 150.0  # it reported on the way
    monkeypatch.setattr(pipeline, "LONG_SECONDS", 1000.0)
    whole = recognizer.transcribe(source)
    assert streamed.text == whole.text
    assert len(whole.text) > 50
    assert streamed.duration == whole.duration == pytest.approx(150.0)
    assert [word.text for word in streamed.words] == [word.text for word in whole.words]


def test_segments_are_recognised_as_if_each_were_a_recording_and_their_frames_make_up_the_whole(recognizer: Recognizer):
    waveform = noise(50.0, 4)
    runner = recognizer.runner
    found = list(runner.run_segments(runner.split(np.array_split(waveform, 7)), batch_seconds=25.0))
    assert len(found) > 3
    for segment, log_probs in found:
        (alone,) = recognizer.runner.compute_log_probs([segment.waveform])
        np.testing.assert_allclose(log_probs, alone, atol=1e-4)
    (whole,) = recognizer.runner.compute_log_probs([waveform])
    words = recognizer.transcribe((waveform, RATE)).words
    cuts = [segment.end for segment, _ in found]
    assert all(any(start <= word.start and word.end <= end for start, end in pairwise([0.0, *cuts])) for word in words)
    assert {sum(word.start >= cut for cut in cuts) for word in words} == set(range(len(found)))
    assert [segment.first_frame for segment, _ in found] == [
        0,
        *np.cumsum([len(log_probs) for _, log_probs in found])[:-1],
    ]
    assert sum(len(own) for _, own in found) == len(whole)


@pytest.mark.parametrize("features", [{"sample_rate": 11025}, {"step_seconds": 0.005}])
def test_times_do_not_drift_where_frames_are_no_whole_samples_or_shorter_than_windows(features: dict[str, float]):
    recognizer = Recognizer(make_model(**features))
    waveform = noise(50.0, 4)
    words = recognizer.transcribe((waveform, recognizer.sample_rate)).words
    duration = len(waveform) / recognizer.sample_rate
    assert len(words) > 50
    assert duration - 1 < words[-1].end <= duration
    assert all(before.end <= after.start + 1e-9 for before, after in pairwise(words))
    (whole,) = recognizer.runner.compute_log_probs([waveform])
    assert sum(map(len, MeasuredFrames(recognizer.runner, np.array_split(waveform, 7)))) == len(whole)


def test_what_breaks_in_the_middle_of_a_long_recording_is_its_error_alone(recognizer: Recognizer, tmp_path: Path):
    samples = noise(100.0, 0)
    samples[90 * RATE] = np.nan
    soundfile.write(tmp_path / "broken.wav", samples, RATE, subtype="FLOAT")
    short = (noise(1.0, 0), RATE)
    results = list(recognizer.transcribe_many([short, tmp_path / "broken.wav", short]))
    assert isinstance(results[1], AudioError)
    assert "broken.wav" in str(results[1])
    assert results[0].text == results[2].text


def test_audio_is_loaded_a_bounded_way_in_advance(recognizer: Recognizer):
    taken = 0

    def sources() -> Iterator[tuple[np.ndarray, int]]:
        nonlocal taken
        while True:
            taken += 1
            yield noise(1.0, 0), RATE

    results = recognizer.transcribe_many(sources(), batch_seconds=4.0, jobs=2)
    for count in range(100):
        next(results)
        assert taken - count < 3 * pipeline.MOST_BATCHES * 4
    results.close()
    before = taken
    time.sleep(0.1)
    assert taken == before


def test_threads_end_where_nobody_takes_the_rest(recognizer: Recognizer):
    before = threading.active_count()
    results = recognizer.transcribe_many([(noise(1.0, 0), RATE)] * 50)
    next(results)
    results.close()
    assert threading.active_count() <= before


def test_a_defect_of_ours_is_not_hidden(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(recognizer.decoder, "decode", fail)
    with pytest.raises(RuntimeError, match="a defect"):
        list(recognizer.transcribe_many([(noise(1.0, 0), RATE)]))


def test_8_bits_say_nearly_the_same(recognizer: Recognizer):
    lower = Recognizer(make_model(), device="cpu", precision="int8")
    waveform = noise(3.0, 0)
    ours, theirs = (model.runner.compute_log_probs([waveform])[0] for model in (lower, recognizer))
    assert ours.dtype == np.float32
    assert np.abs(np.exp(ours) - np.exp(theirs)).mean() < 0.03
    assert not np.array_equal(ours, theirs)
    chunk_size = ChunkSize.from_seconds(60.0, 15.0, frame_seconds=lower.runner.frame_seconds)
    network = lower.runner.network.streaming(chunk_size)
    stream = network.start()
    stream.feed(lower.runner.extract(waveform), last=True)
    np.testing.assert_allclose(np.exp(network.run([stream])[0]), np.exp(ours), atol=0.05)


def test_bf16_is_refused_on_the_cpu():
    with pytest.raises(ConfigError, match="precision bf16 runs on a GPU only; take int8, fp32 or auto"):
        Recognizer(make_model(), device="cpu", precision="bf16")
