"""Recurrent language models on disk."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from asr.errors import ModelError
from asr.language.rnn.folder import load_rnn, save_rnn
from asr.language.rnn.likelihood import measure_rnn
from asr.model_files import WEIGHTS_FILE
from tests.language.rnn.rnn_models import make_model

SENTENCES = ["ab", "", "b a b", "aaaabbbb ab", "a"]


def test_what_is_saved_says_the_same_when_loaded(tmp_path: Path):
    model = make_model(tied=True)
    model.network.half().float()
    save_rnn(model, tmp_path / "lm")
    loaded = load_rnn(tmp_path / "lm")
    np.testing.assert_allclose(loaded.score_sentences(SENTENCES), model.score_sentences(SENTENCES), rtol=1e-6)
    assert loaded.settings == model.settings
    (tmp_path / "text").write_text("ab\n\n b  a\n")
    assert measure_rnn([tmp_path / "text"], load_rnn(tmp_path / "lm")).num_lines == 2


def test_a_file_is_no_model_folder(tmp_path: Path):
    (tmp_path / "lm.arpa").touch()
    with pytest.raises(ModelError, match=r"lm\.arpa: a file; .* is a folder"):
        load_rnn(tmp_path / "lm.arpa")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / WEIGHTS_FILE).write_bytes(b"no"), "cannot be read"),
        (lambda folder: (folder / WEIGHTS_FILE).unlink(), "cannot be read"),
        (lambda folder: (folder / "tokens.txt").write_text("<blank>\na\n"), "does not fit"),
        (lambda folder: (folder / "config.yaml").write_text("network: {depth: 3}"), "no such setting"),
        (lambda folder: (folder / "config.yaml").write_text("features: {}"), "no such setting"),
    ],
)
def test_a_broken_folder_is_named(tmp_path: Path, damage, message: str):
    save_rnn(make_model(), tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelError, match=message):
        load_rnn(tmp_path)


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path):
    model = make_model()
    with torch.no_grad():
        model.network.head_bias[0] = math.nan
    with pytest.raises(ModelError, match="head_bias"):
        save_rnn(model, tmp_path / "lm")
    assert not (tmp_path / "lm").exists()
