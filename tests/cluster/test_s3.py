"""Recordings and transcripts in an object store that fails: what may pass is tried again, and the rest has a reason."""

import io
from pathlib import Path

import pytest
import soundfile

from asr import remote
from asr.errors import AsrError, AudioError
from asr.jobs.inputs import Inputs, find_recordings
from asr.jobs.outputs import Outputs
from asr.jobs.tables import ParquetRow
from asr.jobs.transcribe import transcribe_files
from asr.recognize.recognizer import Recognizer, load_model
from asr.remote import RemoteFile
from tests.cluster.conftest import Faults
from tests.recognize.test_recognizer import RATE, make_model, noise

fsspec = pytest.importorskip("fsspec", reason="needs fsspec: python -m pip install --editable '.[test-cluster]'")


def wav(seed: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, noise(1.0 + 0.3 * seed, seed), RATE, format="WAV")
    return buffer.getvalue()


def fill(count: int) -> None:
    for index in range(count):
        fsspec.filesystem("s3").pipe_file(f"bucket/in/sub/{index}.wav", wav(index))
    fsspec.filesystem("s3").pipe_file("bucket/in/notes.txt", b"no recording")


def names(*arguments: str, **more: str) -> list[tuple[str, str]]:
    recordings, errors = find_recordings(Inputs(arguments, **more))
    assert errors == []
    return [(recording.source.name, recording.name) for recording in recordings]


def test_folders_globs_files_lists_and_tables_by_url(s3: Faults, tmp_path: Path):
    fill(3)
    expected = [(f"s3://bucket/in/sub/{index}.wav", f"sub/{index}") for index in range(3)]
    assert names("s3://bucket/in") == expected
    assert names("s3://bucket/in/") == expected
    assert names("s3://bucket/in/**/*.wav") == expected
    assert names("s3://bucket/in/sub/1.wav") == [("s3://bucket/in/sub/1.wav", "1")]
    store = fsspec.filesystem("s3")
    store.pipe_file("bucket/list.txt", b"# two\ns3://bucket/in/sub/0.wav\n\ns3://bucket/in/sub/2.wav\n")
    assert [source for source, _ in names(list_file="s3://bucket/list.txt")] == [expected[0][0], expected[2][0]]
    store.pipe_file("bucket/in/lines.jsonl", b'{"path": "sub/0.wav"}\n{"audio_filepath": "s3://bucket/in/sub/1.wav"}\n')
    assert [source for source, _ in names("s3://bucket/in/lines.jsonl")] == [expected[0][0], expected[1][0]]
    _, errors = find_recordings(Inputs(["s3://bucket/none"]))
    assert "no recording" in str(errors[0]) or "no such file" in str(errors[0])


def test_recordings_within_parquet_files(s3: Faults):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"audio": {"bytes": wav(seed), "path": f"{seed}.wav"}} for seed in range(5)]
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=2)
    fsspec.filesystem("s3").pipe_file("bucket/table.parquet", buffer.getvalue())
    recordings, _ = find_recordings(Inputs(["s3://bucket/table.parquet"]))
    assert [recording.name for recording in recordings] == [str(seed) for seed in range(5)]
    assert isinstance(recordings[3].source, ParquetRow)
    assert recordings[3].source.read() == wav(3)


def run(s3: Faults, recognizer: Recognizer | None = None, *, skip_existing: bool = False) -> list[str]:
    recognizer = recognizer or Recognizer(make_model(), precision="fp32")
    outputs = Outputs(("json",), "s3://bucket/out", skip_existing)
    load = lambda: recognizer.transcribe_many  # noqa: E731
    return list(map(str, transcribe_files(Inputs(["s3://bucket/in"]), outputs, load=load).failures))


def test_errors_that_pass_are_tried_again_and_those_that_stay_have_a_reason(s3: Faults):
    fill(4)
    fsspec.filesystem("s3").pipe_file("bucket/in/broken.wav", wav(0))
    assert [text.split(":")[1] for text in run(s3)] == []
    store = fsspec.filesystem("s3")
    first = {name: store.cat_file(name) for name in store.find("bucket/out")}
    assert len(first) == 5
    store.rm("bucket/out", recursive=True)
    s3.plan, s3.always = [500, 503, 500, 503], 500
    (failure,) = run(s3)
    assert failure.startswith("s3://bucket/in/broken.wav: ")
    assert "5 times in a row" in failure
    assert "\n" not in failure
    assert s3.plan == []
    assert s3.count >= 4 + remote.ATTEMPTS
    assert {name: store.cat_file(name) for name in store.find("bucket/out")} == {
        name: content for name, content in first.items() if "broken" not in name
    }
    # The next run does what is missing, and nothing else.
    s3.always = None
    before = store.info("bucket/out/sub/0.json")["LastModified"]
    assert run(s3, skip_existing=True) == []
    store.invalidate_cache()
    assert store.info("bucket/out/sub/0.json")["LastModified"] == before
    assert store.cat_file("bucket/out/broken.json") == first["bucket/out/broken.json"]


