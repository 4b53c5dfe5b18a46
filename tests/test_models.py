"""The models that ship."""

import pytest

from asr.recognize.model_folder import list_models
from asr.recognize.recognizer import load_model


@pytest.mark.parametrize("name", sorted(list_models()))
def test_a_model_is_smaller_than_25_megabytes_with_all_that_it_holds(name: str):
    assert sum(path.stat().st_size for path in list_models()[name].rglob("*") if path.is_file()) < 25e6


def test_english_has_a_second_pass():
    assert load_model("english", device="cpu").decoder.rescorer is not None


def test_english_tells_its_data_licences_and_limits():
    card = (list_models()["english"] / "README.md").read_text(encoding="utf-8")
    for fact in ("training speech", "licence of the speech", "licence of the text", "speed", "## Limits", "children"):
        assert fact in card
