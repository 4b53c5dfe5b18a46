"""Text files: compression, units, and weights against a file that holds its text several times."""

import gzip
import lzma
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from asr.errors import ConfigError, TextError
from asr.language.ngram.kneser_ney import estimate
from asr.language.text_files import parse_weighted_text, read_sentences, read_text
from tests.language.rnn.rnn_models import make_model


def test_text_files_may_be_compressed_and_split_into_characters(tmp_path):
    (tmp_path / "a.txt").write_text("one two\n\n three \n", encoding="utf-8")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"four\n"))
    (tmp_path / "c.xz").write_bytes(lzma.compress(b"five\n"))
    paths = [tmp_path / name for name in ("a.txt", "b.gz", "c.xz")]
    assert list(read_sentences(paths)) == [["one", "two"], ["three"], ["four"], ["five"]]
    assert next(iter(read_sentences(paths[:1], "char"))) == ["o", "n", "e", "▁", "t", "w", "o"]


def test_bad_texts_are_named(tmp_path):
    (tmp_path / "marked.txt").write_text("fine\n<s> not fine\n", encoding="utf-8")
    with pytest.raises(TextError, match=r"marked\.txt:2: <s> and </s>"):
        list(read_sentences([tmp_path / "marked.txt"]))
    (tmp_path / "latin.txt").write_bytes("caf\xe9\n".encode("latin-1"))
    with pytest.raises(TextError, match="not UTF-8"):
        list(read_sentences([tmp_path / "latin.txt"]))
    with pytest.raises(TextError, match="cannot be read"):
        list(read_sentences([tmp_path / "missing.txt"]))
    content = bytearray(gzip.compress(b"some text\n" * 100))
    content[12:20] = bytes(8)
    (tmp_path / "corrupt.gz").write_bytes(content)
    with pytest.raises(TextError, match=r"corrupt\.gz: cannot be read"):
        list(read_sentences([tmp_path / "corrupt.gz"]))


def test_a_weight_counts_like_writing_the_text_so_often(tmp_path):
    lines, others = "a b a\nb c\n", "c a b\nd\n"
    (tmp_path / "few.txt").write_text(lines, encoding="utf-8")
    (tmp_path / "many.txt").write_text(others, encoding="utf-8")
    (tmp_path / "repeated.txt").write_text(lines * 8 + others, encoding="utf-8")
    weighted = [f"{tmp_path / 'few.txt'}:8", tmp_path / "many.txt"]
    repeated = [tmp_path / "repeated.txt"]
    assert Counter(map(tuple, read_sentences(weighted))) == Counter(map(tuple, read_sentences(repeated)))
    with (
        estimate(lambda: read_sentences(weighted), 3) as tables,
        estimate(lambda: read_sentences(repeated), 3) as expected,
    ):
        assert tables.words == expected.words
        for table, expected_table in zip(tables.orders, expected.orders, strict=True):
            for array, expected_array in zip(table, expected_table, strict=True):
                np.testing.assert_array_equal(array, expected_array)


def test_a_weight_is_a_whole_number_of_one_or_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").touch()
    assert parse_weighted_text(Path("text.txt")) == (Path("text.txt"), 1)
    assert parse_weighted_text(Path("text.txt:8")) == (Path("text.txt"), 8)
    for weight in ("0", "-1", "2.5", "x", "", "²", "٣"):
        with pytest.raises(ConfigError, match=r"text\.txt:.*: the weight is .*expected a whole number of 1 or more"):
            parse_weighted_text(f"text.txt:{weight}")


def test_a_file_whose_name_ends_like_a_weight_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in (("text.txt", "no"), ("text.txt:8", "yes"), ("text.txt:8:2", "perhaps")):
        Path(name).write_text(content, encoding="utf-8")
    assert list(read_sentences(["text.txt:8"])) == [["yes"]]
    assert list(read_sentences(["text.txt:8:2"])) == [["perhaps"]]
    assert list(read_sentences(["text.txt:8:3"])) == [["yes"]] * 3
    with pytest.raises(TextError, match=r"missing\.txt: cannot be read"):
        list(read_sentences(["missing.txt:8"]))
    with pytest.raises(TextError, match=r"12:30\.txt: cannot be read"):
        list(read_sentences(["12:30.txt"]))


def test_text_as_it_is_keeps_all_but_other_white_space(tmp_path: Path):
    (tmp_path / "text").write_bytes("A\tb\r\n\n c\u00a0\n".encode())
    assert read_text([tmp_path / "text"], make_model(lines="continuous").settings) == ["A b", "", " c "]


@pytest.mark.parametrize("lines", ["sentences", "continuous"])
def test_a_weight_repeats_the_text_for_networks(tmp_path, lines):
    text = "a b\n\nc\n"
    (tmp_path / "once.txt").write_text(text, encoding="utf-8")
    (tmp_path / "repeated.txt").write_text(text * 3, encoding="utf-8")
    settings = make_model(lines=lines).settings
    assert read_text([f"{tmp_path / 'once.txt'}:3"], settings) == read_text([tmp_path / "repeated.txt"], settings)
