"""`asr index` and `asr find` on the samples of AN4, against the times of aligned words."""

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AsrError
from asr.jobs.find import FindOptions, FindSummary, find_in_files, format_hit, read_phrases, write_clips
from asr.jobs.index import index_recordings
from asr.jobs.inputs import Inputs
from asr.recognize.align import align_text
from asr.recognize.recognizer import load_model
from asr.spotting.find import Hit, find
from asr.spotting.index import LogProbIndex
from tests.cli.test_app import run

SAMPLES = Path(__file__).parents[2] / "recipes" / "an4" / "samples"
TEXTS = dict(line.split("\t") for line in (SAMPLES / "transcripts.txt").read_text().splitlines())
PHRASES = ["five", "three hundred", "july", "forty two"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    folder.mkdir()
    for name in TEXTS:
        shutil.copy(SAMPLES / f"{name}.flac", folder)
    return folder


def search(phrases: list[str], paths: list[object], **options: object) -> tuple[list[Hit], FindSummary]:
    hits: list[Hit] = []
    summary = find_in_files(phrases, Inputs(list(map(str, paths))), hits.extend, FindOptions(model="an4", **options))
    return hits, summary


def index(paths: list[object], output: Path, **options: object):
    return index_recordings(Inputs(list(map(str, paths))), output, model="an4", device="cpu", **options)


def test_phrases_are_found_when_they_are_said(folder: Path):
    hits, summary = search(PHRASES, [folder])
    assert (summary.num_hits, summary.failures) == (len(hits), [])
    expected = []
    recognizer = load_model("an4", device="cpu")
    for name, text in sorted(TEXTS.items()):
        words = align_text(recognizer, folder / f"{name}.flac", text).words
        for phrase in PHRASES:
            size = len(phrase.split())
            for first in range(len(words) - size + 1):
                said = words[first : first + size]
                if [word.text for word in said] == phrase.split():
                    expected.append((name, phrase, said[0].start, said[-1].end))
    assert len(expected) == 7  # five is said four times
    found = [(Path(hit.source or "").stem, hit.phrase, hit.start, hit.end) for hit in hits]
    for (*named, start, end), (*others, first, last) in zip(sorted(found), sorted(expected), strict=True):
        assert named == others
        assert start == pytest.approx(first, abs=0.15)
        assert end == pytest.approx(last, abs=0.3)
    (hit,) = [hit for hit in hits if hit.phrase == "three hundred"]
    assert (hit.before, hit.after) == ("", "and sixty five")
    (hit,) = [hit for hit in hits if hit.phrase == "july"]
    assert (hit.before, hit.after) == ("", "twenty first nineteen sixty nine")


def test_an_index_finds_what_the_recordings_hold(folder: Path, tmp_path: Path):
    summary = index([folder], tmp_path / "calls.index")
    assert (summary.files, summary.skipped, summary.failures) == (6, 0, [])
    in_files, _ = search(PHRASES, [folder])
    in_index, _ = search(PHRASES, [tmp_path / "calls.index"])
    assert [(hit.source, hit.phrase, hit.before, hit.after) for hit in in_index] == [
        (hit.source, hit.phrase, hit.before, hit.after) for hit in in_files
    ]
    for one, other in zip(in_index, in_files, strict=True):
        assert one.start == pytest.approx(other.start, abs=0.05)
        assert one.confidence == pytest.approx(other.confidence, abs=0.05)
    by_name = list(find(["five"], [tmp_path / "calls.index"], model="an4", context=False))
    assert [hit.start for hit in by_name] == [hit.start for hit in in_index if hit.phrase == "five"]


def test_an_index_is_continued(folder: Path, tmp_path: Path):
    path = tmp_path / "calls.index"
    broken = folder / "broken.wav"
    broken.write_bytes(b"RIFF but no more")
    first = index([folder], path)
    assert (first.files, first.skipped, [str(broken) in str(error) for error in first.failures]) == (7, 0, [True])
    with sqlite3.connect(path) as connection:
        before = dict(connection.execute("SELECT path, id FROM recordings WHERE error IS NULL"))
    connection.close()
    shutil.copy(folder / "help.flac", broken)
    soundfile.write(folder / "help.flac", *soundfile.read(folder / "code.flac"))
    second = index([folder], path)
    assert (second.files, second.skipped, second.failures) == (7, 5, [])
    with sqlite3.connect(path) as connection:
        after = dict(connection.execute("SELECT path, id FROM recordings"))
    connection.close()
    changed = {Path(name.decode()).name for name, number in after.items() if before.get(name) != number}
    assert changed <= {"help.flac", "broken.wav"}
    hits, _ = search(["help", "enter"], [path])
    assert {(Path(hit.source or "").name, hit.phrase) for hit in hits} == {
        ("broken.wav", "help"),
        ("code.flac", "enter"),
        ("help.flac", "enter"),
    }


def test_an_interrupted_index_keeps_what_is_done(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    add = LogProbIndex.add

    def interrupt(self: LogProbIndex, path: Path, *rest: object) -> float:
        if path.name == "help.flac":
            raise KeyboardInterrupt
        return add(self, path, *rest)

    monkeypatch.setattr(LogProbIndex, "add", interrupt)
    with pytest.raises(AsrError, match="3 of 6 recordings are done; the same command continues"):
        index([folder], tmp_path / "calls.index")
    monkeypatch.undo()
    _, summary = search(["enter"], [tmp_path / "calls.index"])
    missing = f"{tmp_path / 'calls.index'}: lacks recordings, since `asr index` was interrupted; run it again"
    assert missing in map(str, summary.failures)
    assert index([folder], tmp_path / "calls.index").skipped == 3
    _, summary = search(["enter"], [tmp_path / "calls.index"])
    assert missing not in map(str, summary.failures)


def test_an_index_without_recordings_is_a_failure(folder: Path, tmp_path: Path):
    index([folder], tmp_path / "a.index")
    with sqlite3.connect(tmp_path / "a.index") as connection:
        connection.execute("DELETE FROM recordings")
    connection.close()
    hits, summary = search(["help"], [tmp_path / "a.index"])
    assert hits == []
    assert [str(error) for error in summary.failures] == [
        f"{tmp_path / 'a.index'}: holds no recordings; `asr index` adds them"
    ]


def test_channels_are_searched_by_themselves(tmp_path: Path):
    left, right = (soundfile.read(SAMPLES / f"{name}.flac")[0] for name in ("phone", "help"))
    both = np.zeros((max(len(left), len(right)), 2))
    both[: len(left), 0], both[: len(right), 1] = left, right
    soundfile.write(tmp_path / "call.wav", both, 16000)
    hits, _ = search(["help", "eight"], [tmp_path / "call.wav"], channel="each")
    assert {(hit.phrase, hit.channel) for hit in hits} == {("help", 1), ("eight", 0)}
    index([tmp_path / "call.wav"], tmp_path / "call.index", channel="each")
    indexed, _ = search(["help", "eight"], [tmp_path / "call.index"])
    assert {(hit.phrase, hit.channel) for hit in indexed} == {("help", 1), ("eight", 0)}
    (clip,) = write_clips([hit for hit in indexed if hit.phrase == "help"], tmp_path)
    assert "#1\t" in format_hit(next(hit for hit in indexed if hit.phrase == "help"), "txt")
    sound, _ = soundfile.read(clip)
    first = np.flatnonzero(np.isclose(right, sound[len(sound) // 2], atol=1e-3))
    assert len(first)


def test_clips_hold_the_sound_of_the_hit(folder: Path, tmp_path: Path):
    hits, _ = search(["five"], [folder / "phone.flac"])
    paths = write_clips(hits, tmp_path / "clips")
    samples, rate = soundfile.read(folder / "phone.flac", dtype="float32")
    assert len(set(paths)) == len(hits) == 3
    for hit, path in zip(hits, paths, strict=True):
        clip, clip_rate = soundfile.read(path, dtype="float32")
        first = round(max(0.0, hit.start - 0.5) * rate)
        assert clip_rate == rate
        np.testing.assert_allclose(clip, samples[first : round((hit.end + 0.5) * rate)], atol=1e-4)


def test_phrases_come_from_a_file(tmp_path: Path):
    path = tmp_path / "phrases.txt"
    path.write_text("# commands\nturn on the light  # lamps\n\n  stop \n")
    assert read_phrases(path) == ["turn on the light", "stop"]
    path.write_text("# nothing\n")
    with pytest.raises(AsrError, match="holds no phrase"):
        read_phrases(path)


def test_the_command_answers_as_grep_does(folder: Path, tmp_path: Path):
    phone = str(folder / "phone.flac")
    status, output, _ = run("find", "oh one", phone)
    assert status == 0
    source, clock, confidence, text = output.rstrip("\n").split("\t")
    assert (source, clock[:5], text) == (phone, "0:00:", "five five five [oh one] eight three")
    assert float(confidence) > 0.5
    assert run("find", "november", phone)[:2] == (1, "")
    status, output, errors = run("find", "-e", "eight", "-e", "oh one", "--format", "json", phone, "missing.wav")
    assert status == 2
    assert "missing.wav: no such file" in errors
    assert [json.loads(line)["phrase"] for line in output.splitlines()] == ["oh one", "eight"]
    assert run("find", "ß", phone)[0] == 2
    assert run("find", "eight")[0] == 2
    assert run("index", phone, "-o", str(tmp_path / "i"))[0] == 0
    status, output, _ = run("find", "eight", str(tmp_path / "i"), "--clips", str(tmp_path / "clips"), "--no-context")
    assert (status, output.rstrip("\n").split("\t")[-1]) == (0, "[eight]")
    assert len(list((tmp_path / "clips").iterdir())) == 1
    assert run("find", "eight", "--model", "english", str(tmp_path / "i"))[0] == 2  # another model's
