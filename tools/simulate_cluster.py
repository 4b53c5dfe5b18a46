"""Simulate a cluster that transcribes an archive: what it takes, with machines that are slow, die and come back.

    python tools/simulate_cluster.py --hours 100000 --workers 1000 --speed 25

The schedule is the one of asr/cluster: units shrink towards the end (asr/cluster/units.py itself cuts them), what a
dead worker held is handed out again, and slow units are copied to idle workers. What is assumed is an option: the speed
of a core, which docs/benchmarks.md measures; the deaths and slowness of machines; the driver's time for a unit; and
what the store can deliver. docs/scale.md rests on its figures.
"""

import argparse
import heapq
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LARGEST, SMALLEST, SHARE = 600.0, 20.0, 3  # as in asr/cluster/units.py, which a test compares
SLOW = 3.0  # as in asr/cluster/schedule.py


@dataclass
class Plan:
    """What is simulated; times in seconds."""

    audio: float
    workers: int
    speed: float = 25.0  # seconds of audio per second of work
    mean_recording: float = 300.0
    start: float = 30.0  # until a worker has its model
    dispatch: float = 0.001  # of the driver's time, per unit
    lifetime: float = 0.0  # mean time until a worker dies; 0: never
    repair: float = 600.0  # until another takes its place
    slow_share: float = 0.02  # of the workers
    slowness: float = 4.0  # times as long
    bytes_per_second: float = 16e3  # of audio, in the store
    bandwidth: float = 10e9 / 8  # bytes per second that the store delivers to all
    seed: int = 0


@dataclass
class Result:
    """What came of it; times in seconds."""

    elapsed: float = 0.0
    busy: float = 0.0  # of all workers together
    lost: float = 0.0  # work of workers that died
    deaths: int = 0
    units: int = 0
    copies: int = 0
    driver: float = 0.0
    bandwidth: float = 0.0  # bytes per second, on average
    finished: float = 0.0  # seconds of audio

    tail: float = 0.0  # from the time when a worker first had nothing to do


@dataclass(order=True)
class Event:
    """A worker finishes, dies or starts."""

    time: float
    number: int
    kind: str = field(compare=False)
    worker: int = field(compare=False)
    unit: Any = field(compare=False, default=None)


def simulate(plan: Plan) -> Result:
    """Run events in the order of their times until all audio is done."""
    rng = np.random.default_rng(plan.seed)
    result = Result()
    speeds = np.where(rng.random(plan.workers) < plan.slow_share, plan.speed / plan.slowness, plan.speed)
    # All workers together read no faster than the store delivers.
    speeds = np.minimum(speeds, plan.bandwidth / plan.bytes_per_second / plan.workers)
    left, again, driver_free, number = plan.audio, [], 0.0, 0
    open_units: dict[int, float] = {}
    running: dict[int, list[tuple[int, float]]] = {}  # unit: the workers that have it, and since when
    events: list[Event] = []
    deaths = np.full(plan.workers, np.inf)
    idle: list[int] = []

    def push(time: float, kind: str, worker: int, unit: Any = None) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, Event(time, number, kind, worker, unit))

    def next_unit(now: float) -> int | None:
        nonlocal left
        if again:
            return again.pop()
        if left > 0:
            limit = min(LARGEST, max(SMALLEST, left / (SHARE * plan.workers)))
            size = min(left, max(limit, plan.mean_recording * rng.exponential() if limit < plan.mean_recording else 0))
            size = min(size, LARGEST)
            left -= size
            result.units += 1
            open_units[result.units] = size
            return result.units
        slow = [
            (since[0][1], unit)
            for unit, since in running.items()
            if len(since) == 1 and now - since[0][1] > SLOW * open_units[unit] / plan.speed
        ]
        if slow:
            result.copies += 1
            return min(slow)[1]
        return None

    def give(worker: int, now: float) -> None:
        nonlocal driver_free
        unit = next_unit(now)
        if unit is None:
            result.tail = result.tail or now
            idle.append(worker)
            return
        driver_free = max(driver_free, now) + plan.dispatch
        result.driver += plan.dispatch
        running.setdefault(unit, []).append((worker, driver_free))
        end = driver_free + open_units[unit] / speeds[worker]
        push(min(end, deaths[worker]), "done" if end <= deaths[worker] else "death", worker, (unit, driver_free))

    for worker in range(plan.workers):
        push(plan.start, "start", worker)
    now = 0.0
    while open_units or left > 0:
        event = heapq.heappop(events)
        now, worker = event.time, event.worker
        if event.kind == "start":
            deaths[worker] = now + rng.exponential(plan.lifetime) if plan.lifetime else np.inf
            give(worker, now)
            continue
        if event.kind == "poll":
            waiting, idle[:] = list(idle), []
            for one in waiting:
                give(one, now)
            continue
        unit, since = event.unit
        others = [place for place in running.get(unit, []) if place[0] != worker]
        result.busy += now - since
        if event.kind == "death":
            result.deaths += 1
            result.lost += now - since
            push(now + plan.repair, "start", worker)
            if unit in open_units:
                running[unit] = others
                if not others:
                    again.append(unit)
        else:
            if unit in open_units:
                result.finished += open_units.pop(unit)
                running.pop(unit)
            give(worker, now)
        if idle and (again or open_units):
            push(now + 1.0, "poll", worker)
    result.elapsed = now
    result.tail = now - result.tail if result.tail else 0.0
    result.bandwidth = plan.audio * plan.bytes_per_second / now
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=100_000, help="of audio")
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 1000], help="cores")
    parser.add_argument("--speed", type=float, default=25.0, help="times real time, of a core")
    parser.add_argument("--lifetime", type=float, default=24.0, help="mean hours until a worker dies; 0: never")
    parser.add_argument("--repair", type=float, default=10.0, help="minutes until another takes its place")
    parser.add_argument("--slow", type=float, default=0.02, help="share of the workers that take four times as long")
    parser.add_argument("--gigabits", type=float, default=10.0, help="per second that the store delivers")
    parser.add_argument("--kilobytes", type=float, default=16.0, help="per second of audio in the store")
    parser.add_argument("--dispatch", type=float, default=1.0, help="milliseconds of the driver per unit")
    arguments = parser.parse_args()
    print("workers\thours\tideal\tbusy\tlost\tdeaths\tunits\tcopies\ttail, min\tdriver\tstore, MB/s")
    for workers in arguments.workers:
        plan = Plan(
            audio=3600 * arguments.hours,
            workers=workers,
            speed=arguments.speed,
            lifetime=3600 * arguments.lifetime,
            repair=60 * arguments.repair,
            slow_share=arguments.slow,
            bandwidth=arguments.gigabits * 1e9 / 8,
            bytes_per_second=1e3 * arguments.kilobytes,
            dispatch=arguments.dispatch / 1e3,
        )
        result = simulate(plan)
        ideal = plan.audio / plan.speed / workers
        columns = [
            str(workers),
            f"{result.elapsed / 3600:.2f}",
            f"{ideal / result.elapsed:.1%}",
            f"{result.busy / (workers * result.elapsed):.1%}",
            f"{result.lost / result.busy:.2%}",
            str(result.deaths),
            str(result.units),
            str(result.copies),
            f"{result.tail / 60:.1f}",
            f"{result.driver / result.elapsed:.1%}",
            f"{result.bandwidth / 1e6:.1f}",
        ]
        print("\t".join(columns), flush=True)


if __name__ == "__main__":
    main()
