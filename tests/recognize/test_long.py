"""A long recording of real utterances, joined: it is read as they are by themselves."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import asr
from asr.recognize import pipeline
from asr.text.normalize import normalize

RATE = 16000
PAUSE = np.zeros(RATE // 2, np.float32)


@pytest.mark.corpora
def test_the_words_of_a_long_recording_are_those_of_its_utterances_each_in_its_place(corpora: Path):
    paths = sorted((corpora / "an4" / "wav" / "an4test_clstk").rglob("*.flac"))[:60]
    waveforms = [soundfile.read(path, dtype="float32")[0] for path in paths]
    recognizer = asr.load_model("an4")
    joined = np.concatenate([part for one in waveforms for part in (one, PAUSE)])
    assert len(joined) > 2.5 * pipeline.LONG_SECONDS * RATE
    found = recognizer.transcribe((joined, RATE)).words
    offset, expected = 0.0, []
    for waveform, alone in zip(waveforms, recognizer.transcribe_many((one, RATE) for one in waveforms), strict=True):
        expected += [(word.text, offset + word.start, offset + word.end) for word in alone.words]
        offset += (len(waveform) + len(PAUSE)) / RATE
    matched = sum(
        any(one.text == text and abs(one.start - start) < 0.1 and abs(one.end - end) < 0.1 for one in found)
        for text, start, end in expected
    )
    assert matched > 0.9 * len(expected) > 200


@pytest.mark.corpora
def test_joined_utterances_are_read_nearly_as_well_as_single_ones(corpora: Path, an4_manifests: Path):
    from asr.corpus.cuts import load_cuts, read_waveform
    from asr.evaluate.wer import score_utterances

    cuts = list(load_cuts([an4_manifests / "test.jsonl.gz"]))[:60]
    recognizer = asr.load_model("an4")
    waveforms = [read_waveform(cut, RATE) for cut in cuts]
    references = [normalize(cut.supervisions[0].text, recognizer.settings.normalizer) for cut in cuts]
    joined = recognizer.transcribe((np.concatenate([part for one in waveforms for part in (one, PAUSE)]), RATE))
    single = [one.text for one in recognizer.transcribe_many((one, RATE) for one in waveforms)]
    alone = score_utterances(references, single).wer
    together = score_utterances([" ".join(references)], [joined.text]).wer
    assert alone < 0.1
    assert together < alone + 0.02
