from pathlib import Path

from asr.evaluate.wer import score_utterances
from asr.train.card import _TABLE, CARD, _describe_base, add_result


def test_results_are_added_and_replaced_by_name(tmp_path: Path):
    card = tmp_path / CARD
    card.write_text(f"before\n\n{_TABLE}\n## Limits\n\nafter\n")
    bad, good = score_utterances(["a b"], ["a"]), score_utterances(["a b"], ["a b"])
    add_result(tmp_path, "test", bad)
    add_result(tmp_path, "other", good)
    add_result(tmp_path, "test", good)
    text = card.read_text()
    assert text.startswith("before\n\n" + _TABLE)
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


def test_a_model_begun_from_another_tells_what_that_had_heard(tmp_path: Path):
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.yaml").touch()
    assert _describe_base(str(base)) == {"begun from": "`base`, which tells nothing of its speech"}
    (base / CARD).write_text(
        "# base\n\n| | |\n| --- | --- |\n| training speech | ours: 3 utterances |\n| licence of the speech | CC0 |\n"
    )
    assert _describe_base(str(base)) == {"begun from": "`base` (ours: 3 utterances; CC0)"}
    assert "CMU's notice" in _describe_base("an4")["begun from"]
    assert _describe_base(None) == {}
