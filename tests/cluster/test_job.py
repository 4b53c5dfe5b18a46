"""A cluster writes what one machine writes, byte for byte, whatever dies meanwhile."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asr.cluster.connect import explain
from asr.cluster.dataset import _as_source
from asr.cluster.job import ClusterOptions, transcribe_on_cluster
from asr.cluster.units import Item
from asr.cluster.worker import Outcome, PartInfo, Worker
from asr.errors import AsrError
from asr.jobs.inputs import Inputs
from asr.jobs.outputs import Outputs
from asr.jobs.transcribe import transcribe_files
from asr.recognize.model_folder import save_model
from asr.recognize.recognizer import load_model
from asr.signal.audio import load_audio
from tests.jobs.reporting import RecordingReporter
from tests.recognize.test_recognizer import RATE, make_model

pytest.importorskip("ray", reason="needs Ray: python -m pip install --editable '.[test-cluster]'")


class SlowWorker(Worker):
    """Takes its time, so that others can die meanwhile, dies itself of one recording, and cannot read another."""

    def transcribe(self, items: Sequence[Item]) -> list[Outcome]:
        if any("poison" in item.recording.name for item in items):
            os._exit(1)
        time.sleep(0.15 * len(items))
        return super().transcribe(items)

    def next_part(self, item: Item, number: int) -> tuple[PartInfo, Any]:
        if "huge" in item.recording.name:
            raise MemoryError("no room for it")
        return super().next_part(item, number)


def write_speech(folder: Path, *, count: int, long_seconds: float) -> None:
    """Bursts of noise with pauses, from which any model makes some text; a long one; and two that are broken."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for index in range(count):
        soundfile.write(folder / f"short-{index:03d}.wav", _bursts(rng, rng.uniform(0.5, 3.0)), RATE)
    if long_seconds:
        soundfile.write(folder / "long.wav", _bursts(rng, long_seconds), RATE)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "noise.flac").write_bytes(rng.bytes(5000))


