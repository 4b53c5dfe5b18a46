"""How long training waits for data: a stand-in for a network takes batches, each for a fixed time.

    asr shard data/train.jsonl.gz --flac -o build/shards
    python tools/benchmarks/loading.py files=data/train.jsonl.gz shards=build/shards/train.jsonl.gz \
        store=slow://build/shards/train.jsonl.gz

First one batch after the other is loaded in this process, which gives the time that a process needs for one. The
network then takes `--ease` times as long as all the processes that load need for a batch, so that there is no reason to
wait, but for the first batch of an epoch. While it waits, the training process is busy for a part of the time: it picks
the utterances of later batches, and takes batches from the other processes.

`slow://` reads local shards as from a store that answers each request after `--latency` seconds, which needs fsspec.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lhotse import CutSet

import asr.train.dataset as dataset
from asr.config import AugmentSettings, ModelSettings
from asr.corpus.doctor import pack_usable
from asr.signal.front_end import build_extractor
from asr.text.load import build_tokenizer
from asr.train.dataset import SpeechDataset, SpeechLoader


def register_slow_store(latency: float) -> None:
    """Have slow:// read local files, each range after a pause."""
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    class SlowFileSystem(LocalFileSystem):
        protocol = "slow"

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return str(Path(path.removeprefix("slow://")).absolute())

        def cat_file(self, path: str, start: int | None = None, end: int | None = None, **more: Any) -> bytes:
            time.sleep(latency)
            return super().cat_file(path, start, end, **more)

    fsspec.register_implementation("slow", SlowFileSystem)


def make_loader(manifest: str, num_workers: int, batch_seconds: float) -> SpeechLoader:
    settings = ModelSettings()
    usable = pack_usable([manifest], None, settings).usable
    size = build_extractor(settings.features).plain(np.zeros(16000, dtype=np.float32)).shape[1]
    extractor = build_extractor(settings.features, np.zeros(size, np.float32), np.ones(size, np.float32))
    tokenizer = build_tokenizer(usable.normalized, settings.tokenizer)
    speech = SpeechDataset(extractor, tokenizer, settings.normalizer, augment=AugmentSettings())
    return SpeechLoader(CutSet(usable), speech, batch_seconds=batch_seconds, shuffle=True, num_workers=num_workers)


class Wait(NamedTuple):
    """How long a batch was waited for, and how much of that the training process itself was busy, in seconds."""

    elapsed: float
    busy: float


def waits(batches: Iterator[Any], step: float) -> Iterator[Wait]:
    """Yield how long each batch is waited for by a network that takes `step` seconds for one."""
    started = time.perf_counter(), time.thread_time()
    for _ in batches:
        yield Wait(time.perf_counter() - started[0], time.thread_time() - started[1])
        time.sleep(step)
        started = time.perf_counter(), time.thread_time()


def mean_seconds(loader: SpeechLoader, count: int) -> float:
    """Return how long a batch takes when it is loaded in this process, without the first."""
    _, *others = islice(waits(loader.batches(), 0), count + 1)
    return sum(one.elapsed for one in others) / len(others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="+", metavar="NAME=MANIFEST")
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batches", type=int, default=30, help="of an epoch; the first is counted apart")
    parser.add_argument("--batch-seconds", type=float, default=60.0)
    parser.add_argument("--ease", type=float, default=1.25)
    parser.add_argument("--latency", type=float, default=0.03)
    parser.add_argument("--prefetched", type=int, default=dataset._PREFETCHED, help="batches of each process")
    arguments = parser.parse_args()
    dataset._PREFETCHED = arguments.prefetched
    if any("slow://" in manifest for manifest in arguments.manifests):
        register_slow_store(arguments.latency)
    print("| speech | processes | s to load a batch | the network's s | first batch, s | waiting | of it busy |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, manifest in (text.split("=", 1) for text in arguments.manifests):
        alone = mean_seconds(make_loader(manifest, 0, arguments.batch_seconds), min(arguments.batches, 10))
        for num_workers in arguments.workers:
            step = arguments.ease * alone / num_workers
            loader = make_loader(manifest, num_workers, arguments.batch_seconds)
            first, *others = islice(waits(loader.batches(), step), arguments.batches + 1)
            elapsed = sum(one.elapsed for one in others)
            share, busy = (part / (elapsed + step * len(others)) for part in (elapsed, sum(o.busy for o in others)))
            row = [
                name,
                num_workers,
                f"{alone:.3f}",
                f"{step:.3f}",
                f"{first.elapsed:.2f}",
                f"{share:.1%}",
                f"{busy:.1%}",
            ]
            print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
