"""The binary form, whole and broken."""

import pytest

from asr.errors import ModelError
from asr.language.binary import is_binary, read_binary, write_binary
from asr.language.ngram import NgramModel, load_ngram
from tests.language.test_ngram import hand_made


@pytest.fixture
def path(tmp_path):
    write_binary(NgramModel.from_tables(hand_made()), tmp_path / "lm.bin")
    return tmp_path / "lm.bin"


def test_arrays_are_mapped_not_copied(path):
    model = read_binary(path)
    assert is_binary(path)
    assert all(not array.flags.owndata and array.flags.aligned and array.flags.writeable for array in model.automaton)


@pytest.mark.parametrize("kept", [9, 40, 500, -1])
def test_truncated_files_are_refused(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"broken|cut short"):
        load_ngram(path)


def test_a_changed_header_is_refused(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"version": 1', b'"version": 9', 1))
    with pytest.raises(ModelError, match="version 9 of the format; this program reads 1"):
        load_ngram(path)
    path.write_bytes(content.replace(b'"suffix"', b'"surfix"', 1))
    with pytest.raises(ModelError, match="broken"):
        load_ngram(path)
