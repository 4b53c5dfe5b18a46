"""Scoring a model on cuts; errors name the utterance."""

from pathlib import Path

import pytest
from lhotse import CutSet

from asr.corpus.cuts import load_cuts
from asr.errors import CorpusError
from asr.evaluate.evaluate import evaluate
from asr.evaluate.report import to_json
from asr.recognize.recognizer import Recognizer
from tests.recognize.test_recognizer import make_model


@pytest.fixture
def cuts(tone_manifests: Path) -> list:
    return list(load_cuts([tone_manifests / "dev.jsonl.gz"]))


def without_text(cut) -> None:
    cut.supervisions[0].text = None


def without_supervision(cut) -> None:
    cut.supervisions = []


def without_recording(cut) -> None:
    cut.recording.sources[0].source = "/nowhere.wav"


@pytest.mark.parametrize("spoil", [without_text, without_supervision])
def test_an_utterance_that_cannot_be_scored_is_named(cuts: list, spoil):
    spoil(cuts[3])
    with pytest.raises(CorpusError, match=f"^{cuts[3].id}: "):
        evaluate(Recognizer(make_model()), CutSet(cuts))


def test_an_utterance_without_its_recording_is_left_out_and_named(cuts: list):
    without_recording(cuts[3])
    result = evaluate(Recognizer(make_model()), CutSet(cuts))
    complete = [cut for index, cut in enumerate(cuts) if index != 3]
    expected = evaluate(Recognizer(make_model()), CutSet(complete))
    assert dict(zip(result.utterances, result.hypotheses, strict=True)) == dict(
        zip(expected.utterances, expected.hypotheses, strict=True)
    )
    assert [str(failure) for failure in result.failures] == [
        f"{cuts[3].id}: its audio cannot be read: /nowhere.wav: no such file"
    ]
    assert result.rates.utterances == len(complete)
    assert to_json(result)["failures"] == [str(result.failures[0])]


def test_recordings_that_are_all_missing_are_an_error(cuts: list):
    without_recording(cuts[0])
    with pytest.raises(CorpusError, match=r"nowhere\.wav: no such file"):
        evaluate(Recognizer(make_model()), CutSet([cuts[0]]))


def test_transcripts_without_words_are_refused(cuts: list):
    for cut in cuts:
        cut.supervisions[0].text = "..."
    with pytest.raises(CorpusError, match="nothing to compare"):
        evaluate(Recognizer(make_model()), CutSet(cuts))


def test_an_utterance_shorter_than_a_frame_has_no_text(cuts: list):
    cut = cuts[0].truncate(duration=0.01, preserve_id=True)
    cut.supervisions = cuts[0].supervisions
    assert evaluate(Recognizer(make_model()), CutSet([cut])).hypotheses == [""]
