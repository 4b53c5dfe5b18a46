import json
from dataclasses import replace
from pathlib import Path

import pytest

from asr.evaluate.evaluate import Evaluation, Warned
from asr.evaluate.reliability import measure_reliability
from asr.evaluate.report import CARD, TABLE, add_result, to_json, write_json
from asr.evaluate.wer import score_utterances


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


def test_the_best_of_several_hypotheses_is_given_if_there_are_several(evaluation):
    best = replace(evaluation, oracle=score_utterances(evaluation.references, evaluation.references))
    assert to_json(best)["oracle_wer"] == 0
    assert "oracle_wer" not in to_json(evaluation)


def test_confidences_are_given_if_there_are_any(evaluation):
    assert "confidence" not in to_json(evaluation)
    calibrated = replace(evaluation, reliability=measure_reliability([0.9, 0.8], [True, False]))
    confidence = to_json(calibrated)["confidence"]
    assert confidence["ece"] == pytest.approx(0.45)
    assert confidence["bins"] == [[1, 0.8, 0.0], [1, 0.9, 1.0]]
    warned = replace(calibrated, warned=Warned(judged=20, unfamiliar=3))
    assert to_json(warned)["warned"] == {"judged": 20, "unfamiliar": 3}
    assert "warned" not in to_json(calibrated)


def test_results_are_added_and_replaced_by_name(tmp_path: Path):
    card = tmp_path / CARD
    card.write_text(f"before\n\n{TABLE}\n## Limits\n\nafter\n")
    bad, good = score_utterances(["a b"], ["a"]), score_utterances(["a b"], ["a b"])
    add_result(tmp_path, "test", bad)
    add_result(tmp_path, "other", good)
    add_result(tmp_path, "test", good)
    text = card.read_text()
    assert text.startswith("before\n\n" + TABLE)
    assert text.endswith("\n\n## Limits\n\nafter\n")
    rows = [line for line in text.splitlines() if line.startswith(("| test", "| other"))]
    assert len(rows) == 2
    assert all("| 0.00% |" in row for row in rows)


def test_a_card_of_before_calibration_takes_results(tmp_path: Path):
    card = tmp_path / CARD
    head = "| speech | utterances | words | WER | 95 % interval | CER |\n| --- | --- | --- | --- | --- | --- |\n"
    row = "| old | 1 | 2 | 50.00% | 0.00% to 100.00% | 33.33% |"
    card.write_text(f"before\n\n{head}{row}\n\nafter\n")
    add_result(tmp_path, "new", score_utterances(["a b"], ["a b"]))
    table = [line for line in card.read_text().splitlines() if line.startswith("|")]
    assert table[2] == row + "  |"
    assert {line.count("|") for line in table} == {8}
