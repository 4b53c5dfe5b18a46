"""From text files to a language model file."""

import io

import pytest
from rich.console import Console

from asr.cli.console import ConsoleReporter
from asr.config import NormalizerSettings
from asr.errors import ConfigError
from asr.jobs.language_models import build_language_model, measure_language_model
from asr.language.load import load_ngram

TEXT = "Yes, we can!\nNo: we can't.\nYes.\n"


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz", "lm.bin"])
def test_text_is_normalised_estimated_and_written(tmp_path, name):
    (tmp_path / "text").write_text(TEXT, encoding="utf-8")
    console = Console(file=io.StringIO())
    settings = {"order": 2, "prune": [0], "memory_bytes": 1 << 20, "reporter": ConsoleReporter(console)}
    build_language_model([tmp_path / "text"], tmp_path / name, unit="word", normalizer=NormalizerSettings(), **settings)
    assert set(load_ngram(tmp_path / name).words) == {"<unk>", "<s>", "</s>", "yes", "we", "can", "no", "can't"}
    assert "8 1-grams" in console.file.getvalue()
    measured = measure_language_model([tmp_path / "text"], tmp_path / name, unit="word", normalizer=None)
    assert (measured.num_words, measured.num_sentences) == (10, 3)
    assert measured.num_unknown == 5  # all but "we" bear capitals or marks


def test_characters_may_be_predicted_too(tmp_path):
    (tmp_path / "text").write_text(TEXT, encoding="utf-8")
    build_language_model(
        [tmp_path / "text"],
        tmp_path / "lm.bin",
        order=3,
        prune=[0],
        unit="char",
        normalizer=NormalizerSettings(),
        memory_bytes=1 << 20,
    )
    assert set(load_ngram(tmp_path / "lm.bin").words) == {"<unk>", "<s>", "</s>", "▁", *"yeswcanot'"}


def test_unknown_units_are_named(tmp_path):
    with pytest.raises(ConfigError, match="there are: word, char"):
        measure_language_model([], tmp_path, unit="syllable", normalizer=None)
