"""The makers of synthetic speech, and the check of a downloaded corpus."""

import random
import sys
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "recipes" / "an4")]

import espeak  # noqa: E402
import make_synthetic_speech as synthetic  # noqa: E402
import verify  # noqa: E402
from make_samples import SAMPLES  # noqa: E402


def test_phrases_are_drawn_by_seed_and_never_those_of_the_samples():
    phrases = [synthetic.draw_phrase(random.Random(seed)) for seed in range(300)]
    assert phrases == [synthetic.draw_phrase(random.Random(seed)) for seed in range(300)]
    assert not set(phrases) & set(SAMPLES.values())
    assert len(set(phrases)) > 200
    words = {word for phrase in phrases for word in phrase.split()}
    assert set("abcdefghijklmnopqrstuvwxyz") <= words
    assert {"erase", "seven", "nineteen", "hundred"} <= words
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)


def test_letters_are_spelled_and_words_are_spoken():
    assert [espeak.pronounce(word) for word in ["a", "b", "go"]] == ["[['eI]]", "B", "go"]


def test_the_samples_that_ship_are_sixteen_thousand_hertz():
    for name in SAMPLES:
        info = soundfile.info(ROOT / "recipes" / "an4" / "samples" / f"{name}.flac")
        assert (info.samplerate, info.channels) == (16000, 1)


@pytest.mark.corpora
def test_the_corpus_at_hand_is_the_one_of_the_results(corpora: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["verify", str(corpora / "an4")])
    verify.main()


def test_another_corpus_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "etc").mkdir()
    for name in verify.TEXT_DIGESTS:
        (tmp_path / "etc" / name).write_text("")
    monkeypatch.setattr(sys, "argv", ["verify", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"differs .* an4_train\.transcription"):
        verify.main()
