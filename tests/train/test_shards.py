"""Training from shards is training from the recordings."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from asr.config import Config
from asr.corpus import doctor
from asr.corpus.shards import write_shards
from asr.errors import CorpusError
from asr.train.run import train

PARTS = ("train", "dev")


def read_from(folder: Path | str) -> list[str]:
    return [f"corpus.{part}=[{folder}/{part}.jsonl.gz]" for part in PARTS]


@pytest.fixture
def shards(tone_manifests: Path, tmp_path: Path) -> Path:
    manifests = [tone_manifests / f"{part}.jsonl.gz" for part in PARTS]
    done = list(write_shards(manifests, tmp_path / "shards", flac=True, megabytes=0.2))
    assert [(one.num_utterances, one.left_out) for one in done] == [(48, []), (12, [])]
    assert done[0].num_shards > 3
    return tmp_path / "shards"


def test_shards_give_the_weights_that_files_give(conf: Path, shards: Path, tmp_path: Path, monkeypatch):
    files = train(Config.load(conf, [f"output={tmp_path / 'files'}"]))
    # The first start takes the doctor's word from beside the shards.
    monkeypatch.setattr(doctor, "_check_audio", lambda cuts: pytest.fail("sound was read"))
    ours = load_file(files / "model.safetensors")
    for num_workers in (0, 1):
        output = tmp_path / f"shards-{num_workers}"
        train(Config.load(conf, [f"output={output}", f"train.num_workers={num_workers}", *read_from(shards)]))
        theirs = load_file(output / "model.safetensors")
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_shard_that_disappears_ends_training_with_a_line(
    conf: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_workers: int
):
    from asr.train import run

    measure = run.measure_features

    def remove_then(*arguments: object) -> object:
        measured = measure(*arguments)
        for path in shards.glob("train-*.tar"):
            path.unlink()
        return measured

    monkeypatch.setattr(run, "measure_features", remove_then)
    with pytest.raises(CorpusError, match=r"train-0000\d\.tar: no such shard; copy it there") as raised:
        train(Config.load(conf, [f"train.num_workers={num_workers}", *read_from(shards)]))
    assert "\n" not in str(raised.value)
