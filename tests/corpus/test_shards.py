"""Shards hold the sound of the recordings they were made of, where their manifest says, and are written once."""

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import CutSet
from typer.testing import CliRunner

from asr.cli.commands import app
from asr.corpus import doctor
from asr.corpus.cuts import load_cuts, read_waveform
from asr.corpus.doctor import diagnose
from asr.corpus.prepare import prepare
from asr.corpus.ranges import range_of
from asr.corpus.shards import Folder, write_shards
from asr.errors import AsrError, CorpusError

RATE = 16000
TEXTS = {"sixteen": "one", "twentyfour": "two", "stereo": "three", "float": "four", "flac": "five"}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Recordings of several kinds, and one whose utterances are cut out of it."""
    rng, source = np.random.default_rng(0), tmp_path / "source"
    source.mkdir()
    noise = lambda seconds, *more: rng.uniform(-0.9, 0.9, (round(seconds * RATE), *more))  # noqa: E731
    soundfile.write(source / "sixteen.wav", noise(1.01), RATE)
    soundfile.write(source / "twentyfour.wav", noise(0.5), RATE, subtype="PCM_24")
    soundfile.write(source / "stereo.wav", noise(0.7, 2), RATE)
    soundfile.write(source / "float.wav", noise(0.6), RATE, subtype="FLOAT")
    soundfile.write(source / "flac.flac", noise(0.8), 8000)
    soundfile.write(source / "long.wav", noise(5), RATE)
    names = [*(f"{name}.wav" for name in list(TEXTS)[:-1]), "flac.flac"]
    (source / "wav.scp").write_text("".join(f"{Path(name).stem} {source / name}\n" for name in [*names, "long.wav"]))
    segments = [f"{name} {name} 0 -1\n" for name in TEXTS] + [f"long{i} long {i}.0101 {i}.9\n" for i in range(4)]
    (source / "segments").write_text("".join(segments))
    texts = {**TEXTS, **{f"long{i}": "six" for i in range(4)}}
    (source / "text").write_text("".join(f"{name} {text}\n" for name, text in texts.items()))
    prepare("kaldi", source, tmp_path / "cuts")
    return next((tmp_path / "cuts").glob("*.jsonl.gz"))


def shard(manifest: Path, output: Path, **options: object) -> Path:
    (done,) = write_shards([manifest], output, **options)
    assert done.left_out == []
    return Path(done.manifest)


def members(folder: Path) -> Iterator[tuple[str, bytes]]:
    """What another program finds in the tar files."""
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                yield member.name, tar.extractfile(member).read()


@pytest.mark.parametrize("flac", [False, True])
def test_utterances_in_shards_sound_as_in_their_recordings(manifest: Path, tmp_path: Path, flac: bool):
    shards = shard(manifest, tmp_path / "shards", flac=flac, megabytes=0.1)
    before, after = list(load_cuts([manifest])), list(load_cuts([shards]))
    stored = dict(members(shards.parent))
    assert len(list(shards.parent.glob("*.tar"))) > 2
    assert [cut.id for cut in before] == [cut.id for cut in after]
    for old, new in zip(before, after, strict=True):
        is_copied = not flac and not old.id.startswith("long")
        suffix = Path(old.recording.sources[0].source).suffix if is_copied else ".flac"
        content = stored[f"{new.id}{suffix}"]
        place = range_of(new)
        with Path(place.file).open("rb") as file:
            file.seek(place.start)
            assert file.read(place.size) == content
        if is_copied:
            assert content == Path(old.recording.sources[0].source).read_bytes()
        expected, found = read_waveform(old, RATE), read_waveform(new, RATE)
        # 16 bits hold no floats.
        tolerance = 0.51 / (1 << 15) if flac and old.id == "float" else 0
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
        assert (new.duration, new.supervisions[0].text) == (old.duration, old.supervisions[0].text)
    assert (shards.parent / shards.name.replace(".jsonl.gz", ".txt")).read_text().split() == [
        cut.supervisions[0].text for cut in before
    ]


def test_an_interrupted_job_goes_on_where_it_was(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = shard(manifest, tmp_path / "whole", megabytes=0.05).parent
    write = Folder.write

    def fail(self: Folder, name: str, content: bytes) -> None:
        if name.endswith("-00002.json.gz"):
            raise AsrError("no space left")
        write(self, name, content)

    output = tmp_path / "shards"
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", fail)
        with pytest.raises(AsrError, match="no space"):
            list(write_shards([manifest], output, megabytes=0.05))
    assert not list(output.glob("*.jsonl.gz"))
    before = {path.name: path.stat().st_mtime_ns for path in output.glob("*-0000[01].tar")}
    assert len(before) == 2
    shard(manifest, output, megabytes=0.05)
    assert {name: (output / name).stat().st_mtime_ns for name in before} == before
    files = {path.name for path in whole.iterdir()}
    assert {path.name for path in output.iterdir()} == files
    for name in files:
        assert name.endswith("verdicts.gz") or (output / name).read_bytes() == (whole / name).read_bytes(), name
    # What is done is not done again, and other options or another manifest make other shards.
    everything = {path: path.stat().st_mtime_ns for path in output.iterdir()}
    shard(manifest, output, megabytes=0.05)
    assert {path: path.stat().st_mtime_ns for path in output.iterdir()} == everything
    CutSet(list(load_cuts([manifest]))[1:]).to_file(manifest)
    shards = shard(manifest, output, megabytes=0.05)
    assert [cut.id for cut in load_cuts([shards])] == [cut.id for cut in load_cuts([manifest])]
    assert all(len(read_waveform(cut, RATE)) > 0 for cut in load_cuts([shards]))


def test_a_shard_that_is_missing_or_cut_off_is_written_again(manifest: Path, tmp_path: Path):
    shards = shard(manifest, tmp_path / "shards", megabytes=0.05)
    path = shards.parent / f"{shards.name[: -len('.jsonl.gz')]}-00001.tar"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    shard(manifest, tmp_path / "shards", megabytes=0.05)
    assert path.read_bytes() == content


@pytest.fixture
def partly_broken(tmp_path: Path) -> Path:
    """The manifest of a fine recording, a silent one, and one that has been overwritten since."""
    rng = np.random.default_rng(0)
    for name in ("fine", "silent", "broken"):
        soundfile.write(tmp_path / f"{name}.wav", (name != "silent") * 0.1 * rng.standard_normal(RATE), RATE)
    (tmp_path / "all.tsv").write_text("".join(f"{name}.wav\tyes\n" for name in ("fine", "silent", "broken")))
    (tmp_path / "tables").mkdir()
    for path in [*tmp_path.glob("*.wav"), tmp_path / "all.tsv"]:
        path.rename(tmp_path / "tables" / path.name)
    prepare("tsv", tmp_path / "tables", tmp_path / "cuts")
    (tmp_path / "tables" / "broken.wav").write_bytes(b"no sound")
    return tmp_path / "cuts" / "all.jsonl.gz"


def test_the_command_lists_what_it_leaves_out(partly_broken: Path, tmp_path: Path):
    result = CliRunner().invoke(app, ["shard", str(partly_broken), "-o", str(tmp_path / "shards")])
    assert result.exit_code == 1
    assert "broken\tunreadable\t" in result.stdout
    assert f"{tmp_path / 'shards' / 'all.jsonl.gz'}\t2 utterances\t0.00 h\t1 shards" in result.stdout


def test_doctor_finds_the_same_by_verdicts_that_are_copied_with_the_shards(
    partly_broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (done,) = write_shards([partly_broken], tmp_path / "shards")
    assert [(problem.utterance, problem.kind) for problem in done.left_out] == [("broken", "unreadable")]
    assert (done.num_utterances, done.num_shards, done.seconds) == (2, 1, 2.0)
    shutil.copytree(tmp_path / "shards", tmp_path / "copy")
    shutil.rmtree(tmp_path / "shards")
    with monkeypatch.context() as patch:
        patch.setattr(doctor, "_check_audio", lambda cuts: pytest.fail("sound was read"))
        problems = diagnose([tmp_path / "copy" / "all.jsonl.gz"])
    assert [(problem.utterance, problem.kind) for problem in problems] == [("silent", "silent")]
    (tmp_path / "copy" / "all.jsonl.gz.verdicts.gz").unlink()
    assert diagnose([tmp_path / "copy" / "all.jsonl.gz"]) == problems


def test_what_is_wrong_with_shards_is_said_in_a_line(manifest: Path, tmp_path: Path):
    shards = shard(manifest, tmp_path / "shards", megabytes=0.05)
    cut = next(iter(load_cuts([shards])))
    tar = Path(range_of(cut).file)
    content = tar.read_bytes()
    tar.write_bytes(content[:1000])
    with pytest.raises(CorpusError, match=r"-00000\.tar: the shard is cut off; copy it again"):
        read_waveform(cut, RATE)
    tar.write_bytes(bytes(len(content)))
    with pytest.raises(AsrError, match=r"-00000\.tar#512\+\d+: no sound: .*make the shards again"):
        read_waveform(cut, RATE)
    cut.recording.num_samples += 1
    tar.write_bytes(content)
    with pytest.raises(AsrError, match="the manifest says 16161 at 16000 Hz, the shard has 16160 samples at 16000 Hz"):
        read_waveform(cut, RATE)
    tar.unlink()
    with pytest.raises(CorpusError, match=r"-00000\.tar: no such shard; copy it there"):
        diagnose([shards])
    with pytest.raises(CorpusError, match="two manifests are named x"):
        list(write_shards(["a/x.jsonl.gz", "b/x.jsonl"], tmp_path))


def test_a_manifest_is_not_replaced_by_that_of_its_shards(manifest: Path):
    before = manifest.read_bytes()
    for folder in (manifest.parent, manifest.parent / "." / ".." / manifest.parent.name):
        with pytest.raises(CorpusError, match="lies in the output folder; choose another"):
            list(write_shards([manifest], folder))
    with pytest.raises(CorpusError, match="lies in the output folder"):
        list(write_shards([f"file://{manifest}"], f"file://{manifest.parent}"))
    with pytest.raises(CorpusError, match="lies in the output folder"):
        list(write_shards(["s3://bucket/speech/train.jsonl.gz"], "s3://bucket/speech/"))
    assert manifest.read_bytes() == before
