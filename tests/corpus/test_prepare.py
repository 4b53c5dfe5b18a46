import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import RecordingSet

from asr.corpus.prepare import list_corpora, load_cuts, prepare, prepare_an4, prepare_kaldi
from asr.errors import CorpusError

RATE = 8000


def write_sound(path: Path, *, seconds: float = 0.5, channels: int = 1) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(len(path.name)).uniform(-0.5, 0.5, (round(seconds * RATE), channels))
    soundfile.write(path, samples, RATE)
    return samples


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


def write_kaldi(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_an4_is_split_by_speaker(tmp_path, suffix):
    speakers = [f"{sex}{letter}" for sex in "fm" for letter in "abcdefgh"]
    write_an4(tmp_path / "an4", {"train": speakers, "test": ["fzz"]}, suffix)
    parts = prepare("an4", tmp_path / "an4", tmp_path / "out")
    assert {part: len(cuts) for part, cuts in parts.items()} == {"train": 28, "dev": 4, "test": 2}
    heard = {part: {cut.supervisions[0].speaker for cut in cuts} for part, cuts in parts.items()}
    assert heard["dev"] == {"fa", "mg"}  # the first and the fifteenth
    assert not heard["dev"] & heard["train"]
    cut = load_cuts([tmp_path / "out" / "dev.jsonl.gz"])[0]
    assert cut.id == "an1-fa-b"
    assert cut.supervisions[0].text == "HELLO FA"
    assert cut.supervisions[0].gender == "f"
    assert cut.load_audio().shape == (1, 4000)


def test_an4_names_the_line_that_is_wrong(tmp_path):
    write_an4(tmp_path, {"train": ["fa", "mb"], "test": ["fc"]})
    (tmp_path / "wav/an4_clstk/mb/an2-mb-b.wav").unlink()
    with pytest.raises(CorpusError, match=r"an4_train\.fileids:4: no such recording; looked for .*an2-mb-b\.wav"):
        prepare_an4(tmp_path, tmp_path / "out")
    transcription = tmp_path / "etc/an4_train.transcription"
    transcription.write_text("<s> HELLO </s> (an1-fa-b)\n<s> HELLO </s>\n")
    with pytest.raises(CorpusError, match=r"an4_train\.transcription:2: expected `TEXT \(utterance\)`"):
        prepare_an4(tmp_path, tmp_path / "out")
    transcription.write_text("<s> HELLO </s> (an1-fa-b)\n")
    with pytest.raises(CorpusError, match=r"fileids:2: an2-fa-b has no transcript"):
        prepare_an4(tmp_path, tmp_path / "out")
    with pytest.raises(CorpusError, match=r"an4_train\.transcription: cannot be read: No such file"):
        prepare_an4(tmp_path / "wav", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_kaldi_folders_become_parts(tmp_path):
    corpus = tmp_path / "corpus"
    for name in ("a", "b"):
        write_sound(corpus / "audio" / f"{name}.flac")
    absolute = write_sound(tmp_path / "c.wav", seconds=0.25)
    files = {"text": "a Привет, мир!\nb\tTWO WORDS\n", "wav.scp": "a audio/a.flac\nb audio/b.flac\n"}
    write_kaldi(corpus / "train", files | {"utt2spk": "a s1\nb s2\n", "spk2gender": "s1 f\n"})
    write_kaldi(corpus / "dev", {"text": "c\n", "wav.scp": f"c {tmp_path / 'c.wav'}\n"})
    parts = prepare("kaldi", corpus, tmp_path / "out")
    assert sorted(parts) == ["dev", "train"]
    first, second = load_cuts([tmp_path / "out" / "train.jsonl.gz"])
    assert (first.id, first.supervisions[0].text) == ("a", "Привет, мир!")
    assert (first.supervisions[0].speaker, first.supervisions[0].gender) == ("s1", "f")
    assert (second.supervisions[0].text, second.supervisions[0].gender) == ("TWO WORDS", None)
    assert Path(first.recording.sources[0].source).is_absolute()
    (third,) = load_cuts([tmp_path / "out" / "dev.jsonl.gz"])
    assert third.supervisions[0].text == ""
    assert third.load_audio()[0] == pytest.approx(absolute[:, 0], abs=1e-4)


def test_a_manifest_works_from_another_folder(tmp_path, monkeypatch):
    write_sound(tmp_path / "corpus" / "a.wav")
    write_kaldi(tmp_path / "corpus", {"text": "a yes\n", "wav.scp": "a a.wav\n"})
    monkeypatch.chdir(tmp_path)
    prepare_kaldi(Path("corpus"), Path("out"))
    monkeypatch.chdir("/")
    (cut,) = load_cuts([tmp_path / "out" / "all.jsonl.gz"])
    assert cut.load_audio().shape == (1, 4000)


def test_segments_cut_a_recording(tmp_path):
    samples = write_sound(tmp_path / "long.wav", seconds=3)
    files = {"text": "u1 one\nu2 two\n", "wav.scp": "long long.wav\n", "segments": "u1 long 0.5 1.25\nu2 long 2 -1\n"}
    write_kaldi(tmp_path, files)
    prepare_kaldi(tmp_path, tmp_path / "out")
    first, second = load_cuts([tmp_path / "out" / "all.jsonl.gz"])
    assert first.load_audio()[0] == pytest.approx(samples[4000:10000, 0], abs=1e-4)
    assert second.load_audio()[0] == pytest.approx(samples[16000:, 0], abs=1e-4)
    assert (first.supervisions[0].start, first.supervisions[0].duration) == (0, 0.75)


def test_stereo_keeps_both_channels(tmp_path):
    write_sound(tmp_path / "a.wav", channels=2)
    write_kaldi(tmp_path, {"text": "a yes\n", "wav.scp": "a a.wav\n"})
    prepare_kaldi(tmp_path, tmp_path / "out")
    (cut,) = load_cuts([tmp_path / "out" / "all.jsonl.gz"])
    assert cut.load_audio().shape == (2, 4000)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"wav.scp": "a sph2pipe -f wav a.sph |\n"}, r"wav\.scp:1: 'sph2pipe -f wav a.sph \|' is a command"),
        ({"wav.scp": "b a.wav\n"}, r"text:1: a is not in .*wav\.scp"),
        ({"wav.scp": "a gone.wav\n"}, r"wav\.scp:1: no such recording; looked for .*gone\.wav"),
        ({"wav.scp": "a text\n"}, r"wav\.scp:1: .*text cannot be read"),
        ({"wav.scp": "a empty.wav\n"}, r"wav\.scp:1: .*empty\.wav holds no sound"),
        ({"wav.scp": "a a.sph\n"}, r"wav\.scp:1: .*a\.sph is a SPHERE file"),
        ({"wav.scp": "a\n"}, r"wav\.scp:1: no such recording"),
        ({"text": "a yes\n\na no\n"}, r"text:3: a stands on line 1 already"),
        ({"text": ""}, r"no utterances were found for all; nothing is written"),
        ({"segments": "b a 0 1\n"}, r"text:1: a is not in .*segments"),
        ({"segments": "a a zero 1\n"}, r"segments:1: expected `utterance recording start end`, found 'a zero 1'"),
        ({"segments": "a a 1 0.5\n"}, r"segments:1: expected 0 <= start < end"),
        ({"segments": "a x 0 0.5\n"}, r"text:1: x is not in .*wav\.scp"),
    ],
)
def test_a_malformed_kaldi_folder_is_named_with_the_line(tmp_path, files, reason):
    write_sound(tmp_path / "a.wav")
    write_sound(tmp_path / "empty.wav", seconds=0)
    (tmp_path / "a.sph").touch()
    write_kaldi(tmp_path, {"text": "a yes\n", "wav.scp": "a a.wav\n"} | files)
    with pytest.raises(CorpusError, match=reason):
        prepare_kaldi(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"expected `text` and `wav\.scp`"):
        prepare_kaldi(tmp_path, tmp_path / "out")
    with pytest.raises(CorpusError, match="no such folder"):
        prepare_kaldi(tmp_path / "none", tmp_path / "out")
    (tmp_path / "text").write_bytes(b"a \xff\n")
    (tmp_path / "wav.scp").touch()
    with pytest.raises(CorpusError, match="text:1: not UTF-8"):
        prepare_kaldi(tmp_path, tmp_path / "out")


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


