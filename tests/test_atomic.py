import os
from pathlib import Path

import pytest

from asr.atomic import atomic_write, check_writable, write_text
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


@pytest.mark.parametrize(
    "name", ["a.txt", "日" * 82 + ".txt", "x" * 251 + ".txt", "x" * 255, "x" * 240 + ".jsonl.gz", "a." + "b" * 250]
)
def test_partial_files_have_names_that_the_file_system_takes(tmp_path: Path, name: str):
    path = tmp_path / name
    with atomic_write(path) as partial:
        partial.write_text("new")
        assert len(os.fsencode(partial.name)) <= max(110, len(os.fsencode(name)))
        if len(path.suffix) < 10:
            assert partial.name.endswith("".join(path.suffixes[-2:]))
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "new")]
    with atomic_write(path.with_name(f"b{name[1:]}")) as other:
        assert other.name != partial.name
        other.touch()


def test_files_are_flushed_through_a_descriptor_that_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As Windows requires."""
    flushed = []

    def fsync(descriptor: int) -> None:
        assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        flushed.append(descriptor)

    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "a.txt", "text")
    assert len(flushed) == 1
