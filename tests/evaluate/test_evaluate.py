"""Scoring a model on cuts: what can be wrong with them is told, by name."""

from pathlib import Path

import pytest
from lhotse import CutSet
from rich.console import Console

from asr.corpus.cuts import load_cuts
from asr.errors import CorpusError
from asr.evaluate.evaluate import evaluate, evaluate_model
from asr.recognize.model_folder import save_model
from asr.recognize.recognizer import Recognizer, load_model
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


@pytest.mark.parametrize("spoil", [without_text, without_supervision, without_recording])
def test_an_utterance_that_cannot_be_scored_is_named(cuts: list, spoil):
    spoil(cuts[3])
    with pytest.raises(CorpusError, match=f"^{cuts[3].id}: "):
        evaluate(Recognizer(make_model()), CutSet(cuts))


def test_what_was_said_and_heard_is_written_a_line_each(tone_manifests: Path, tmp_path: Path):
    save_model(make_model(), tmp_path / "model")
    manifest = tone_manifests / "dev.jsonl.gz"
    evaluate_model(
        [manifest],
        model=str(tmp_path / "model"),
        device="cpu",
        console=Console(quiet=True),
        json=None,
        worst=0,
        add_to_card=None,
        texts=tmp_path / "texts.tsv",
    )
    rows = [line.split("\t") for line in (tmp_path / "texts.tsv").read_text(encoding="utf-8").splitlines()]
    evaluation = evaluate(load_model(tmp_path / "model", device="cpu"), load_cuts([manifest]))
    heard = dict(zip(evaluation.utterances, evaluation.hypotheses, strict=True))
    assert rows == [
        [cut.id, cut.supervisions[0].text, heard[cut.id]]
        for cut in sorted(load_cuts([manifest]), key=lambda cut: cut.id)
    ]


def test_nothing_to_compare_with_is_told(cuts: list):
    for cut in cuts:
        cut.supervisions[0].text = "..."
    with pytest.raises(CorpusError, match="nothing to compare"):
        evaluate(Recognizer(make_model()), CutSet(cuts))


def test_an_utterance_shorter_than_a_frame_has_no_text(cuts: list):
    cut = cuts[0].truncate(duration=0.01, preserve_id=True)
    cut.supervisions = cuts[0].supervisions
    assert evaluate(Recognizer(make_model()), CutSet([cut])).hypotheses == [""]
