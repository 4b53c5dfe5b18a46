from pathlib import Path

import pytest

from asr.corpus.cuts import load_cuts
from asr.corpus.prepare import prepare
from asr.errors import CorpusError
from tests.corpus.corpora import write_sound


def write_table(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_a_table_becomes_train_and_dev(tmp_path):
    for number in range(20):
        write_sound(tmp_path / "audio" / f"{number:02}.wav")
    write_table(tmp_path / "mine.tsv", [f"audio/{number:02}.wav\tText {number}" for number in range(20)])
    parts = prepare("tsv", tmp_path / "mine.tsv", tmp_path / "out")
    assert {part: len(cuts) for part, cuts in parts.items()} == {"train": 18, "dev": 2}
    cut = load_cuts([tmp_path / "out" / "dev.jsonl.gz"])[1]
    assert (cut.id, cut.supervisions[0].text, cut.supervisions[0].speaker) == ("10", "Text 10", None)
    assert cut.load_audio().shape == (1, 4000)


def prepare_said(folder, said):
    """Prepare a table of recordings with these texts, and speakers."""
    for number in range(len(said)):
        write_sound(folder / f"{number:03}.wav")
    write_table(folder / "mine.tsv", [f"{number:03}.wav\t{line}" for number, line in enumerate(said)])
    return prepare("tsv", folder / "mine.tsv", folder / "out")


def test_of_ten_speakers_one_is_held_out(tmp_path):
    parts = prepare_said(tmp_path, [f"yes\tspeaker{number % 10}" for number in range(30)])
    assert {cut.supervisions[0].speaker for cut in parts["dev"]} == {"speaker0"}
    assert len(parts["dev"]) == 3


def test_a_sentence_that_is_said_twice_stays_on_one_side(tmp_path):
    said = [f"{'Sentence' if number < 22 else 'sentence,'} {number % 22}" for number in range(44)]
    parts = prepare_said(tmp_path, said)
    train, dev = ({cut.supervisions[0].text.split()[1] for cut in parts[part]} for part in ("train", "dev"))
    assert dev == {"0", "10", "20"}
    assert len(parts["dev"]) == 6
    assert not train & dev


@pytest.mark.parametrize(
    "texts",
    [
        [f"command {number % 12}" for number in range(120)],
        [f"digit {number % 10}" for number in range(30)],
        [f"digit {number % 10}" for number in range(200)],
        ["wake"] * 60 + list("abcdefg"),
    ],
)
def test_what_is_said_over_and_over_is_on_both_sides(tmp_path, texts):
    parts = prepare_said(tmp_path, texts)
    train, dev = ([cut.supervisions[0].text for cut in parts[part]] for part in ("train", "dev"))
    assert len(dev) == -(-len(texts) // 10)
    assert set(train) == set(texts)
    assert len(set(dev)) == min(len(dev), sum(texts.count(text) > 1 for text in set(texts)))


def test_each_table_of_a_folder_is_a_part_and_may_name_its_columns(tmp_path):
    for name in ("a/x.wav", "b/x.wav", "y.wav"):
        write_sound(tmp_path / name)
    write_table(tmp_path / "train.tsv", ["\ufeffspeaker\tage\ttext\tpath", "anna\t30\tyes\ta/x.wav", "\t\tno\tb/x.wav"])
    write_table(tmp_path / "test.tsv", [f"{tmp_path / 'y.wav'}\tpath\tspare"])
    parts = prepare("tsv", tmp_path, tmp_path / "out")
    assert sorted(parts) == ["test", "train"]
    first, second = parts["train"]
    # Two files are called x: only their paths tell them apart.
    assert (first.id, first.supervisions[0].speaker) == ("a/x.wav", "anna")
    assert (second.id, second.supervisions[0].speaker) == ("b/x.wav", None)
    assert [(cut.id, cut.supervisions[0].text) for cut in parts["test"]] == [("y", "path")]


def test_all_malformed_lines_are_listed_at_once(tmp_path):
    write_sound(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("no sound")
    lines = ["a.wav\tyes", "a.wav,no", "b.wav\tyes", "c.wav\tyes", *(f"{n}.wav\tyes" for n in range(9)), "a.wav\tagain"]
    write_table(tmp_path / "mine.tsv", lines)
    with pytest.raises(CorpusError) as raised:
        prepare("tsv", tmp_path / "mine.tsv", tmp_path / "out")
    lines_of_error = str(raised.value).splitlines()
    assert "mine.tsv:2: expected path<TAB>text, with a tab between them, found 'a.wav,no'" in lines_of_error[0]
    assert "mine.tsv:3: " in lines_of_error[1]
    assert "cannot be read" in lines_of_error[1]
    assert "mine.tsv:4: no such recording; looked for" in lines_of_error[2]
    assert lines_of_error[-1] == "... and 3 more"
    assert not (tmp_path / "out").exists()


def test_too_little_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"expected a table with lines `path<TAB>text`"):
        prepare("tsv", tmp_path, tmp_path / "out")
    write_sound(tmp_path / "a.wav")
    write_table(tmp_path / "mine.tsv", ["a.wav\tyes"])
    with pytest.raises(CorpusError, match="1 recordings: too few"):
        prepare("tsv", tmp_path / "mine.tsv", tmp_path / "out")
