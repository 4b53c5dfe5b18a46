"""What the doctor found is kept beside the manifest, and is found again if a recording changes."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.corpus import doctor
from asr.corpus.doctor import diagnose
from asr.corpus.prepare import prepare

RATE = 16000


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("fine", "silent", "stereo"):
        shape = (RATE, 2) if name == "stereo" else RATE
        soundfile.write(tmp_path / f"{name}.wav", (0 if name == "silent" else 0.1) * rng.standard_normal(shape), RATE)
    (tmp_path / "all.tsv").write_text("".join(f"{name}.wav\tyes\n" for name in ("fine", "silent", "stereo")))
    (tmp_path / "tables").mkdir()
    (tmp_path / "all.tsv").rename(tmp_path / "tables" / "all.tsv")
    for path in tmp_path.glob("*.wav"):
        path.rename(tmp_path / "tables" / path.name)
    prepare("tsv", tmp_path / "tables", tmp_path / "cuts")
    return tmp_path / "cuts" / "all.jsonl.gz"


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The utterances whose recordings were read."""
    names: list[str] = []
    check = doctor._check_audio

    def count(cuts):
        names.extend(cut.id for cut in cuts)
        return check(cuts)

    monkeypatch.setattr(doctor, "_check_audio", count)
    return names


def test_no_recording_is_read_twice_unless_it_changes(manifest: Path, checked: list[str]):
    first = diagnose([manifest])
    assert [(problem.utterance, problem.kind) for problem in first] == [("silent", "silent")]
    assert sorted(checked) == ["fine", "silent", "stereo"]
    checked.clear()
    assert diagnose([manifest]) == first
    assert checked == []
    path = manifest.parent.parent / "tables" / "fine.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    os.utime(path, ns=(1, 1))  # an older time is another time as well
    assert {problem.utterance for problem in diagnose([manifest])} == {"fine", "silent"}
    assert checked == ["fine"]
    path.unlink()
    checked.clear()
    assert ("fine", "unreadable") in {(problem.utterance, problem.kind) for problem in diagnose([manifest])}
    assert ("fine", "unreadable") in {(problem.utterance, problem.kind) for problem in diagnose([manifest])}
    assert checked == ["fine", "fine"]  # it may come back


def test_broken_verdicts_are_made_again(manifest: Path, checked: list[str]):
    first = diagnose([manifest])
    (kept,) = manifest.parent.glob("*.verdicts.gz")
    kept.write_bytes(kept.read_bytes()[:40])
    checked.clear()
    assert diagnose([manifest]) == first
    assert sorted(checked) == ["fine", "silent", "stereo"]
