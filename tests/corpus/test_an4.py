from pathlib import Path

import pytest

from asr.corpus.cuts import load_cuts
from asr.corpus.prepare import prepare
from asr.errors import CorpusError
from tests.corpus.corpora import write_sound


def write_an4(folder: Path, speakers: dict[str, list[str]], suffix: str = ".wav") -> None:
    (folder / "etc").mkdir(parents=True)
    for part, names in speakers.items():
        ids, lines = [], []
        for speaker in names:
            for number in (1, 2):
                name = f"an{number}-{speaker}-b"
                ids.append(f"an4_clstk/{speaker}/{name}")
                lines.append(f"<s> HELLO {speaker.upper()} </s> ({name})" if part == "train" else f"YES ({name})")
                write_sound(folder / "wav" / f"{ids[-1]}{suffix}")
        (folder / "etc" / f"an4_{part}.fileids").write_text("\n".join(ids) + "\n")
        (folder / "etc" / f"an4_{part}.transcription").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_an4_is_split_by_speaker(tmp_path, suffix):
    speakers = [f"{sex}{letter}" for sex in "fm" for letter in "abcdefgh"]
    write_an4(tmp_path / "an4", {"train": speakers, "test": ["fzz"]}, suffix)
    parts = prepare("an4", tmp_path / "an4", tmp_path / "out")
    assert {part: len(cuts) for part, cuts in parts.items()} == {"train": 28, "dev": 4, "test": 2}
    speakers = {part: {cut.supervisions[0].speaker for cut in cuts} for part, cuts in parts.items()}
    assert speakers["dev"] == {"fa", "mg"}  # the first and the fifteenth
    assert not speakers["dev"] & speakers["train"]
    cut = load_cuts([tmp_path / "out" / "dev.jsonl.gz"])[0]
    assert cut.id == "an1-fa-b"
    assert cut.supervisions[0].text == "HELLO FA"
    assert cut.supervisions[0].gender == "f"
    assert cut.load_audio().shape == (1, 4000)


def test_an4_names_the_line_that_is_wrong(tmp_path):
    write_an4(tmp_path, {"train": ["fa", "mb"], "test": ["fc"]})
    (tmp_path / "wav/an4_clstk/mb/an2-mb-b.wav").unlink()
    with pytest.raises(CorpusError, match=r"an4_train\.fileids:4: no such recording; looked for .*an2-mb-b\.wav"):
        prepare("an4", tmp_path, tmp_path / "out")
    transcription = tmp_path / "etc/an4_train.transcription"
    transcription.write_text("<s> HELLO </s> (an1-fa-b)\n<s> HELLO </s>\n")
    with pytest.raises(CorpusError, match=r"an4_train\.transcription:2: expected `TEXT \(utterance\)`"):
        prepare("an4", tmp_path, tmp_path / "out")
    transcription.write_text("<s> HELLO </s> (an1-fa-b)\n")
    with pytest.raises(CorpusError, match=r"fileids:2: an2-fa-b has no transcript"):
        prepare("an4", tmp_path, tmp_path / "out")
    with pytest.raises(CorpusError, match=r"an4_train\.transcription: cannot be read: No such file"):
        prepare("an4", tmp_path / "wav", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.corpora
def test_an4_dev_has_both_sexes(corpora, tmp_path):
    parts = prepare("an4", corpora / "an4", tmp_path)
    assert {cut.supervisions[0].gender for cut in parts["dev"]} == {"f", "m"}
    assert sum(len(cut.supervisions[0].text.split()) for cut in parts["test"]) == 773