def test_manifests_are_put_together_or_refused_by_name(tmp_path):
    write_sound(tmp_path / "a.wav")
    write_kaldi(tmp_path, {"text": "a yes\n", "wav.scp": "a a.wav\n"})
    prepare_kaldi(tmp_path, tmp_path / "out")
    good = tmp_path / "out" / "all.jsonl.gz"
    assert [cut.id for cut in load_cuts([good, good])] == ["a", "a"]
    with pytest.raises(CorpusError, match=r"none\.jsonl\.gz: no such manifest"):
        load_cuts([good, tmp_path / "none.jsonl.gz"])
    broken = tmp_path / "broken.jsonl.gz"
    for content in (b"not gzip", gzip.compress(b"{not json\n"), gzip.compress(json.dumps({"a": 1}).encode())):
        broken.write_bytes(content)
        with pytest.raises(CorpusError, match=r"broken\.jsonl\.gz: not a manifest of lhotse cuts"):
            load_cuts([broken])
    broken.write_bytes(gzip.compress(b""))
    with pytest.raises(CorpusError, match=r"broken\.jsonl\.gz"):
        load_cuts([broken])
    recordings = tmp_path / "recordings.jsonl.gz"
    RecordingSet.from_recordings([cut.recording for cut in load_cuts([good])]).to_file(recordings)
    with pytest.raises(CorpusError, match="not a manifest of lhotse cuts"):
        load_cuts([recordings])


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


@pytest.mark.corpora
def test_an4_dev_has_both_sexes(corpora, tmp_path):
    parts = prepare("an4", corpora / "an4", tmp_path)
    assert {cut.supervisions[0].gender for cut in parts["dev"]} == {"f", "m"}
    assert sum(len(cut.supervisions[0].text.split()) for cut in parts["test"]) == 773
