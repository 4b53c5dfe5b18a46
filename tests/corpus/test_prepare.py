import pytest

from asr.corpus.cuts import load_cuts
from asr.corpus.prepare import prepare


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
