"""Measure time and memory of estimating n-grams from texts of any size.

    python tools/benchmarks/ngrams.py english.txt.xz --gigabytes 0.25 1 --memory 2 --json out.json

The text is a random walk through a real one: each word is followed by a word that follows it somewhere in that text, so
that new n-grams keep appearing, as in real text. Each size runs `asr lm estimate` in its own process. Time is the
processor's, on one core, so other work on the machine does not count. Memory is reported twice (Linux): the
process's own, which `--memory` and the vocabulary determine, and with the pages of temporary files that the system has
mapped and reclaims when others need memory.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.language.text_files import read_sentences

WALKERS = 20_000  # sentences in progress at a time
POLL_SECONDS = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, help="one sentence per line; plain, .gz or .xz")
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.25, 1.0])
    parser.add_argument("--order", type=int, default=3)
    parser.add_argument("--prune", default="0 1 1")
    parser.add_argument("--memory", type=float, default=2.0, help="gigabytes for sorting, as in `asr lm estimate`")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        text, model = Path(folder) / "text.txt", Path(folder) / "model.bin"
        walk = Walk(options.text)
        for gigabytes in options.gigabytes:
            num_words = walk.write(text, gigabytes * 1e9)
            command = [sys.executable, "-m", "asr", "lm", "estimate", str(text), "--output", str(model)]
            command += ["--order", str(options.order), "--prune", options.prune, "--memory", str(options.memory)]
            row = {"gigabytes": gigabytes, "words": num_words, **watch(command), "model_mb": model.stat().st_size / 1e6}
            rows.append(row)
            print(
                f"{gigabytes:g} GB, {num_words / 1e6:.0f} million words: {row['seconds']:.0f} s, its own memory "
                f"{row['own_gb']:.2f} GB, with mapped files {row['with_files_gb']:.2f} GB; {row['said']}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


class Walk:
    """Random sentences with a text's pairs of neighbouring words, at their frequencies."""

    def __init__(self, text: Path) -> None:
        numbers: dict[str, int] = {"\n": 0}
        words = [
            numbers.setdefault(word, len(numbers)) for line in read_sentences([text]) for word in ("\n", *line)
        ] + [0]
        self.words = np.array(words, np.int32)
        self.spelled = [word.encode() for word in numbers]
        before = self.words[:-1]
        self.places = np.argsort(before, kind="stable").astype(np.int64)  # of each word, one word after another
        self.first = np.searchsorted(before[self.places], np.arange(len(numbers) + 1))

    def write(self, path: Path, num_bytes: float, seed: int = 1) -> int:
        """Write a text of about this many bytes; returns its number of words."""
        rng = np.random.default_rng(seed)
        size = num_words = 0
        with path.open("wb") as file:
            while size < num_bytes:
                steps = self._steps(rng)
                for walker in steps.T:
                    line = b" ".join(map(self.spelled.__getitem__, walker.tolist()))
                    size += file.write(line.replace(b" \n ", b"\n") + b"\n")
                num_words += int((steps != 0).sum())
        return num_words

    def _steps(self, rng: np.random.Generator, num_steps: int = 100) -> NDArray[np.int32]:
        """Yield (steps, walkers) words; 0 is the end of a line."""
        steps = np.empty((num_steps, WALKERS), np.int32)
        at = np.zeros(WALKERS, np.int32)
        for step in steps:
            count = self.first[at + 1] - self.first[at]
            place = self.places[self.first[at] + (rng.random(WALKERS) * count).astype(np.int64)]
            at = step[:] = self.words[place + 1]
        return steps


def watch(command: list[str]) -> dict[str, Any]:
    """Return processor seconds and peak memory of a process, and its last line."""
    before, own, whole = resource.getrusage(resource.RUSAGE_CHILDREN), 0.0, 0.0
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            if found := re.search(r"RssAnon:\s+(\d+)", status):  # a process that has just ended has none
                own = max(own, int(found[1]) / 1e6)
                whole = max(whole, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1e6)
            time.sleep(POLL_SECONDS)
        output.seek(0)
        said = output.read().strip()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}: {said}")
    said = said.splitlines()[-1].partition(": ")[2]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "own_gb": own, "with_files_gb": whole, "said": said}


if __name__ == "__main__":
    main()
