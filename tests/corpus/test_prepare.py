import pytest

from asr.corpus.cuts import load_cuts
from asr.corpus.prepare import list_corpora, prepare
from asr.errors import CorpusError
from tests.corpus.corpora import write_sound


def test_lhotse_knows_more_corpora(tmp_path):
    corpora = list_corpora()
    assert list(corpora)[:3] == ["an4", "kaldi", "tsv"]
    assert {"librispeech", "tedlium", "yesno"} <= set(corpora)
    assert all(description and "\n" not in description for description in corpora.values())
    for number in range(60):
        bits = "_".join(f"{number:08b}")
        write_sound(tmp_path / "waves_yesno" / f"{bits}.wav")
    parts = prepare("yesno", tmp_path / "waves_yesno", tmp_path / "out")
    assert {part: len(cuts) for part, cuts in parts.items()} == {"train": 30, "test": 30}
    cut = load_cuts([tmp_path / "out" / "test.jsonl.gz"])[0]
    assert cut.supervisions[0].text == "NO NO NO NO NO NO NO YES"
    assert cut.id == cut.supervisions[0].id
    assert cut.load_audio().shape == (1, 4000)


def test_a_corpus_that_lhotse_cannot_prepare_is_an_error_of_ours(tmp_path):
    with pytest.raises(CorpusError, match="no corpus 'klingon'; there are: an4, kaldi, tsv,"):
        prepare("klingon", tmp_path, tmp_path / "out")
    with pytest.raises(CorpusError, match="lhotse's recipe for yesno failed"):
        prepare("yesno", tmp_path, tmp_path / "out")
    with pytest.raises(CorpusError, match="expected the folder of the corpus yesno"):
        prepare("yesno", tmp_path / "none", tmp_path / "out")


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("name", "folder", "sizes"),
    [
        ("an4", "an4", {"train": 875, "dev": 73, "test": 130}),
        ("kaldi", "kathleen", {"train": 1535, "dev": 85}),
        ("kaldi", "librispeech-dev-clean-half", {"train": 1057, "dev": 256}),
        ("kaldi", "ljspeech-part", {"train": 385}),
        ("kaldi", "speechocean762", {"train": 2500, "test": 2500}),
    ],
)
def test_real_corpora_are_prepared_and_read(corpora, tmp_path, name, folder, sizes):
    parts = prepare(name, corpora / folder, tmp_path)
    assert {part: len(cuts) for part, cuts in parts.items()} == sizes
    for part in sizes:
        cut = load_cuts([tmp_path / f"{part}.jsonl.gz"])[0]
        assert cut.load_audio().shape == (1, cut.num_samples)
