"""Cuts that are packed are those of the manifest, and what is kept of them is used until something changes."""

import gzip
import json
import os
from pathlib import Path

import pytest

from asr.config import ModelSettings
from asr.corpus import doctor, usable
from asr.corpus.cuts import load_cuts
from asr.corpus.doctor import Examined, pack_usable
from asr.corpus.packed import PackedCuts
from asr.corpus.usable import keep, load_usable
from asr.text.normalize import normalize
from asr.text.tokenizer import CharTokenizer

SETTINGS = ModelSettings()


def lines_of(manifest: Path) -> list[bytes]:
    return gzip.decompress(manifest.read_bytes()).splitlines()


def pack(manifest: Path, times: int = 1) -> PackedCuts:
    packed = PackedCuts()
    for _ in range(times):
        for line, cut in zip(lines_of(manifest), load_cuts([manifest]), strict=True):
            packed.append(line, cut, normalize(cut.supervisions[0].text, SETTINGS.normalizer))
    return packed


@pytest.mark.parametrize("times", [1, 7])  # less than a block, and several
def test_what_is_packed_comes_out_again_also_from_a_file(tone_manifests: Path, tmp_path: Path, times: int):
    expected = list(load_cuts([tone_manifests / "dev.jsonl.gz"])) * times
    packed = pack(tone_manifests / "dev.jsonl.gz", times)
    packed.texts[0], packed.normalized[0] = "Ä, b", "ä b"
    packed.save(tmp_path / "kept", {"note": [1, "ü"]})
    loaded, notes = PackedCuts.load(tmp_path / "kept")
    assert notes == {"note": [1, "ü"]}
    for cuts in (packed, loaded):
        assert list(cuts) == expected
        assert len(cuts) == len(expected)
        assert [cuts[index] for index in range(len(cuts))] == expected
        assert cuts.names == [cut.id for cut in expected]
        assert cuts.seconds == sum(cut.duration for cut in expected)
        assert (cuts.texts[0], cuts.normalized[0]) == ("Ä, b", "ä b")
        with pytest.raises(IndexError):
            cuts[len(cuts)]


def test_a_broken_file_counts_as_none(tone_manifests: Path, tmp_path: Path):
    path = tmp_path / "kept"
    assert PackedCuts.load(path) is None
    pack(tone_manifests / "dev.jsonl.gz").save(path, {})
    whole = path.read_bytes()
    for content in (b"", b"x", whole[:20], whole[:-3], whole[:8] + bytes(50) + whole[58:]):
        path.write_bytes(content)
        assert PackedCuts.load(path) is None


def test_nothing_is_examined_again_until_manifest_settings_or_a_recording_change(
    tmp_path: Path, tone_manifests: Path, monkeypatch: pytest.MonkeyPatch
):
    manifest, kept = tmp_path / "dev.jsonl.gz", tmp_path / "kept"
    rows = [json.loads(line) for line in lines_of(tone_manifests / "dev.jsonl.gz")[:3]]
    for index, row in enumerate(rows):
        source = row["recording"]["sources"][0]
        recording = tmp_path / f"{index}.wav"
        recording.write_bytes(Path(source["source"]).read_bytes())
        source["source"] = str(recording)
    rows[2]["supervisions"][0]["text"] = "..."
    manifest.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    count = []

    def pack_and_count(*arguments: object, **options: object) -> Examined:
        count.append(1)
        return pack_usable(*arguments, **options)

    monkeypatch.setattr(usable, "pack_usable", pack_and_count)

    def load(**options: object) -> Examined:
        before = len(count)
        examined = load_usable([manifest], options.pop("tokenizer", None), SETTINGS, kept=kept, **options)
        assert examined.is_kept == (len(count) == before)
        keep(examined, kept)
        return examined

    first = load()
    assert [cut.id for cut in first.usable] == [rows[0]["id"], rows[1]["id"]]
    assert [problem.kind for problem in first.problems] == ["empty"]
    again = load()
    assert again.is_kept
    assert (list(again.usable), again.problems, again.num_cuts) == (list(first.usable), first.problems, 3)
    assert not load(speed=3.0).is_kept
    assert not load(tokenizer=CharTokenizer(["<blank>", " ", "q"])).is_kept
    assert not load().is_kept
    os.utime(tmp_path / "1.wav", ns=(1, 1))
    assert not load().is_kept
    (tmp_path / "1.wav").unlink()
    assert [problem.kind for problem in load().problems] == ["unreadable", "empty"]
    assert load().is_kept
    manifest.write_bytes(gzip.compress(json.dumps(rows[0]).encode()))
    assert len(load().usable) == 1


def test_portions_of_a_manifest_give_what_the_whole_gives(tone_manifests: Path, monkeypatch: pytest.MonkeyPatch):
    manifests = [tone_manifests / "dev.jsonl.gz", tone_manifests / "train.jsonl.gz"]
    whole = pack_usable(manifests, None, SETTINGS)
    monkeypatch.setattr(doctor, "_PORTION", 3)
    portions = pack_usable([*manifests, manifests[0]], None, SETTINGS)
    assert list(portions.usable) == list(whole.usable)
    assert len(portions.problems) == len(list(load_cuts(manifests[:1])))  # names that occurred before
