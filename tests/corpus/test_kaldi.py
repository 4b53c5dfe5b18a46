from pathlib import Path

import pytest

from asr.corpus.cuts import load_cuts
from asr.corpus.doctor import diagnose
from asr.corpus.prepare import prepare
from asr.errors import CorpusError
from tests.corpus.corpora import write_kaldi, write_sound


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


def test_segments_cut_a_recording(tmp_path):
    samples = write_sound(tmp_path / "long.wav", seconds=3)
    files = {"text": "u1 one\nu2 two\n", "wav.scp": "long long.wav\n", "segments": "u1 long 0.5 1.25\nu2 long 2 -1\n"}
    write_kaldi(tmp_path, files)
    prepare("kaldi", tmp_path, tmp_path / "out")
    first, second = load_cuts([tmp_path / "out" / "all.jsonl.gz"])
    assert first.load_audio()[0] == pytest.approx(samples[4000:10000, 0], abs=1e-4)
    assert second.load_audio()[0] == pytest.approx(samples[16000:, 0], abs=1e-4)
    assert (first.supervisions[0].start, first.supervisions[0].duration) == (0, 0.75)


@pytest.mark.parametrize(("span", "first", "last"), [("1.5 2.04", 12000, 16000), ("-0.02 1", 0, 8000)])
def test_a_segment_that_overshoots_by_a_rounding_is_cut_at_the_recording(tmp_path, span, first, last):
    samples = write_sound(tmp_path / "long.wav", seconds=2)
    write_kaldi(tmp_path, {"text": "u one\n", "wav.scp": "long long.wav\n", "segments": f"u long {span}\n"})
    prepare("kaldi", tmp_path, tmp_path / "out")
    (cut,) = load_cuts([tmp_path / "out" / "all.jsonl.gz"])
    assert cut.load_audio()[0] == pytest.approx(samples[first:last, 0], abs=1e-4)
    assert diagnose([tmp_path / "out" / "all.jsonl.gz"]) == []


def test_a_segment_far_beyond_the_recording_is_left_to_the_doctor(tmp_path):
    write_sound(tmp_path / "long.wav", seconds=2)
    write_kaldi(tmp_path, {"text": "u one\n", "wav.scp": "long long.wav\n", "segments": "u long 1 3\n"})
    prepare("kaldi", tmp_path, tmp_path / "out")
    assert [problem.kind for problem in diagnose([tmp_path / "out" / "all.jsonl.gz"])] == ["misdeclared"]


def test_stereo_keeps_both_channels(tmp_path):
    write_sound(tmp_path / "a.wav", channels=2)
    write_kaldi(tmp_path, {"text": "a yes\n", "wav.scp": "a a.wav\n"})
    prepare("kaldi", tmp_path, tmp_path / "out")
    (cut,) = load_cuts([tmp_path / "out" / "all.jsonl.gz"])
    assert cut.load_audio().shape == (2, 4000)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"wav.scp": "a sph2pipe -f wav a.sph |\n"}, r"wav\.scp:1: 'sph2pipe -f wav a.sph \|' is a command"),
        ({"wav.scp": "b a.wav\n"}, r"text:1: a is not in .*wav\.scp"),
        ({"wav.scp": "a gone.wav\n"}, r"wav\.scp:1: no such recording; looked for .*gone\.wav"),
        ({"wav.scp": "a text\n"}, r"wav\.scp:1: .*text cannot be read"),
        ({"wav.scp": "a empty.wav\n"}, r"wav\.scp:1: .*empty\.wav contains no audio"),
        ({"wav.scp": "a a.sph\n"}, r"wav\.scp:1: .*a\.sph: an empty file"),
        ({"wav.scp": "a\n"}, r"wav\.scp:1: no such recording"),
        ({"text": "a yes\n\na no\n"}, r"text:3: a is already on line 1"),
        ({"text": ""}, r"no utterances were found for all; nothing was written"),
        ({"segments": "b a 0 1\n"}, r"text:1: a is not in .*segments"),
        ({"segments": "a a zero 1\n"}, r"segments:1: expected `utterance recording start end`, found 'a zero 1'"),
        ({"segments": "a a 1 0.5\n"}, r"segments:1: expected 0 <= start < end"),
        ({"segments": "a a 2 3\n"}, r"segments:1: a starts at 2 s, but a lasts 0\.50 s"),
        ({"segments": "a x 0 0.5\n"}, r"text:1: x is not in .*wav\.scp"),
    ],
)
def test_a_malformed_kaldi_folder_is_named_with_the_line(tmp_path, files, reason):
    write_sound(tmp_path / "a.wav")
    write_sound(tmp_path / "empty.wav", seconds=0)
    (tmp_path / "a.sph").touch()
    write_kaldi(tmp_path, {"text": "a yes\n", "wav.scp": "a a.wav\n"} | files)
    with pytest.raises(CorpusError, match=reason):
        prepare("kaldi", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"expected `text` and `wav\.scp`"):
        prepare("kaldi", tmp_path, tmp_path / "out")
    with pytest.raises(CorpusError, match="no such folder"):
        prepare("kaldi", tmp_path / "none", tmp_path / "out")
    (tmp_path / "text").write_bytes(b"a \xff\n")
    (tmp_path / "wav.scp").touch()
    with pytest.raises(CorpusError, match="text:1: not UTF-8"):
        prepare("kaldi", tmp_path, tmp_path / "out")
