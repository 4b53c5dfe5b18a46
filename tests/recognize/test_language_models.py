"""The language models of a model folder."""

from asr.language.load import load_ngram
from asr.language.ngram.binary import write_binary
from asr.recognize.language_models import save_language_model
from tests.recognize.test_options import write_lm


def test_a_compact_language_model_stays_compact(tmp_path):
    write_lm(tmp_path / "whole.bin")
    write_binary(load_ngram(tmp_path / "whole.bin"), tmp_path / "small.bin", compact=True)
    save_language_model(load_ngram(tmp_path / "small.bin"), tmp_path / "small.bin", tmp_path)
    assert (tmp_path / "lm.bin").read_bytes() == (tmp_path / "small.bin").read_bytes()
