"""Measure how long `asr transcribe` of one short recording takes from the command to its text, next to other programs.

    python tools/benchmarks/start.py --whisper FOLDER --whisper-python PYTHON --json out.json
    python tools/benchmarks/start.py --cold --repetitions 3

Whole processes: `asr transcribe`, `python -c "import torch"`, and Whisper in faster-whisper with the weights in FOLDER.
Each may run by the Python of an environment of its own. They take turns, in alternating order; the first turn, which
fills the caches of the file system, is not counted. The figures are medians of wall-clock seconds, and their ratios.
With --cold each process starts with an empty folder for compiled code, as in a fresh environment.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parent
SAMPLE = BENCHMARKS.parent.parent / "recipes" / "english" / "samples" / "market.flac"  # 3.9 s
ASR, TORCH, WHISPER = "asr transcribe", "import torch", "faster-whisper"
Command = list[str]


def main() -> None:
    options = parse_options()
    commands = {
        ASR: [options.python, "-m", "asr", "transcribe", "--model", options.model, str(options.recording)],
        TORCH: [options.torch_python, "-c", "import torch"],
    }
    if options.whisper:
        worker = str(BENCHMARKS / "whisper_worker.py")
        commands[WHISPER] = [options.whisper_python, worker, options.whisper, str(options.recording)]
    seconds, texts = time_commands(commands, options.repetitions, cold=options.cold)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratios = {name: medians[ASR] / median for name, median in medians.items() if name != ASR}
    print_table(seconds, texts)
    for name, ratio in ratios.items():
        print(f"{ASR} takes {ratio:.2f} times as long as {name}")
    if options.json:
        result = {"cold": options.cold, "seconds": seconds, "medians": medians, "ratios": ratios, "texts": texts}
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="english", help="a model folder or name")
    parser.add_argument("--recording", type=Path, default=SAMPLE, help="default: one of 3.9 s that comes with asr")
    parser.add_argument("--python", default=sys.executable, help="Python of the environment with asr")
    parser.add_argument("--torch-python", default=sys.executable, help="Python of an environment with torch")
    parser.add_argument("--whisper", help="a folder of Whisper's weights for faster-whisper")
    parser.add_argument("--whisper-python", default=sys.executable, help="Python of an environment with faster-whisper")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--cold", action="store_true", help="start with an empty folder for compiled code")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    return parser.parse_args()


def time_commands(
    commands: dict[str, Command], repetitions: int, *, cold: bool
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Return the seconds of each repetition of each command, and what it printed last."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    texts = {}
    for turn in range(repetitions + 1):
        for name in list(commands)[:: -1 if turn % 2 else 1]:
            elapsed, texts[name] = time_process(commands[name], cold=cold)
            if turn:
                seconds[name].append(elapsed)
    return seconds, texts


def time_process(command: Command, *, cold: bool) -> tuple[float, str]:
    """Return the seconds of a process, and its output."""
    with tempfile.TemporaryDirectory() as folder:
        caches = {"NUMBA_CACHE_DIR": folder, "XDG_CACHE_HOME": folder} if cold else {}
        started = time.perf_counter()
        process = subprocess.run(
            command, env=os.environ | caches, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
        )
        return time.perf_counter() - started, process.stdout.strip()


def print_table(seconds: dict[str, list[float]], texts: dict[str, Any]) -> None:
    print("| process | seconds, median | fastest | slowest | its text |")
    print("|---|--:|--:|--:|---|")
    for name, times in seconds.items():
        print(f"| {name} | {statistics.median(times):.2f} | {min(times):.2f} | {max(times):.2f} | {texts[name]} |")


if __name__ == "__main__":
    main()
