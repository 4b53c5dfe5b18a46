"""Lines of text files, against what Python's own text files hold."""

import gzip
import lzma

import pytest

from asr.errors import CorpusError, TextError
from asr.files import open_text, read_lines

LINES = ["one", "", "zwei ä", "three\u2028still three", "\ttab "]


@pytest.mark.parametrize(
    ("name", "opener"), [("a.txt", open), ("a.gz", gzip.open), ("a.xz", lzma.open), ("a.b.gz", gzip.open)]
)
def test_files_are_compressed_by_their_names(tmp_path, name, opener):
    with opener(tmp_path / name, "wt", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(LINES))
    assert list(read_lines(tmp_path / name)) == LINES
    with open_text(tmp_path / f"copy-{name}") as file:
        file.writelines(f"{line}\n" for line in LINES)
    with opener(tmp_path / f"copy-{name}", "rt", encoding="utf-8", newline="\n") as file:
        assert file.read() == "\n".join(LINES) + "\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_and_line_breaks_of_any_kind_are_no_text(tmp_path, end):
    path = tmp_path / "a.txt"
    path.write_bytes(f"\ufeffone{end}two{end}three".encode())
    assert list(read_lines(path)) == path.read_text(encoding="utf-8-sig").splitlines() == ["one", "two", "three"]


def test_what_cannot_be_read_is_named_with_the_line(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(CorpusError, match=r"latin\.txt:2: not UTF-8 text.*save it as UTF-8"):
        list(read_lines(tmp_path / "latin.txt", CorpusError))
    assert list(read_lines(tmp_path / "latin.txt", errors="surrogateescape")) == ["fine", "caf\udce9"]
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"some text\n" * 100)[:-9])
    (tmp_path / "cut.xz").write_bytes(lzma.compress(b"some text\n" * 100)[:-9])
    for name in ("missing.txt", "cut.gz", "cut.xz"):
        with pytest.raises(TextError, match=rf"{name}: cannot be read: .*; do this"):
            list(read_lines(tmp_path / name, hint="; do this"))
