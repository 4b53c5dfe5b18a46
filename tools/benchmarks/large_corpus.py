"""How soon training begins on a large corpus: time to the first step and memory, at the first start and the second.

    python tools/benchmarks/large_corpus.py --utterances 300000

Makes a manifest of utterances of 2.6 to 4.6 s, some 300 hours of them, cut out of 100 generated recordings of a minute
each, which overlap: sound of 300 hours would be 35 GB, and reading it is what doctor's verdicts are for. So the first
start reads 100 minutes of sound. The second start resumes the run. Memory is that of all processes, shared pages once.
Exits 1 if a first step takes longer or more memory than it may.
"""

import argparse
import contextlib
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
RECORDINGS, SECONDS = 100, 60.0
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
MOST_SECONDS = {"first start": 60.0, "second start": 15.0}
MOST_GIGABYTES = 1.5


def write_corpus(folder: Path, count: int) -> None:
    """Write recordings of noise, the manifest `train.jsonl.gz`, and the first of it as `dev.jsonl.gz`."""
    (folder / "audio").mkdir(parents=True)
    rng = random.Random(0)
    for index in range(RECORDINGS):
        noise = 0.1 * np.random.default_rng(index).standard_normal(round(SECONDS * RATE))
        soundfile.write(folder / "audio" / f"{index:03d}.flac", noise, RATE)
    rows = [describe(folder / "audio", index, index * RECORDINGS // count, rng) for index in range(count)]
    for name, chosen in (("train", rows), ("dev", rows[:50])):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", compresslevel=3) as lines:
            lines.writelines(chosen)


def describe(audio: Path, index: int, recording: int, rng: random.Random) -> str:
    """Return the line of an utterance in a manifest."""
    name, duration = f"utterance-{index:07d}", round(rng.uniform(2.6, 4.6), 2)
    source = {"type": "file", "channels": [0], "source": str((audio / f"{recording:03d}.flac").absolute())}
    common = {"duration": duration, "channel": 0}
    text = " ".join(rng.choices(WORDS, k=6))
    supervision = {"id": name, "recording_id": f"{recording}", "start": 0.0, **common, "text": text}
    sound = {"id": f"{recording}", "sources": [source], "sampling_rate": RATE, "channel_ids": [0]}
    sound |= {"num_samples": round(SECONDS * RATE), "duration": SECONDS}
    start = round(rng.uniform(0, SECONDS - duration - 0.1), 2)
    row = {"id": name, "start": start, **common, "supervisions": [supervision], "recording": sound, "type": "MonoCut"}
    return json.dumps(row) + "\n"


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def gigabytes(pids: list[int]) -> float:
    """Return the memory of processes, what they share counted once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1e6


def processor_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def start(folder: Path, *arguments: str) -> tuple[float, float, float]:
    """Train until a step is done; return seconds, seconds of processor time and the highest memory in gigabytes."""
    last = folder / "model" / "run" / "last.pt"
    command = [sys.executable, "-m", "asr", "train", str(folder / "conf.yaml"), *arguments]
    started, most, used = time.monotonic(), 0.0, 0.0
    process = subprocess.Popen(command, process_group=0)
    before = last.stat().st_mtime_ns if last.exists() else None
    num_saved = 0 if before else -1  # a new run first saves that it has not begun
    while num_saved < 1:
        if process.poll() is not None:
            sys.exit(f"{' '.join(command)}: ended without a step")
        pids = family(process.pid)
        most, used = max(most, gigabytes(pids)), max(used, processor_seconds(pids))
        found = last.stat().st_mtime_ns if last.exists() else None
        if found != before:
            num_saved, before = num_saved + 1, found
        time.sleep(0.2)
    elapsed = time.monotonic() - started
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return elapsed, used, most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=300_000)
    parser.add_argument("--work", type=Path, default=Path("build/large-corpus"), help="emptied first")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    write_corpus(arguments.work, arguments.utterances)
    settings = {
        "corpus": {part: [str(arguments.work / f"{part}.jsonl.gz")] for part in ("train", "dev")},
        "output": str(arguments.work / "model"),
        "acoustic": {"num_layers": 1, "hidden_size": 64},
        "train": {"epochs": 1, "batch_seconds": 60, "num_workers": 1, "checkpoint_minutes": 0},
    }
    (arguments.work / "conf.yaml").write_text(json.dumps(settings))  # JSON is YAML
    is_good = True
    for name, more in (("first start", []), ("second start", ["--resume"])):
        seconds, used, most = start(arguments.work, *more)
        print(f"{name}: first step after {seconds:.1f} s ({used:.1f} s of processor time), {most:.2f} GB", flush=True)
        is_good = is_good and seconds <= MOST_SECONDS[name] and most <= MOST_GIGABYTES
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
