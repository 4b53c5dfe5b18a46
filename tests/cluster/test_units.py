"""How work is cut: every recording once, large units first; and the simulation that plans by it."""

import sys
import time
from pathlib import Path

import pytest

from asr.cluster import schedule, units
from asr.cluster.split import Split
from asr.cluster.units import Item, WorkQueue, estimate_seconds
from asr.cluster.worker import PartInfo
from asr.jobs.inputs import Recording
from asr.remote import RemoteFile

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import simulate_cluster


def make_queue(seconds: list[float]) -> WorkQueue:
    files = [RemoteFile(f"s3://b/{index}.flac", int(16e3 * length)) for index, length in enumerate(seconds)]
    return WorkQueue((index, Recording(file, str(index))) for index, file in enumerate(files))


def test_units_hold_each_recording_once_and_shrink():
    queue = make_queue([30.0] * 400 + [7200.0, 900.0])
    assert [item.index for item in queue.long] == [400, 401]
    taken = []
    while unit := queue.next_unit(num_workers=4):
        taken.append(unit)
    assert [item.index for unit in taken for item in unit] == list(range(400))
    sizes = [sum(item.seconds for item in unit) for unit in taken]
    assert sizes[0] == pytest.approx(600)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] <= 30
    # What a dead worker held comes next, and by itself if it may be why.
    queue.put_back(taken[0], singly=True)
    assert queue.next_unit(4) == (taken[0][0],)


def test_lengths_follow_from_sizes(tmp_path: Path):
    (tmp_path / "x.wav").write_bytes(bytes(64_000))
    assert estimate_seconds(tmp_path / "x.wav") == 2.0
    assert estimate_seconds(tmp_path / "missing.wav") == 0.0
    assert estimate_seconds(RemoteFile("https://host/x.mp3?key=1.wav", 80_000)) == 10.0


def test_a_split_that_lost_its_worker_is_read_again_and_keeps_what_was_decoded():
    split = Split(Item(0, Recording(Path("x.wav"), "x"), 700.0))
    for number in range(3):
        assert split.add(PartInfo("mix", number, is_last=number == 2))
        split.decoded[number] = None if number == 1 else f"text {number}"
    assert split.is_read
    assert not split.is_decoded
    split.restart()
    assert not split.is_read
    assert [split.add(PartInfo("mix", number, is_last=number == 2)) for number in range(3)] == [False, True, False]
    split.decoded[1] = "text 1"
    assert split.is_decoded


def test_a_slow_unit_is_copied_once_and_again_only_if_the_copy_is_lost():
    item = Item(0, Recording(Path("x.wav"), "x"), 60.0)
    slow, idle = (schedule.Handle(None, "cpu") for _ in range(2))
    plan = object.__new__(schedule.Schedule)  # without Ray
    plan._workers, plan._open, plan._seconds_per_second = [slow, idle], {0}, 0.01
    unit = slow.tasks[1] = schedule.Task("unit", slow, (item,), started=time.monotonic() - 29.0)
    assert plan._find_slow() is None
    unit.started -= 2.0
    assert plan._find_slow() is unit
    idle.tasks[2] = schedule.Task("unit", idle, (item,), started=unit.started, is_copy=True)
    assert plan._find_slow() is None
    plan._again(idle.tasks.pop(2))
    assert plan._find_slow() is unit
    plan._open.clear()
    assert plan._find_slow() is None


def test_the_simulation_has_the_schedules_constants():
    assert (simulate_cluster.LARGEST, simulate_cluster.SMALLEST) == (units._LARGEST, units._SMALLEST)
    assert (simulate_cluster.SHARE, simulate_cluster.SLOW) == (units._SHARE, schedule._SLOW)


def test_a_simulated_cluster_does_all_of_the_work_in_no_less_than_the_ideal_time():
    plan = simulate_cluster.Plan(audio=3600.0 * 500, workers=20, slow_share=0.0, start=0.0, dispatch=0.0)
    result = simulate_cluster.simulate(plan)
    ideal = plan.audio / plan.speed / plan.workers
    assert result.finished == pytest.approx(plan.audio)
    assert ideal <= result.elapsed < 1.02 * ideal
    assert result.busy == pytest.approx(plan.audio / plan.speed)
    deadly = simulate_cluster.simulate(
        simulate_cluster.Plan(audio=plan.audio, workers=20, lifetime=1200.0, repair=60.0, slow_share=0.1)
    )
    assert deadly.finished == pytest.approx(plan.audio)
    assert deadly.deaths > 0
    assert deadly.elapsed > result.elapsed
    narrow = simulate_cluster.simulate(
        simulate_cluster.Plan(audio=plan.audio, workers=20, slow_share=0.0, bandwidth=20 * 16e3 * 5)
    )
    assert narrow.elapsed == pytest.approx(plan.audio / 5 / 20, rel=0.05)  # five times real time is all that arrives
