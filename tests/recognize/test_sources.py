from pathlib import Path

from asr.recognize.sources import find_audio


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_folders_are_searched_and_files_taken_as_they_are(tmp_path: Path):
    deep = touch(tmp_path / "in" / "b" / "x.WAV")
    near = touch(tmp_path / "in" / "a.opus")
    touch(tmp_path / "in" / "notes.txt")
    touch(tmp_path / "in" / ".hidden.wav")
    odd = touch(tmp_path / "odd.bin")
    files, errors = find_audio([odd, tmp_path / "in", near])
    assert files == [odd, near, deep]
    assert errors == []


def test_what_is_missing_or_empty_is_told_and_the_rest_goes_on(tmp_path: Path):
    good = touch(tmp_path / "good.wav")
    (tmp_path / "empty").mkdir()
    files, errors = find_audio([tmp_path / "none.wav", tmp_path / "empty", good])
    assert files == [good]
    assert [str(error).split(":")[0] for error in errors] == [str(tmp_path / "none.wav"), str(tmp_path / "empty")]
    assert ".flac" in str(errors[1])


def test_a_path_that_cannot_be_looked_at_is_left_to_the_reader(tmp_path: Path):
    too_long = tmp_path / ("a" * 300 + ".wav")  # stat fails with ENAMETOOLONG
    assert find_audio([too_long]) == ([too_long], [])
