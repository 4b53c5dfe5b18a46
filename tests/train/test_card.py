from pathlib import Path

from asr.evaluate.report import CARD
from asr.train.card import _describe_base


def test_the_card_names_the_training_speech_of_the_base(tmp_path: Path):
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.yaml").touch()
    assert _describe_base(str(base)) == {"begun from": "`base`, whose card does not name its training speech"}
    (base / CARD).write_text(
        "# base\n\n| | |\n| --- | --- |\n| training speech | ours: 3 utterances |\n| licence of the speech | CC0 |\n"
    )
    assert _describe_base(str(base)) == {"begun from": "`base` (ours: 3 utterances; CC0)"}
    assert "CMU's notice" in _describe_base("an4")["begun from"]
    assert _describe_base(None) == {}
