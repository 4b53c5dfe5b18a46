import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.corpus.cuts import load_cuts, read_waveform
from asr.corpus.doctor import diagnose
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


def make_call(path: Path, sides: Sequence[float] = (440.0, 880.0)) -> Path:
    """Write one second of a recording with a tone a channel."""
    times = np.arange(16000) / 16000
    soundfile.write(path, np.stack([0.1 * np.sin(2 * np.pi * hertz * times) for hertz in sides], axis=1), 16000)
    return path


def pitch(waveform: np.ndarray) -> int:
    return int(np.abs(np.fft.rfft(waveform, 16000)).argmax())


def test_segments_of_kaldi_and_tables_say_their_channel(tmp_path: Path):
    make_call(tmp_path / "call.wav")
    (tmp_path / "text").write_text("a one\nb two\nc three\n")
    (tmp_path / "wav.scp").write_text("call call.wav\n")
    (tmp_path / "segments").write_text("a call 0 1 0\nb call 0 1 1\nc call 0 1\n")
    cuts = prepare("kaldi", tmp_path, tmp_path / "out")["all"]
    pitches = [pitch(read_waveform(cut, 16000)) for cut in cuts]
    assert pitches[:2] == [440, 880]
    assert pitches[2] in (440, 880)  # both
    with pytest.raises(CorpusError, match="c: its recording has 2 channels, and nothing says in which"):
        prepare("kaldi", tmp_path, tmp_path / "out", channel="each")
    (tmp_path / "t.tsv").write_text("path\ttext\tchannel\ncall.wav\tone\t1\n")
    make_call(tmp_path / "other.wav", (220.0, 330.0))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "test.tsv").write_text("path\ttext\tchannel\n../call.wav\tone\t1\n../other.wav\ttwo\t\n")
    cuts = prepare("tsv", tmp_path / "parts", tmp_path / "out", channel=0)["test"]
    assert [pitch(read_waveform(cut, 16000)) for cut in cuts] == [880, 220]
    with pytest.raises(CorpusError, match="has 2 channels, from 0, but no 2"):
        prepare("tsv", tmp_path / "parts", tmp_path / "out", channel=2)


def test_manifests_hold_the_lengths_of_the_sound_that_is_read(tmp_path: Path):
    samples = 0.1 * np.random.default_rng(0).standard_normal(2 * 16000)
    soundfile.write(tmp_path / "crashed.wav", samples, 16000)
    content = bytearray((tmp_path / "crashed.wav").read_bytes())
    content[40:44] = struct.pack("<I", 16000)  # half a second
    (tmp_path / "crashed.wav").write_bytes(content)
    soundfile.write(tmp_path / "piped.flac", samples, 16000)
    content = bytearray((tmp_path / "piped.flac").read_bytes())
    content[22:26], content[21] = bytes(4), content[21] & 0xF0
    (tmp_path / "piped.flac").write_bytes(content)
    soundfile.write(tmp_path / "part.ogg", samples, 16000)
    (tmp_path / "chained.ogg").write_bytes(2 * (tmp_path / "part.ogg").read_bytes())
    (tmp_path / "parts").mkdir()
    soundfile.write(tmp_path / "sphere.sph", samples, 16000, format="NIST", subtype="PCM_16")
    names = ["crashed.wav", "piped.flac", "chained.ogg", "sphere.sph"]
    (tmp_path / "parts" / "test.tsv").write_text("".join(f"../{name}\thello\n" for name in names))
    prepare("tsv", tmp_path / "parts", tmp_path / "out")
    cuts = list(load_cuts([tmp_path / "out" / "test.jsonl.gz"]))
    assert [cut.duration for cut in cuts] == [2.0, 2.0, 4.0, 2.0]
    assert [len(read_waveform(cut, 16000)) for cut in cuts] == [32000, 32000, 64000, 32000]
    assert diagnose([tmp_path / "out" / "test.jsonl.gz"]) == []
