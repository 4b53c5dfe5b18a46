from pathlib import Path

from asr.evaluate.card import CARD, TABLE, add_result
from asr.evaluate.wer import score_utterances


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