def _bursts(rng: np.random.Generator, seconds: float) -> Any:
    samples = rng.standard_normal(int(seconds * RATE)).astype(np.float32)
    bursts = np.repeat(rng.choice([0.0, 0.02, 0.1, 0.2], size=len(samples) // 1600 + 1), 1600)[: len(samples)]
    return samples * bursts


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_single(inputs: Inputs, outputs: Outputs, model: Path) -> list[str]:
    recognizer = load_model(model, device="cpu", precision="fp32")
    return list(map(str, transcribe_files(inputs, outputs, load=lambda: recognizer.transcribe_many).failures))


def test_a_cluster_writes_what_one_machine_writes_though_a_node_is_killed(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save_model(make_model(), tmp_path / "model")
    write_speech(tmp_path / "in", count=60, long_seconds=95.0)
    # So that there is much to be handed out, a long recording of many parts among it. Workers know their own limits.
    monkeypatch.setattr("asr.cluster.units._LARGEST", 6.0)
    monkeypatch.setattr("asr.cluster.units._SMALLEST", 2.0)
    monkeypatch.setattr("asr.cluster.units.LONG_SECONDS", 60.0)
    monkeypatch.setattr("asr.cluster.schedule.Worker", SlowWorker)
    monkeypatch.chdir(tmp_path)
    inputs, options = Inputs(["in"]), ClusterOptions("auto", str(tmp_path / "model"), precision="fp32")
    expected = run_single(inputs, Outputs(("json,srt",), tmp_path / "single"), tmp_path / "model")
    assert len(expected) == 2
    victim = threading.Thread(target=kill_node_when, args=(cluster, tmp_path / "cluster", 20))
    victim.start()
    reporter = RecordingReporter()
    outputs = Outputs(("json,srt",), tmp_path / "cluster")
    summary = transcribe_on_cluster(inputs, outputs, options, reporter=reporter)
    victim.join()
    assert contents(tmp_path / "cluster") == contents(tmp_path / "single")
    assert list(map(str, summary.failures)) == expected
    assert (summary.files, summary.done, summary.skipped) == (63, 63, 0)
    assert any("workers died" in line for line, _ in reporter.lines)
    # Everything is done but what failed, and that is tried and listed again.
    again = transcribe_on_cluster(inputs, Outputs(("json,srt",), tmp_path / "cluster", skip_existing=True), options)
    assert (again.skipped, list(map(str, again.failures))) == (61, expected)


def kill_node_when(cluster: Any, folder: Path, count: int) -> None:
    """Kill a node, with all its processes, when so many files are there."""
    while len(list(folder.glob("*.json"))) < count:
        time.sleep(0.05)
    cluster.remove_node(next(node for node in cluster.worker_nodes), allow_graceful=False)


def test_a_recording_that_kills_workers_fails_alone(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_model(make_model(), tmp_path / "model")
    write_speech(tmp_path / "in", count=8, long_seconds=0)
    (tmp_path / "in" / "short-003.wav").rename(tmp_path / "in" / "poison.wav")
    monkeypatch.setattr("asr.cluster.schedule.Worker", SlowWorker)
    options = ClusterOptions("auto", str(tmp_path / "model"), precision="fp32")
    summary = transcribe_on_cluster(Inputs([str(tmp_path / "in")]), Outputs(("txt",), tmp_path / "out"), options)
    failures = list(map(str, summary.failures))
    assert [Path(text.split(":")[0]).stem for text in failures] == ["empty", "noise", "poison"]
    assert "3 workers died over it" in failures[2]
    assert len(list((tmp_path / "out").glob("*.txt"))) == 7


def test_a_long_recording_that_cannot_be_held_fails_alone(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save_model(make_model(), tmp_path / "model")
    write_speech(tmp_path / "in", count=4, long_seconds=20.0)
    (tmp_path / "in" / "long.wav").rename(tmp_path / "in" / "huge.wav")
    monkeypatch.setattr("asr.cluster.units.LONG_SECONDS", 10.0)
    monkeypatch.setattr("asr.cluster.schedule.Worker", SlowWorker)
    options = ClusterOptions("auto", str(tmp_path / "model"), precision="fp32")
    summary = transcribe_on_cluster(Inputs([str(tmp_path / "in")]), Outputs(("txt",), tmp_path / "out"), options)
    failures = {Path(text.split(":")[0]).stem: text for text in map(str, summary.failures)}
    assert sorted(failures) == ["empty", "huge", "noise"]
    assert failures["huge"].endswith("huge.wav: MemoryError: no room for it")
    assert len(list((tmp_path / "out").glob("*.txt"))) == 4


def test_shards_hold_each_recording_once(cluster: Any, tmp_path: Path):
    import pyarrow.parquet

    save_model(make_model(), tmp_path / "model")
    write_speech(tmp_path / "in", count=12, long_seconds=0)
    inputs = Inputs([str(tmp_path / "in")])
    run_single(inputs, Outputs(("txt",), tmp_path / "single"), tmp_path / "model")
    texts = {path.stem: path.read_text().rstrip("\n") for path in (tmp_path / "single").glob("*.txt")}
    for kind in ("parquet", "jsonl"):
        options = ClusterOptions("auto", str(tmp_path / "model"), precision="fp32", shards=kind)
        outputs = Outputs(("txt",), tmp_path / kind, skip_existing=True)
        assert len(transcribe_on_cluster(inputs, outputs, options).failures) == 2
        assert transcribe_on_cluster(inputs, outputs, options).skipped == 12
    rows = [row for path in (tmp_path / "parquet").iterdir() for row in pyarrow.parquet.read_table(path).to_pylist()]
    assert {row["name"]: row["text"] for row in rows} == texts
    assert len(rows) == 12
    assert sum(len(path.read_text().splitlines()) for path in (tmp_path / "jsonl").iterdir()) == 12


def test_a_data_set_gets_transcripts_and_errors_as_columns(cluster: Any, tmp_path: Path):
    import asr.cluster

    save_model(make_model(), tmp_path / "model")
    write_speech(tmp_path / "in", count=5, long_seconds=0)
    run_single(Inputs([str(tmp_path / "in")]), Outputs(("txt",), tmp_path / "single"), tmp_path / "model")
    rows = asr.cluster.transcribe(str(tmp_path / "in"), model=str(tmp_path / "model"), precision="fp32", workers=1)
    found = {Path(row["path"]).stem: row for row in rows.take_all()}
    assert {name for name, row in found.items() if row["error"]} == {"empty", "noise"}
    for path in (tmp_path / "single").glob("*.txt"):
        assert found[path.stem]["text"] == path.read_text().rstrip("\n")


def test_a_column_holds_paths_urls_bytes_or_structs(tmp_path: Path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros(RATE, np.float32), RATE)
    values = [str(path), path.as_uri(), path.read_bytes(), {"bytes": None, "path": str(path)}]
    values.append({"bytes": path.read_bytes(), "path": "calls/x.wav"})
    sources = list(map(_as_source, values))
    assert [len(load_audio(source)) for source in sources] == 5 * [RATE]
    assert sources[-1].name == "calls/x.wav"


def test_the_driver_is_killed_and_the_next_one_continues(tmp_path: Path):
    save_model(make_model(), tmp_path / "model")
    write_speech(tmp_path / "in", count=40, long_seconds=0)
    run_single(Inputs([str(tmp_path / "in")]), Outputs(("txt",), tmp_path / "single"), tmp_path / "model")
    command = [sys.executable, "-m", "asr", "transcribe", str(tmp_path / "in"), "--model", str(tmp_path / "model")]
    command += ["--cluster", "local:1", "-o", str(tmp_path / "out"), "--precision", "fp32", "--skip-existing"]
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not list((tmp_path / "out").glob("*.txt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert not list((tmp_path / "out").glob("*.tmp"))
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1  # two cannot be read
    assert ended.stderr.count("failed:") == 2
    whole = {name: text for name, text in contents(tmp_path / "out").items() if not name.startswith(".partial-")}
    assert whole == contents(tmp_path / "single")


@pytest.mark.parametrize(
    ("cluster_name", "message"),
    [
        ("auto", "no cluster runs here"),
        ("left behind", "no cluster runs here"),
        ("127.0.0.1:1", "no cluster answers at that address"),
        ("everywhere", "expected auto, ray://HOST:PORT, local"),
    ],
)
def test_clusters_that_are_not_there(cluster_name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if cluster_name == "left behind":  # by a cluster that was killed: Ray itself would wait for it
        cluster_name = "auto"
        monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda folder: "127.0.0.1:1")
    write_speech(tmp_path / "in", count=1, long_seconds=0)
    save_model(make_model(), tmp_path / "model")
    options = ClusterOptions(cluster_name, str(tmp_path / "model"))
    with pytest.raises(AsrError, match=message) as caught:
        transcribe_on_cluster(Inputs([str(tmp_path / "in")]), Outputs(("txt",), tmp_path / "out"), options)
    assert "\n" not in str(caught.value)


def test_a_cluster_needs_an_output_folder():
    with pytest.raises(AsrError, match="give an output folder"):
        transcribe_on_cluster(Inputs(["x.wav"]), Outputs(), ClusterOptions("auto", "an4"))


@pytest.mark.parametrize("theirs", [("2.31.0", None), (None, "3.9.18")])
def test_other_versions_are_named_in_one_line(theirs: tuple[str | None, str | None]):
    import ray
    from ray._private.utils import check_version_info  # what raises the error, for clusters by any address

    python = ".".join(map(str, sys.version_info[:3]))
    metadata = {"ray_version": theirs[0] or ray.__version__, "python_version": theirs[1] or python}
    with pytest.raises(RuntimeError) as caught:
        check_version_info(metadata, "Ray Client", python_version_match_level="minor")
    text = explain("ray://head:10001", caught.value)
    assert text == (
        f"it runs Ray {metadata['ray_version']} and Python {metadata['python_version']}, "
        f"this machine Ray {ray.__version__} and Python {python}; install the same Ray and Python on all machines"
    )


@pytest.mark.slow
def test_a_cluster_by_its_address_for_clients_writes_the_same(tmp_path: Path):
    """By ray:// only a part of Ray's interface works; a long recording needs most of it."""
    save_model(make_model(), tmp_path / "model")
    write_speech(tmp_path / "in", count=3, long_seconds=700.0)
    run_single(Inputs([str(tmp_path / "in")]), Outputs(("txt",), tmp_path / "single"), tmp_path / "model")
    ray = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--num-cpus=1"]
    ray += ["--port=6397", "--ray-client-server-port=23797", "--include-dashboard=false"]
    ray += ["--object-store-memory=100000000", f"--temp-dir={tempfile.mkdtemp(prefix='ray')}"]
    head = subprocess.Popen(ray, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert any(b"Ray runtime started" in line for line in head.stdout)
        command = [sys.executable, "-m", "asr", "transcribe", str(tmp_path / "in"), "--model", str(tmp_path / "model")]
        command += ["--cluster", "ray://127.0.0.1:23797", "-o", str(tmp_path / "out"), "--precision", "fp32"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=110)
    finally:
        head.send_signal(signal.SIGTERM)
        head.wait(timeout=30)
    assert (ended.returncode, ended.stderr.count("failed:")) == (1, 2), ended.stderr
    assert contents(tmp_path / "out") == contents(tmp_path / "single")
