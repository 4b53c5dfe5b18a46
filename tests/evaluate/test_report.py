import json
from dataclasses import dataclass, replace

import pytest
from rich.console import Console

from asr.evaluate.reliability import Reliability, measure_reliability
from asr.evaluate.report import align, print_report, to_json, write_json
from asr.evaluate.wer import ErrorRates, score_utterances


@dataclass(frozen=True)
class Evaluation:
    utterances: list[str]
    references: list[str]
    hypotheses: list[str]
    rates: ErrorRates
    real_time_factor: float
    oracle: ErrorRates | None = None
    reliability: Reliability | None = None


@pytest.fixture
def evaluation() -> Evaluation:
    references = ["the cat sat", "on the mat", "stop [now]"]
    hypotheses = ["the cat sat", "a cat", "stop [now] please"]
    return Evaluation(["u1", "u2", "u3"], references, hypotheses, score_utterances(references, hypotheses), 0.25)


def test_json_holds_rates_as_fractions(evaluation, tmp_path):
    path = tmp_path / "made" / "result.json"
    write_json(path, to_json(evaluation))
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["wer"] == pytest.approx(4 / 8)
    assert result["words"] == 8
    assert result["utterances"] == 3
    assert result["word_edits"] == {"substitutions": 2, "deletions": 1, "insertions": 1}
    assert result["real_time_factor"] == 0.25
    assert 0 <= result["wer_interval"][0] <= result["wer"] <= result["wer_interval"][1]
    assert {"cer", "characters", "character_edits"} <= set(result)
    assert [p.name for p in path.parent.iterdir()] == ["result.json"]


def test_a_failed_write_leaves_the_old_result(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"wer": 0.5})
    with pytest.raises(TypeError):
        write_json(path, {"wer": object()})
    assert json.loads(path.read_text()) == {"wer": 0.5}
    assert len(list(tmp_path.iterdir())) == 1


def test_the_report_shows_the_worst_first_and_leaves_out_the_faultless(evaluation):
    console = Console(record=True, width=100)
    print_report(evaluation, console, worst=5)
    text = console.export_text()
    assert "50.00%" in text
    assert "real-time factor 0.250" in text
    assert text.index("u2: 3 errors in 3 words") < text.index("u3: 1 errors in 2 words")
    assert "u1" not in text
    assert "stop [now] please" in text  # brackets are no markup


def test_no_utterances_are_shown_where_none_are_wanted(evaluation):
    console = Console(record=True, width=100)
    print_report(evaluation, console, worst=0)
    assert "u2" not in console.export_text()


def test_equal_words_stand_below_each_other():
    above, below = align("the cat sat down", "the dog sat")
    assert above.plain == "  said: the cat sat down "
    assert below.plain == " heard: the dog sat **** "
    above, below = align("a b", "a long b")
    assert above.plain == "  said: a **** b "
    assert below.plain == " heard: a long b "


def test_the_best_of_several_readings_is_told_apart(evaluation):
    console = Console(record=True, width=100)
    best = replace(evaluation, oracle=score_utterances(evaluation.references, evaluation.references))
    print_report(best, console, worst=0)
    assert "word error rate of the best readings: 0.00%" in console.export_text()
    assert to_json(best)["oracle_wer"] == 0
    assert "oracle_wer" not in to_json(evaluation)


def test_confidences_are_told_where_there_are_any(evaluation):
    assert "confidence" not in to_json(evaluation)
    known = replace(evaluation, reliability=measure_reliability([0.9, 0.8], [True, False], bins=10))
    told = to_json(known)["confidence"]
    assert told["ece"] == pytest.approx(0.45)
    assert told["bins"] == [[1, 0.8, 0.0], [1, 0.9, 1.0]]
    console = Console(record=True, width=100)
    print_report(known, console)
    assert "85.0% on average, 50.0% are right; expected calibration error 45.00%" in console.export_text()
