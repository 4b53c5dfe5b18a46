"""Shards in an object store that fails: written there, and trained from in processes of their own."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from asr import remote
from asr.config import Config
from asr.corpus.cuts import load_cuts, read_waveform
from asr.corpus.doctor import diagnose
from asr.corpus.ranges import fetch, range_of
from asr.corpus.shards import write_shards
from asr.errors import AsrError
from asr.train.run import train
from tests.cluster.conftest import Faults
from tests.train.conftest import conf  # noqa: F401  a fixture
from tests.train.test_shards import PARTS, read_from

fsspec = pytest.importorskip("fsspec", reason="needs fsspec: python -m pip install --editable '.[test-cluster]'")

URL = "s3://bucket/shards"


@pytest.fixture
def shards(s3: Faults, tone_manifests: Path) -> str:
    s3.plan = [500, 503, "slow", "cut", 500]
    manifests = [tone_manifests / f"{part}.jsonl.gz" for part in PARTS]
    done = list(write_shards(manifests, URL, flac=True, megabytes=0.2))
    assert [one.num_utterances for one in done] == [48, 12]
    assert s3.plan == []
    return URL


def test_training_from_a_store_that_fails_gives_the_weights_that_files_give(
    conf: Path,  # noqa: F811
    s3: Faults,
    shards: str,
    tmp_path: Path,
):
    files = load_file(train(Config.load(conf, [f"output={tmp_path / 'files'}"])) / "model.safetensors")
    s3.plan = [500, None, 503, None, "cut", None, "slow", None, "stalled", None] * 3
    output = train(Config.load(conf, ["train.num_workers=1", *read_from(shards)]))
    assert s3.plan == []
    stored = load_file(output / "model.safetensors")
    assert all(torch.equal(value, stored[name]) for name, value in files.items())


def test_a_job_goes_on_in_a_store_and_many_ranges_are_read_at_once(s3: Faults, shards: str, tone_manifests: Path):
    store = fsspec.filesystem("s3")
    before = {name: store.info(name)["LastModified"] for name in store.find("bucket/shards")}
    list(write_shards([tone_manifests / "train.jsonl.gz"], URL, flac=True, megabytes=0.2))
    store.invalidate_cache()
    assert {name: store.info(name)["LastModified"] for name in store.find("bucket/shards")} == before
    assert diagnose([f"{URL}/train.jsonl.gz", f"{URL}/dev.jsonl.gz"]) == []
    cuts = list(load_cuts([f"{URL}/train.jsonl.gz"]))
    fetched = fetch(cuts)
    assert set(fetched) == set(map(range_of, cuts))
    s3.always = 500
    originals = list(load_cuts([tone_manifests / "train.jsonl.gz"]))
    for old, new in zip(originals, cuts, strict=True):
        assert (read_waveform(new, 16000, fetched) == read_waveform(old, 16000)).all()


def test_what_is_missing_is_said_in_a_line(conf: Path, shards: str, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    def reason(*settings: str) -> str:
        with pytest.raises(AsrError) as raised:
            train(Config.load(conf, list(settings)))
        assert "\n" not in str(raised.value)
        return str(raised.value)

    fsspec.filesystem("s3").rm_file("bucket/shards/train-00001.tar")
    assert reason(*read_from(shards)) == "s3://bucket/shards/train-00001.tar: no such file; check the URL"
    assert "s3://nowhere does not exist; check its name, or create it" in reason(*read_from("s3://nowhere/x"))
    assert reason(*read_from("s3://bucket/none")).endswith("train.jsonl.gz: no such file; check the URL")
    with pytest.raises(AsrError, match="s3://nowhere/x: cannot be written to: s3://nowhere does not exist"):
        list(write_shards(["train.jsonl.gz"], "s3://nowhere/x"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "no credentials for s3; set AWS_ACCESS_KEY_ID" in reason(*read_from(shards))
    assert remote.ATTEMPTS == 5
