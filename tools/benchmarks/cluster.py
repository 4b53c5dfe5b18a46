"""What a cluster on this machine does: the files of one machine whatever dies, and the throughput of its workers.

    python tools/benchmarks/cluster.py deaths CORPUS... --recordings 2000      kill a node, then the driver, then finish
    python tools/benchmarks/cluster.py throughput CORPUS... --recordings 400   one command, one worker, two workers

Two cores of which each is a thread of the same core of the processor are slower together than alone, whoever uses them.
So `throughput` also times one worker while a command keeps the other core busy: two workers against that worker shows
what the cluster costs.

CORPUS is a folder with recordings. Where it has fewer than are asked for, they are taken again in other loudness, so
that no two files are alike. `deaths` adds 30 files that are broken in different ways and one of hours, joined
from the others. Exits 1 if a file differs from those of a single machine, or a failure is not listed once.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from asr.signal.audio import AUDIO_SUFFIXES, load_audio

RATE = 16000
PORT = 6399
BROKEN = 30
ASR = [sys.executable, "-m", "asr", "transcribe"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}  # single cores throughout


def write_recordings(corpora: list[Path], folder: Path, count: int) -> None:
    """Write so many recordings as FLAC; the second time that one is taken it is quieter."""
    paths = sorted(path for corpus in corpora for path in corpus.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not paths:
        sys.exit(f"{corpora}: no recordings")
    folder.mkdir(parents=True)
    for index in range(count):
        waveform = load_audio(paths[index % len(paths)], on_warning=lambda warning: None)
        soundfile.write(folder / f"{index:05d}.flac", waveform * 0.8 ** (index // len(paths)), RATE)


def write_hard_ones(folder: Path, long_seconds: float) -> None:
    """Write one recording of hours, and thirty that are broken."""
    paths = sorted(folder.glob("*.flac"))
    with soundfile.SoundFile(folder / "long.flac", "w", RATE, 1) as long:
        written, index = 0, 0
        while written < long_seconds * RATE:
            waveform = soundfile.read(paths[index % len(paths)], dtype="float32")[0]
            long.write(np.concatenate([waveform, np.zeros(RATE // 2, np.float32)]))
            written, index = written + len(waveform) + RATE // 2, index + 1
    rng = np.random.default_rng(0)
    for number in range(BROKEN):
        whole = paths[number].read_bytes()
        contents = [b"", rng.bytes(4000), whole[: len(whole) // 2], b"RIFF" + bytes(40), whole[:30]]
        (folder / f"broken-{number:02d}.flac").write_bytes(contents[number % len(contents)])


def start_nodes(count: int) -> list[subprocess.Popen[bytes]]:
    """Start Ray's head and further nodes with one core each, as processes that can be killed."""
    ray = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--num-cpus=1"]
    ray += ["--object-store-memory=300000000"]
    head, other = ["--head", f"--port={PORT}", "--include-dashboard=false"], [f"--address=127.0.0.1:{PORT}"]
    nodes: list[subprocess.Popen[bytes]] = []
    for index in range(count):
        command = [*ray, *(head if index == 0 else other)]
        nodes.append(subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        for line in nodes[-1].stdout or ():
            if b"Ray runtime started" in line:
                break
        else:
            sys.exit(f"{' '.join(command)}: did not start")
    return nodes


def kill(node: subprocess.Popen[bytes]) -> None:
    """Kill a node with all its processes at once, as a machine that loses its power does."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    family = [node.pid]
    for pid in family:
        family += [child for child, parent in parents.items() if parent == pid]
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    node.wait()


def wait_for(folder: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    while len(list(folder.glob("*.json"))) < count and process.poll() is None:
        time.sleep(0.05)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check_deaths(work: Path, model: str) -> bool:
    """Kill a node half way, then the driver, and start it again; compare with what one machine writes."""
    options = ["in", "-m", model, "-f", "json"]
    started = time.monotonic()
    subprocess.run([*ASR, *options, "-o", "single", "--report", "single-report.json"], cwd=work, env=ENVIRONMENT)
    print(f"one machine: {time.monotonic() - started:.0f} s", flush=True)
    count = len(list((work / "in").iterdir()))
    nodes = start_nodes(3)
    command = [*ASR, *options, "-o", "cluster", "--cluster", f"127.0.0.1:{PORT}", "--skip-existing"]
    command += ["--report", "cluster-report.json"]
    started = time.monotonic()
    try:
        driver = subprocess.Popen(command, cwd=work, env=ENVIRONMENT)
        wait_for(work / "cluster", count // 2, driver)
        kill(nodes[2])
        print(f"a node was killed after {time.monotonic() - started:.0f} s", flush=True)
        wait_for(work / "cluster", 3 * count // 4, driver)
        driver.kill()
        driver.wait()
        print(f"the driver was killed after {time.monotonic() - started:.0f} s", flush=True)
        subprocess.run(command, cwd=work, env=ENVIRONMENT)
        print(f"finished after {time.monotonic() - started:.0f} s", flush=True)
    finally:
        for node in (*nodes[1:2], nodes[0]):
            kill(node)
    single, cluster = contents(work / "single"), contents(work / "cluster")
    failures = [json.loads((work / f"{name}-report.json").read_text())["failures"] for name in ("single", "cluster")]
    checks = {
        f"{len(single)} files are the same, and there are no others": single == cluster,
        f"{len(failures[1])} failures are listed once": failures[0] == failures[1] == sorted(set(failures[1])),
        "nothing is half-written": not list(work.glob("cluster/.partial-*")),
    }
    for text, is_right in checks.items():
        print(f"{'yes' if is_right else 'NO '}  {text}")
    return all(checks.values())


def start(command: list[str], work: Path, cores: set[int]) -> subprocess.Popen[bytes]:
    """Start a command whose processes, Ray's among them, use these cores only."""

    def pin() -> None:
        os.sched_setaffinity(0, cores)

    return subprocess.Popen(command, cwd=work, env=ENVIRONMENT, stderr=subprocess.DEVNULL, preexec_fn=pin)


def time_two_commands(work: Path, model: str) -> float:
    """Time two commands side by side, each on every other recording; their time is that of the slower."""
    paths = sorted((work / "in").iterdir())
    processes = []
    for index in range(2):
        (work / f"half-{index}.txt").write_text("".join(f"{path.absolute()}\n" for path in paths[index::2]))
        shutil.rmtree(work / f"out-{index}", ignore_errors=True)
        command = [*ASR, "--list", f"half-{index}.txt", "-m", model, "-f", "json", "-o", f"out-{index}"]
        command += ["--report", f"report-{index}.json"]
        processes.append(start(command, work, {index}))
    for process in processes:
        process.wait()
    reports = [json.loads((work / f"report-{index}.json").read_text()) for index in range(2)]
    return max(report["elapsed_seconds"] - report["starting_seconds"] for report in reports)


@contextmanager
def busy_core(core: int, work: Path, model: str) -> Iterator[None]:
    """Keep a core busy with commands, one after the other, while the block runs."""
    command = [*ASR, "in", "-m", model, "-f", "json", "-o", "beside"]
    current = [start(command, work, {core})]
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.is_set():
            current[0].wait()
            if not is_over.is_set():
                current[0] = start(command, work, {core})

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        while thread.is_alive():  # it may just have started another
            current[0].kill()
            thread.join(0.1)


def measure_throughput(work: Path, model: str, passes: int) -> None:
    """Time commands and workers in turn, each from when it has its model."""
    options = ["in", "-m", model, "-f", "json"]
    # A worker's own threads are two, so only pinning makes it a worker of one core.
    runs = {
        "one command": ({0}, []),
        "one worker": ({0}, ["--cluster", "local:1"]),
        "one worker beside a command": ({0}, ["--cluster", "local:1"]),
        "two workers": ({0, 1}, ["--cluster", "local:2"]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in (*runs, "two commands")}
    for _ in range(passes):
        for name, (cores, more) in runs.items():
            shutil.rmtree(work / "out", ignore_errors=True)
            command = [*ASR, *options, "-o", "out", "--report", "report.json", *more]
            with busy_core(1, work, model) if "beside" in name else contextlib.nullcontext():
                start(command, work, cores).wait()
            report = json.loads((work / "report.json").read_text())
            seconds[name].append(report["elapsed_seconds"] - report["starting_seconds"])
        seconds["two commands"].append(time_two_commands(work, model))
    best = {name: min(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(f"{name}: {', '.join(f'{value:.1f}' for value in values)} s")
    print(f"one worker against one command: {best['one command'] / best['one worker']:.2f}")
    print(f"two workers against one: {best['one worker'] / best['two workers']:.2f}")
    shared = best["one worker beside a command"] / best["two workers"]
    print(f"two workers against one whose neighbour is busy: {shared:.2f}")
    ceiling = best["one command"] / best["two commands"]
    print(f"two commands on a half each against one on all, which is what this machine can do: {ceiling:.2f}")
    print(f"two workers against that: {best['two commands'] / best['two workers']:.2f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["deaths", "throughput"])
    parser.add_argument("corpora", nargs="+", type=Path, metavar="CORPUS")
    parser.add_argument("--recordings", type=int, default=2000)
    parser.add_argument("--model", default="an4")
    parser.add_argument("--hours", type=float, default=3.0, help="of the long recording")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("build/cluster"), help="emptied first")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    shutil.rmtree(arguments.work, ignore_errors=True)
    write_recordings(arguments.corpora, arguments.work / "in", arguments.recordings)
    if arguments.what == "throughput":
        measure_throughput(arguments.work, arguments.model, arguments.passes)
        return
    write_hard_ones(arguments.work / "in", 3600 * arguments.hours)
    sys.exit(0 if check_deaths(arguments.work, arguments.model) else 1)


if __name__ == "__main__":
    main()
