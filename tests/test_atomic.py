from pathlib import Path

import pytest

from asr.atomic import atomic_write, check_writable
from asr.errors import AsrError, one_line


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as partial:
            partial.write_text("half")
            assert (partial.suffix, path.read_text()) == (".txt", "old")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_folders_are_created_and_the_new_file_replaces_the_old(tmp_path: Path):
    path = tmp_path / "new" / "a.txt"
    for text in ("first", "second"):
        with atomic_write(path) as partial:
            partial.write_text(text)
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(AsrError, match="file/a: cannot be written: "), atomic_write(tmp_path / "file" / "a"):
        pass
    with pytest.raises(AsrError, match="file/a: cannot be written: "):
        check_writable(tmp_path / "file" / "a")
    with pytest.raises(AsrError, match="cannot be written: it is a folder"):
        check_writable(tmp_path)
    check_writable(tmp_path / "new" / "a")
    assert list((tmp_path / "new").iterdir()) == []


def test_messages_of_other_libraries_fit_on_one_line():
    assert one_line(ValueError("two\n  lines")) == "two lines"
    assert one_line(ValueError()) == "ValueError"
    assert len(one_line(ValueError("x" * 1000))) == 300
