"""The models that ship."""

from importlib.util import find_spec

import pytest

from asr.errors import AsrError
from asr.recognize.model_folder import list_models
from asr.recognize.recognizer import load_model


@pytest.mark.parametrize("name", sorted(list_models()))
def test_a_model_is_smaller_than_30_megabytes_with_all_that_it_holds(name: str):
    assert sum(path.stat().st_size for path in list_models()[name].rglob("*") if path.is_file()) < 30e6


def test_english_has_a_second_pass():
    assert load_model("english", device="cpu").decoder.rescorer is not None


def test_english_tells_its_data_licences_and_limits():
    card = (list_models()["english"] / "README.md").read_text(encoding="utf-8")
    for fact in ("training speech", "licence of the speech", "licence of the text", "speed", "## Limits", "children"):
        assert fact in card


def test_english_tiny_without_its_encoder_says_in_one_line_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("ASR_WHISPER", str(tmp_path))
    expected = (AsrError, "ASR_WHISPER") if find_spec("ctranslate2") else (ModuleNotFoundError, "extra `whisper`")
    with pytest.raises(expected[0], match=expected[1]) as error:
        load_model("english-tiny", device="cpu")
    assert "\n" not in str(error.value)
