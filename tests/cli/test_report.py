"""The report of `asr evaluate` for people, and what the command does before and after the work."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from asr.cli import training
from asr.cli.report import print_report
from asr.corpus.cuts import load_cuts
from asr.errors import ModelError
from asr.evaluate.evaluate import Evaluation, Warned, evaluate
from asr.evaluate.reliability import measure_reliability
from asr.evaluate.wer import score_utterances
from asr.recognize.model_folder import save_model
from asr.recognize.recognizer import load_model
from tests.recognize.test_recognizer import make_model


def evaluate_texts(references: list[str], hypotheses: list[str]) -> Evaluation:
    names = [f"u{number}" for number in range(1, len(references) + 1)]
    return Evaluation(names, references, hypotheses, score_utterances(references, hypotheses), 0.25)


@pytest.fixture
def evaluation() -> Evaluation:
    return evaluate_texts(["the cat sat", "on the mat", "stop [now]"], ["the cat sat", "a cat", "stop [now] please"])


def report_of(evaluation: Evaluation, worst: int = 5) -> str:
    console = Console(record=True, width=100)
    print_report(evaluation, console, worst=worst)
    return console.export_text()


def test_the_report_shows_the_worst_first_and_leaves_out_the_faultless(evaluation):
    text = report_of(evaluation)
    assert "50.00%" in text
    assert "real-time factor 0.250" in text
    assert text.index("u2: 3 errors in 3 words") < text.index("u3: 1 errors in 2 words")
    assert "u1" not in text
    assert "stop [now] please" in text  # brackets are no markup


def test_utterances_of_low_confidence_throughout_are_counted(evaluation):
    assert "low confidence" not in report_of(evaluation)
    text = report_of(replace(evaluation, warned=Warned(judged=20, unfamiliar=3)))
    assert "low confidence throughout: 3 of 20 utterances of 8 words or more" in text


def test_no_utterances_are_shown_if_none_are_asked_for(evaluation):
    assert "u2" not in report_of(evaluation, worst=0)


def test_equal_words_stand_below_each_other():
    lines = report_of(evaluate_texts(["the cat sat down", "a b"], ["the dog sat", "a long b"])).splitlines()
    assert [line.rstrip() for line in lines if line.startswith(("  ref:", "  hyp:"))] == [
        "  ref: the cat sat down",
        "  hyp: the dog sat ****",
        "  ref: a **** b",
        "  hyp: a long b",
    ]


def test_the_best_of_several_hypotheses_is_shown_separately(evaluation):
    best = replace(evaluation, oracle=score_utterances(evaluation.references, evaluation.references))
    assert "word error rate of the best hypotheses: 0.00%" in report_of(best, worst=0)
    assert "best hypotheses" not in report_of(evaluation, worst=0)


def test_confidences_are_shown_if_there_are_any(evaluation):
    calibrated = replace(evaluation, reliability=measure_reliability([0.9, 0.8], [True, False]))
    assert "85.0% on average, 50.0% are right; expected calibration error 45.00%" in report_of(calibrated)


def test_references_and_hypotheses_are_written_one_utterance_per_line(tone_manifests: Path, tmp_path: Path):
    save_model(make_model(), tmp_path / "model")
    manifest = tone_manifests / "dev.jsonl.gz"
    training.evaluate([manifest], model=str(tmp_path / "model"), device="cpu", texts=tmp_path / "texts.tsv")
    rows = [line.split("\t") for line in (tmp_path / "texts.tsv").read_text(encoding="utf-8").splitlines()]
    evaluation = evaluate(load_model(tmp_path / "model", device="cpu"), load_cuts([manifest]))
    hypotheses = dict(zip(evaluation.utterances, evaluation.hypotheses, strict=True))
    assert rows == [
        [cut.id, cut.supervisions[0].text, hypotheses[cut.id]]
        for cut in sorted(load_cuts([manifest]), key=lambda cut: cut.id)
    ]


def test_a_plot_without_confidences_is_refused_before_the_work(tmp_path: Path):
    save_model(make_model(), tmp_path / "model")
    options = {"model": str(tmp_path / "model"), "device": "cpu", "reliability": tmp_path / "a.png"}
    with pytest.raises(ModelError, match="asr calibrate"):
        training.evaluate([tmp_path / "none.jsonl.gz"], **options)
