"""A long recording of real utterances, joined: streaming must say what the whole says."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import asr
from asr.recognize import pipeline
from asr.score.wer import score_utterances
from asr.text.normalize import normalize
from asr.train.corpus import load_cuts
from asr.train.dataset import read_waveform

RATE = 16000
PAUSE = np.zeros(RATE // 2, np.float32)


@pytest.mark.corpora
def test_a_long_recording_streams_to_the_words_and_times_of_the_whole(corpora: Path, monkeypatch: pytest.MonkeyPatch):
    paths = sorted((corpora / "an4" / "wav" / "an4test_clstk").rglob("*.flac"))[:60]
    waveform = np.concatenate([part for path in paths for part in (soundfile.read(path, dtype="float32")[0], PAUSE)])
    assert len(waveform) > 2.5 * pipeline.LONG_SECONDS * RATE
    recognizer = asr.load_model("an4")
    streamed = recognizer.transcribe((waveform, RATE))
    monkeypatch.setattr(pipeline, "LONG_SECONDS", 10_000.0)
    whole = recognizer.transcribe((waveform, RATE))
    assert streamed.text == whole.text
    assert len(whole.words) > 200
    for ours, theirs in zip(streamed.words, whole.words, strict=True):
        assert ours.start == pytest.approx(theirs.start, abs=0.05)
        assert ours.end == pytest.approx(theirs.end, abs=0.05)


@pytest.mark.corpora
def test_joined_utterances_are_read_nearly_as_well_as_single_ones(corpora: Path, an4_manifests: Path):
    cuts = list(load_cuts([an4_manifests / "test.jsonl.gz"]))[:60]
    recognizer = asr.load_model("an4")
    waveforms = [read_waveform(cut, RATE).numpy() for cut in cuts]
    references = [normalize(cut.supervisions[0].text, recognizer.settings.normalizer) for cut in cuts]
    joined = recognizer.transcribe((np.concatenate([part for one in waveforms for part in (one, PAUSE)]), RATE))
    single = [one.text for one in recognizer.transcribe_many((one, RATE) for one in waveforms)]
    apart = score_utterances(references, single).wer
    together = score_utterances([" ".join(references)], [joined.text]).wer
    assert apart < 0.1
    assert together < apart + 0.02  # it was 0.1 above with a model that had heard single utterances only
