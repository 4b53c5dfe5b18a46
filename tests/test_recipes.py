"""The recipes' scripts, on corpora of a few lines."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import CutSet

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "recipes" / recipe) for recipe in ("english", "fsdd", "yesno")]

import groups  # noqa: E402
import leave_out  # noqa: E402
import make_trial_data  # noqa: E402
import pieces  # noqa: E402
import reweight  # noqa: E402
import split  # noqa: E402
import tables  # noqa: E402
import vary_speech  # noqa: E402

from asr.corpus.cuts import (  # noqa: E402
    Utterance,
    describe_recording,
    load_cuts,
    read_waveform,
    to_cuts,
    write_manifests,
)

RATE = 16000


def make_cuts(folder: Path, utterances: list[tuple[str, str, str]], gender: str | None = None) -> CutSet:
    """Cuts of names, speakers and texts; all of them sound alike."""
    sound = folder / "sound.wav"
    soundfile.write(sound, np.zeros(RATE, np.float32), RATE)
    recordings = (describe_recording(name, sound, name) for name, _, _ in utterances)
    return to_cuts(
        Utterance(name, recording, text, speaker=speaker, gender=gender)
        for recording, (name, speaker, text) in zip(recordings, utterances, strict=True)
    )


def run(monkeypatch: pytest.MonkeyPatch, script: object, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
    script.main()


@pytest.mark.parametrize("script", [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("recipes/*/*.sh"))])
def test_recipes_are_sound_shell_and_print_their_usage(script: str):
    subprocess.run(["bash", "-n", ROOT / script], check=True)
    assert os.access(ROOT / script, os.X_OK)
    assert f"#   {script}" in (ROOT / script).read_text(encoding="utf-8").partition("\nset -euo pipefail\n")[0]


@pytest.mark.parametrize(
    ("script", "settings", "message"),
    [
        ("english", {}, "there is no {corpora}/an4"),
        ("english", {"SHARE": "half"}, "SHARE=half: expected a whole number"),
        ("english", {"MODELS": "tiny"}, "MODELS=tiny: expected english"),
        ("english", {"PUNCTUATED": "novels.txt"}, "PUNCTUATED needs PUNCTUATED_DEV"),
        ("own-data", {"PHONES": "de"}, "PHONES=de needs LM=texts.txt"),
        ("own-data", {"PHONES": "de", "LM": "texts.txt", "ENGLISH": "yes"}, "PHONES=de is for other languages"),
    ],
)
def test_recipes_refuse_at_the_start_what_would_fail_later(tmp_path: Path, script: str, settings: dict, message: str):
    command = [ROOT / "recipes" / script / "run.sh", tmp_path, tmp_path, tmp_path]
    result = subprocess.run(command, env=os.environ | settings, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert message.format(corpora=tmp_path) in result.stderr


def test_the_second_training_has_more_of_some_speech_and_less_of_other(tmp_path: Path, monkeypatch):
    names = ("speechocean762-1", "an4-1", "an4-2")
    write_manifests(tmp_path / "english", {"train": make_cuts(tmp_path, [(name, "s", name) for name in names])})
    labelled = make_cuts(tmp_path, [(f"cv{number}", "s", "text") for number in range(4)])
    write_manifests(tmp_path / "labelled", {"train": labelled})
    run(monkeypatch, reweight, tmp_path, tmp_path / "again")
    chosen = [cut.id for cut in load_cuts([tmp_path / "again" / "train.jsonl.gz"])]
    copies = ["speechocean762-1", "speechocean762-1-copy2", "speechocean762-1-copy3"]
    assert sorted(chosen) == sorted([*copies, "an4-1", "an4-2", "cv0", "cv2"])


def test_development_has_speakers_and_sentences_that_training_has_not(tmp_path: Path, monkeypatch):
    spoken = [(f"u{number}", f"s{number % 28:02}", f"sentence {number}") for number in range(56)]
    read = [(f"k{number}", "kathleen", f"prompt {number // 2}") for number in range(400)]  # each read twice
    commands = [("c1", "x", "yes"), ("c2", "y", "no")]
    for corpus, utterances in (("speechocean762", spoken), ("kathleen", read), ("an4", commands)):
        write_manifests(tmp_path / corpus, {"train": make_cuts(tmp_path, utterances)})
    write_manifests(tmp_path / "an4", {"dev": make_cuts(tmp_path, [("c3", "z", "go")])})
    run(monkeypatch, split, tmp_path, tmp_path / "split", "speechocean762", "kathleen", "an4")

    train, dev = (
        {cut.id: cut for cut in load_cuts([tmp_path / "split" / f"{part}.jsonl.gz"])} for part in ("train", "dev")
    )
    assert len(train) + len(dev) == len(spoken) + len(read) + len(commands) + 1
    assert not set(train) & set(dev)
    assert {"an4-c1", "an4-c2"} <= set(train)
    assert "an4-c3" in dev

    def of(cuts: dict, corpus: str, what: str) -> set:
        return {getattr(cut.supervisions[0], what) for name, cut in cuts.items() if name.startswith(corpus)}

    assert of(dev, "speechocean762", "speaker") == {"s00", "s14"}
    assert not of(train, "speechocean762", "speaker") & {"s00", "s14"}
    sentences = of(dev, "kathleen", "text")
    assert not sentences & of(train, "kathleen", "text")
    assert 2 <= len(sentences) <= 25  # one in twenty of 200

    run(monkeypatch, split, tmp_path, tmp_path / "eighth", "speechocean762", "kathleen", "an4", "--share", 8)
    eighth = {
        part: [cut.id for cut in load_cuts([tmp_path / "eighth" / f"{part}.jsonl.gz"])] for part in ("train", "dev")
    }
    assert set(eighth["train"]) < set(train)
    assert len(eighth["train"]) == -(-len(train) // 8)
    assert set(eighth["dev"]) == set(dev)  # figures on it can be compared


def test_half_of_the_recordings_get_an_impulse_response(tmp_path: Path, monkeypatch):
    soundfile.write(tmp_path / "speech.wav", np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32), RATE)
    echo = np.zeros(RATE // 10, np.float32)
    echo[[100, 900]] = 0.8, 0.4  # after a delay of 100 samples, and again 800 later
    (tmp_path / "impulses").mkdir()
    soundfile.write(tmp_path / "impulses" / "echo.wav", echo, RATE)
    recording = describe_recording("r", tmp_path / "speech.wav", "speech")
    cuts = to_cuts(
        Utterance(f"u{number}", recording, "said", start=number / 4, end=number / 4 + 1) for number in range(8)
    )
    write_manifests(tmp_path, {"all": cuts})
    run(monkeypatch, vary_speech, tmp_path / "all.jsonl.gz", tmp_path, "impulses", tmp_path / "impulses")

    before, after = (list(load_cuts([tmp_path / f"{part}.jsonl.gz"])) for part in ("all", "train"))
    assert [(cut.id, cut.supervisions[0].text) for cut in after] == [(cut.id, "said") for cut in before]
    varied = [pair for pair in zip(before, after, strict=True) if pair[0].recording_id != pair[1].recording_id]
    assert 0 < len(varied) < len(before)
    for cut, other in varied:
        plain, found = (read_waveform(one, RATE) for one in (cut, other))
        expected = plain + 0.5 * np.concatenate([np.zeros(800, np.float32), plain[:-800]])
        expected *= np.linalg.norm(plain) / np.linalg.norm(expected)
        np.testing.assert_allclose(found, expected, atol=1e-4)  # 16 bits


def test_what_development_says_is_left_out_of_the_text(tmp_path: Path, monkeypatch):
    (tmp_path / "dev.txt").write_text("Good morning.\nOne two three four five six, seven\n", encoding="utf-8")
    text = ["good morning", "a good morning", "zero two three four five six seven", "two three four five six eight"]
    (tmp_path / "text.txt").write_text("\n".join(text), encoding="utf-8")
    run(monkeypatch, leave_out, tmp_path / "text.txt", tmp_path / "dev.txt", tmp_path / "left.txt.gz")
    with gzip.open(tmp_path / "left.txt.gz", "rt", encoding="utf-8") as file:
        assert file.read().splitlines() == ["a good morning", "two three four five six eight"]
    run(
        monkeypatch, leave_out, tmp_path / "text.txt", tmp_path / "dev.txt", tmp_path / "left.txt.gz", 3
    )  # lines 1 and 4
    with gzip.open(tmp_path / "left.txt.gz", "rt", encoding="utf-8") as file:
        assert file.read().splitlines() == ["two three four five six eight"]


def test_trials_have_an_eighth_of_the_speech_of_all_corpora_or_of_some(tmp_path: Path, monkeypatch):
    names = [*(f"an4-{n}" for n in range(10)), *(f"kathleen-{n}" for n in range(10)), *(f"cv-{n}" for n in range(60))]
    write_manifests(tmp_path / "english", {"train": make_cuts(tmp_path, [(name, "x", "a") for name in names])})
    guessed = [(f"delta-{n}", "x", "a") for n in range(16)]
    write_manifests(tmp_path / "labelled", {"train": make_cuts(tmp_path, guessed)})
    run(monkeypatch, make_trial_data, tmp_path, tmp_path / "trials")
    parts = {path.name: [cut.id for cut in load_cuts([path])] for path in (tmp_path / "trials").glob("*.gz")}
    all_, few, labelled = (parts[f"{name}.jsonl.gz"] for name in ("all", "few", "labelled"))
    assert [len(set(found)) for found in (all_, few, labelled)] == [10, 10, 2]
    assert any(name.startswith("cv") for name in all_)
    assert not any(name.startswith("cv") for name in few)
    assert all(name.startswith("delta") for name in labelled)


def test_trials_leave_an_accent_out_to_test_with(tmp_path: Path, monkeypatch):
    clips = [f"common-voice-cv1-{n:06d}" for n in range(40)]
    table = [f"cv-valid-dev/sample-{n:06d}.mp3,{'england' if n % 4 == 0 else 'us'}\n" for n in range(40)]
    (tmp_path / "clips.csv").write_text("filename,accent\n" + "".join(table), encoding="utf-8")
    later = [f"common-voice-13-delta-{n:06d}" for n in range(40)]  # not in the table, though their numbers are
    for part, names in (("train", [*clips[:32], *later, *(f"an4-{n}" for n in range(9))]), ("dev", clips[32:])):
        write_manifests(tmp_path / "english", {part: make_cuts(tmp_path, [(name, "x", "a") for name in names])})
    run(monkeypatch, make_trial_data, tmp_path, tmp_path / "trials", tmp_path / "clips.csv", "england")
    all_, accent = (
        {cut.id for cut in load_cuts([tmp_path / "trials" / f"{part}.jsonl.gz"])} for part in ("all", "accent")
    )
    assert accent == set(clips[::4])
    assert all_
    assert not all_ & accent
    with pytest.raises(SystemExit, match="no speaker names the accent 'welsh'; there are england, us"):
        run(monkeypatch, make_trial_data, tmp_path, tmp_path / "trials", tmp_path / "clips.csv", "welsh")


@pytest.mark.parametrize(
    ("left_out", "counts"),
    [([], {"train": 3 * 42, "dev": 3 * 3, "test": 3 * 5}), (["bob"], {"train": 94, "dev": 6, "test": 50})],
)
def test_digits_are_split_officially_or_by_speaker(tmp_path: Path, monkeypatch, left_out, counts):
    (tmp_path / "recordings").mkdir()
    for speaker in ("ann", "bob", "cid"):
        for number in range(50):
            (tmp_path / "recordings" / f"{number % 10}_{speaker}_{number}.wav").touch()
    run(monkeypatch, tables, tmp_path / "recordings", tmp_path, *left_out)
    lines = {part: (tmp_path / f"{part}.tsv").read_text(encoding="utf-8").splitlines() for part in counts}
    assert {part: len(some) for part, some in lines.items()} == counts
    assert f"{tmp_path / 'recordings' / '7_ann_7.wav'}\tseven\tann" in lines["dev"]
    official = {line for line in lines["test"] if int(line.split("\t")[0].rpartition("_")[2].removesuffix(".wav")) < 5}
    if left_out:
        assert {line.split("\t")[2] for line in lines["test"]} == {"bob"}
        assert not any("bob" in line for line in lines["train"] + lines["dev"])
    else:
        assert official == set(lines["test"])


def test_error_rates_are_printed_by_age_and_sex(tmp_path: Path, monkeypatch, capsys):
    spoken = [("u1", "child", "a b"), ("u2", "child", "c d"), ("u3", "adult", "a b c d")]
    write_manifests(tmp_path, {"test": make_cuts(tmp_path, spoken, gender="f")})
    (tmp_path / "spk2age").write_text("child 9\nadult 40\n", encoding="utf-8")
    (tmp_path / "texts.tsv").write_text("u1\ta b\ta b\nu2\tc d\tc x\nu3\ta b c d\tx x c d\n", encoding="utf-8")
    run(monkeypatch, groups, "test", tmp_path, tmp_path / "test.jsonl.gz", tmp_path / "texts.tsv")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("adults-female: 1 utterances, WER 50.00%")
    assert lines[1].startswith("children-female: 2 utterances, WER 25.00%")


def test_errors_are_grouped_by_accent(tmp_path, monkeypatch, capsys):
    names = [f"common-voice-cv1-{number:06d}" for number in range(14)]
    accents = ["us"] * 10 + ["england", "england", "", ""]
    write_manifests(tmp_path, {"test": make_cuts(tmp_path, [(name, name, "a b") for name in names])})
    table = [f"cv-valid-dev/sample-{n:06d}.mp3,a b,1,0,,,{accent},\n" for n, accent in enumerate(accents)]
    header = "filename,text,up_votes,down_votes,age,gender,accent,duration\n"
    (tmp_path / "clips.csv").write_text(header + "".join(table), encoding="utf-8")
    texts = [f"{name}\ta b\t{'a x' if n in (0, 10, 13) else 'a b'}\n" for n, name in enumerate(names)]
    (tmp_path / "texts.tsv").write_text("".join(texts), encoding="utf-8")
    run(monkeypatch, groups, "test", tmp_path / "clips.csv", tmp_path / "test.jsonl.gz", tmp_path / "texts.tsv")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "accent not named: 2 utterances, WER 25.00%",
        "accent us: 10 utterances, WER 5.00%",
        "other accents: 2 utterances, WER 25.00%",
    ]


@pytest.mark.parametrize("missing", [False, True])
def test_pauses_are_found_between_words_and_a_missing_word_is_noticed(missing: bool):
    rate, rng = 8000, np.random.default_rng(1)
    words, pauses, samples = 7 if missing else 8, [], [np.zeros(rate // 2)]
    for _ in range(words):
        samples += [0.3 * rng.standard_normal(int(rng.uniform(0.35, 0.5) * rate)), np.zeros(int(0.2 * rate))]
        pauses.append(sum(map(len, samples)) / rate - 0.1)
    sound = np.concatenate([*samples, np.zeros(rate // 2)]).astype(np.float32)
    sound += 1e-4 * rng.standard_normal(len(sound)).astype(np.float32)
    found = pieces.find_pauses(sound, rate, 8)
    if missing:
        assert found is None
    else:
        assert found == pytest.approx(pauses[:-1], abs=0.12)