def test_a_connection_that_breaks_off_is_taken_up_where_it_broke(s3: Faults, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remote, "_ONE_REQUEST", 4096)
    content = bytes(range(256)) * 200
    fsspec.filesystem("s3").pipe_file("bucket/x.wav", content)
    file = RemoteFile("s3://bucket/x.wav", len(content))
    start = file.read(5000)
    s3.plan = [500, 500]
    rest = b"".join(iter(lambda: file.read(5000), b""))
    assert start + rest == content
    assert s3.plan == []


def test_slow_answers_are_waited_for_and_stalled_ones_have_a_reason(s3: Faults):
    fill(4)
    fsspec.filesystem("s3").pipe_file("bucket/in/broken.wav", wav(0))
    assert run(s3) == []
    store = fsspec.filesystem("s3")
    first = {name: store.cat_file(name) for name in store.find("bucket/out")}
    store.rm("bucket/out", recursive=True)
    s3.plan, s3.always = ["slow", "stalled", "cut", "slow", "stalled"], "stalled"
    (failure,) = run(s3)
    assert failure.startswith("s3://bucket/in/broken.wav: no answer in time, 5 times in a row")
    assert "check the network" in failure
    assert "\n" not in failure
    assert s3.plan == []
    assert {name: store.cat_file(name) for name in store.find("bucket/out")} == {
        name: content for name, content in first.items() if "broken" not in name
    }


def test_a_cluster_reads_from_and_writes_to_a_store_that_fails(s3: Faults, tmp_path: Path):
    pytest.importorskip("ray")
    from asr.cluster.job import ClusterOptions, transcribe_on_cluster
    from asr.recognize.model_folder import save_model

    fill(6)
    store = fsspec.filesystem("s3")
    store.pipe_file("bucket/in/broken.wav", b"RIFF, and no more")
    save_model(make_model(), tmp_path / "model")  # in 16 bits
    (expected,) = run(s3, load_model(tmp_path / "model", device="cpu", precision="fp32"))
    single = {name: store.cat_file(name) for name in store.find("bucket/out")}
    store.rm("bucket/out", recursive=True)
    s3.plan = [500, 503, "cut", "slow", 500, 503]
    options = ClusterOptions("local:2", str(tmp_path / "model"), precision="fp32")
    outputs = Outputs(("json",), "s3://bucket/out", skip_existing=True)
    summary = transcribe_on_cluster(Inputs(["s3://bucket/in"]), outputs, options)
    assert list(map(str, summary.failures)) == [expected]
    assert (summary.files, summary.skipped) == (7, 0)
    assert s3.plan == []
    store.invalidate_cache()
    assert {name: store.cat_file(name) for name in store.find("bucket/out")} == single
    assert len(single) == 6


def test_reasons_are_one_line(s3: Faults, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(AudioError, match=r"s3://none does not exist|no such file"):
        RemoteFile("s3://none/x.wav").read()
    with pytest.raises(AsrError, match=r"s3://none does not exist; check its name, or create it"):
        remote.check_writable("s3://none/out")
    with pytest.raises(AudioError, match=r"s3://bucket/x\.wav: no such file; check the URL"):
        RemoteFile("s3://bucket/x.wav").read()
    with pytest.raises(AsrError, match="nothing here opens nfs9://"):
        remote.read_file("nfs9://server/x")
    assert "no answer in time" in remote.explain("s3://bucket/x", TimeoutError())


def test_missing_credentials_are_named(s3: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # nor has this machine a role
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    for request in (lambda: remote.check_writable("s3://bucket/out"), RemoteFile("s3://bucket/x.wav").read):
        with pytest.raises(AsrError, match="no credentials for s3; set AWS_ACCESS_KEY_ID") as caught:
            request()
        assert "\n" not in str(caught.value)


def test_outputs_elsewhere_are_moved_to_their_names(tmp_path: Path):
    """A store that shows files while they are written gets them under another name first."""
    folder = f"local://{tmp_path}/out"
    remote.write_file(f"{folder}/a/x.txt", b"whole")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == ["out/a/x.txt"]
    assert remote.list_names(folder) == {"a/x.txt": 5}
    assert remote.list_names(f"{folder}/none") == {}
