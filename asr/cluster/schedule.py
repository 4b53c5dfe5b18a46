"""Units of work in, outcomes out: who does what, and what happens when workers and machines die.

Ray places the workers, carries the calls and reports deaths; the decisions are made here. A unit whose worker died is
handed out again, its recordings each by itself, so that one that kills workers fails alone. Actors are not restarted by
Ray: as soon as the cluster has room a new one takes the place of a dead one, on any machine, which may have joined
later. When nothing is left to hand out, a unit that a slow worker holds is given to an idle one as well; the first to
finish counts, which is safe because files are written whole and are alike.

The schedule is ours, and not that of Ray Data's pool of actors, because it has to know recordings: to cut work by
duration, to have parts of long recordings decoded by others, to blame a recording over which several workers died, and
to run CPU and GPU workers of one job side by side.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from asr.cluster.split import Split
from asr.cluster.units import Item, WorkQueue
from asr.cluster.worker import ModelFiles, Outcome, PartInfo, Worker, WorkerSetup
from asr.errors import AsrError, one_line

MOST_DEATHS = 3  # of workers that had a recording, after which it counts as failed
_QUEUED = 2  # tasks that a worker holds: the one that it does, and the next
_POLL_SECONDS = 5.0  # between looks at what the cluster has
_PATIENCE = 300.0  # seconds without any worker, after which the job ends
_SLOW = 3.0  # times as long as the others take, after which a task is given to a second worker
_LEAST_SLOW = 30.0  # seconds

Kind = Literal["load", "unit", "read", "decode", "join"]


@dataclass(eq=False)
class Task:
    """One call of a worker's method."""

    kind: Kind
    worker: "Handle"
    items: tuple[Item, ...] = ()
    number: int = 0  # of a part
    samples: Any = None  # reference to those of a part
    started: float = 0.0
    is_copy: bool = False  # of a task that another worker holds


@dataclass(eq=False)
class Handle:
    """A worker, and the calls that it holds, the one that it does first."""

    actor: Any
    device: str
    is_loaded: bool = False
    tasks: dict[Any, Task] = field(default_factory=dict)  # by their references

    @property
    def num_queued(self) -> int:
        """Tasks that use its core or GPU; reading runs beside them."""
        return sum(task.kind != "read" for task in self.tasks.values())


def _make_actor(ray: Any) -> Any:
    """Return Ray's class of actors that work: they read a long recording while they decode."""

    # Decorators set these options, because ray:// does not accept them in a call. Ray sends this class to the workers.
    class RayWorker(Worker):
        @ray.method(concurrency_group="read", num_returns=2)  # type: ignore[untyped-decorator]
        def next_part(self, item: Item, number: int) -> tuple[PartInfo, Any]:
            return Worker.next_part(self, item, number)

    return ray.remote(concurrency_groups={"read": 1})(RayWorker)


class Schedule:
    """Carries recordings through the workers of a cluster.

    Args:
        queue: What is to be done.
        setup: What workers do.
        files: The model.
        on_outcome: Called once for each recording.

    Attributes:
        num_lost: Workers that died.
        first_loaded: When the first worker had its model, by the monotonic clock; None before that.
    """

    def __init__(
        self, queue: WorkQueue, setup: WorkerSetup, files: ModelFiles, on_outcome: Callable[[Outcome], None]
    ) -> None:
        import ray  # of [cluster]

        self._ray = ray
        self._actor = _make_actor(ray)
        self._queue = queue
        self._setup, self._files = ray.put(setup), ray.put(files)
        self._on_outcome = on_outcome
        self._open = set(queue.items)  # recordings without an outcome
        self._deaths: dict[int, int] = {}
        self._workers: list[Handle] = []
        self._splits: dict[int, Split] = {}
        self._parts: deque[tuple[Split, PartInfo, Any]] = deque()  # read and not yet handed out
        self._joins: deque[Split] = deque()
        self._polled = self._alive = time.monotonic()
        self._seconds_per_second = 0.0  # of work, per second of audio: a running mean
        self.num_lost = 0
        self.first_loaded: float | None = None

    @property
    def num_workers(self) -> int:
        """Workers that have loaded their model."""
        return sum(worker.is_loaded for worker in self._workers)

    def run(self, on_wait: Callable[[], None]) -> None:
        """Work until each recording has an outcome.

        Args:
            on_wait: Called at least once per second.

        Raises:
            AsrError: If no worker can be had, a model cannot be loaded, or nothing can be written.
        """
        try:
            self._start_workers()
            while self._open:
                if time.monotonic() - self._polled > _POLL_SECONDS:
                    self._start_workers()
                self._hand_out()
                references = [reference for worker in self._workers for reference in worker.tasks]
                for reference in self._wait(references):
                    self._collect(reference)
                on_wait()
        finally:
            for worker in self._workers:
                self._ray.kill(worker.actor)

    def _wait(self, references: list[Any]) -> list[Any]:
        """Return references whose calls have ended; none if none ends within a second."""
        if not references:
            time.sleep(1.0)
            return []
        ready: list[Any] = self._ray.wait(references, timeout=1.0)[0]
        return ready

    def _start_workers(self) -> None:
        """Start as many workers as the cluster has room for: one for each GPU, and one for each core that is left."""
        self._polled = time.monotonic()
        found = self._ray.cluster_resources()
        num_gpus = int(found.get("GPU", 0))
        room = {"cuda": num_gpus, "cpu": max(0, int(found.get("CPU", 0)) - num_gpus)}
        if any(worker.is_loaded for worker in self._workers):
            self._alive = self._polled
        elif self._polled - self._alive > _PATIENCE:
            listed = ", ".join(f"{name} {count:g}" for name, count in sorted(found.items()) if name in ("CPU", "GPU"))
            raise AsrError(
                f"no worker could be started in {_PATIENCE:.0f} s: the cluster has {listed or 'neither CPU nor GPU'}, "
                "and others may use them; see `ray status`"
            )
        for device, count in room.items():
            for _ in range(count - sum(worker.device == device for worker in self._workers)):
                self._start_worker(device)

    def _start_worker(self, device: str) -> None:
        options = self._actor.options(num_cpus=1, num_gpus=int(device == "cuda"), max_restarts=0)
        worker = Handle(options.remote(self._setup, device), device)
        self._workers.append(worker)
        self._call(Task("load", worker), self._files)

    def _call(self, task: Task, *arguments: Any) -> None:
        names = {"unit": "transcribe", "read": "next_part"}
        method = getattr(task.worker.actor, names.get(task.kind, task.kind))
        task.started = time.monotonic()
        references = method.remote(*arguments)
        if task.kind == "read":
            references, task.samples = references
        task.worker.tasks[references] = task

    def _hand_out(self) -> None:
        ready = sorted((worker for worker in self._workers if worker.is_loaded), key=lambda one: one.num_queued)
        self._read_ahead(ready)
        for depth in range(_QUEUED):  # first one task for each, then a second
            for worker in ready:
                if worker.num_queued == depth:
                    self._hand_to(worker, num_workers=len(ready), may_copy=depth == 0)

    def _hand_to(self, worker: Handle, *, num_workers: int, may_copy: bool) -> None:
        """Give a worker the most urgent task: what completes a long recording, its parts, then others."""
        if self._joins:
            split = self._joins.popleft()
            parts = [split.infos[number] for number in sorted(split.infos)]
            # References within a list are not resolved by Ray, and the results are small.
            results = self._ray.get([split.decoded[part.number] for part in parts])
            self._call(Task("join", worker, (split.item,)), split.item, list(zip(parts, results, strict=True)))
        elif self._parts:
            split, part, samples = self._parts.popleft()
            split.decoded[part.number] = None
            self._call(Task("decode", worker, (split.item,), part.number, samples), part, samples)
        elif unit := self._queue.next_unit(num_workers):
            self._call(Task("unit", worker, unit), unit)
        elif may_copy and (slow := self._find_slow()) is not None:
            self._call(Task("unit", worker, slow.items, is_copy=True), slow.items)

    def _find_slow(self) -> Task | None:
        """Return a unit that has taken far longer than others of its length."""
        now = time.monotonic()
        units = [task for worker in self._workers for task in worker.tasks.values() if task.kind == "unit"]
        copied = [task.items for task in units if task.is_copy]
        for task in units:
            if task.is_copy or task.items in copied or not any(item.index in self._open for item in task.items):
                continue
            expected = self._seconds_per_second * sum(item.seconds for item in task.items)
            if now - task.started > max(_LEAST_SLOW, _SLOW * expected):
                return task
        return None

    def _split_read_by(self, task: Task) -> Split | None:
        """Return the recording that a task reads; None if another worker reads it by now."""
        split = self._splits.get(task.items[0].index)
        return split if split is not None and split.worker is task.worker else None

    def _read_ahead(self, ready: Sequence[Handle]) -> None:
        """Have long recordings read, as fast as their parts are decoded: that bounds the memory they take."""
        if not ready:
            return
        busy = {id(split.worker) for split in self._splits.values() if split.worker is not None}
        idle = [worker for worker in ready if id(worker) not in busy]
        unread = [split for split in self._splits.values() if split.worker is None and not split.is_read]
        while idle and (unread or self._queue.long):
            if unread:
                split = unread.pop()
            else:
                item = self._queue.long.popleft()
                split = self._splits.setdefault(item.index, Split(item))
            split.worker = idle.pop()
        for split in self._splits.values():
            if split.worker is None or split.requested or split.is_read or len(self._parts) > len(ready):
                continue
            split.requested = True
            self._call(Task("read", split.worker, (split.item,), split.next_number), split.item, split.next_number)

    def _collect(self, reference: Any) -> None:
        """Take the result of a call that has ended."""
        found = next((worker for worker in self._workers if reference in worker.tasks), None)
        if found is None:  # its worker died in the meantime
            return
        try:
            result = self._ray.get(reference)
        except Exception as error:
            self._fail(found, reference, error)
        else:
            self._take_result(found, reference, result)

    def _take_result(self, found: Handle, reference: Any, result: Any) -> None:
        task = found.tasks.pop(reference)
        if task.kind == "load":
            found.is_loaded = True
            self.first_loaded = self.first_loaded or time.monotonic()
        elif task.kind == "read":
            self._take_part(task, result)
        elif task.kind == "decode":
            self._take_decoded(task, reference)
        else:
            self._note_speed(task)
            self._finish(result)

    def _take_part(self, task: Task, part: PartInfo) -> None:
        (item,) = task.items
        split = self._split_read_by(task)
        if split is None:
            return
        if part.error is not None or part.is_short:
            del self._splits[item.index]
            if part.is_short:
                self._queue.put_back([item])
            else:
                self._finish([Outcome(item.index, error=part.error)])
            return
        if split.add(part):
            self._parts.append((split, part, task.samples))
        if split.is_read:
            split.worker = None
        self._join_if_decoded(split)

    def _take_decoded(self, task: Task, reference: Any) -> None:
        split = self._splits.get(task.items[0].index)
        if split is not None:
            # The value, not the reference: that would be lost with its machine.
            split.decoded[task.number] = self._ray.put(self._ray.get(reference))
            self._join_if_decoded(split)

    def _join_if_decoded(self, split: Split) -> None:
        if split.is_decoded and split not in self._joins:
            self._joins.append(split)

    def _note_speed(self, task: Task) -> None:
        seconds = sum(item.seconds for item in task.items)
        if task.kind == "unit" and seconds > 0:
            measured = (time.monotonic() - task.started) / seconds
            before = self._seconds_per_second
            self._seconds_per_second = measured if before == 0 else 0.8 * before + 0.2 * measured

    def _finish(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.item in self._open:
                self._open.remove(outcome.item)
                self._splits.pop(outcome.item, None)
                self._on_outcome(outcome)

    def _fail(self, worker: Handle, reference: Any, error: Exception) -> None:
        """Deal with a call that raised: an error of ours ends the job, a death of a worker does not."""
        cause = getattr(error, "cause", None)
        if isinstance(cause, AsrError):
            raise cause from None
        exceptions = self._ray.exceptions
        if isinstance(error, exceptions.RayActorError):
            self._lose(worker, error)
            return
        task = worker.tasks.pop(reference)
        if task.kind == "read" and self._split_read_by(task) is None:
            return
        lost = (exceptions.ObjectLostError, exceptions.OwnerDiedError, exceptions.ObjectFetchTimedOutError)
        if isinstance(error, lost) or isinstance(cause, lost):
            self._again(task)
        elif task.kind == "load":
            raise AsrError(f"a worker cannot load the model: {one_line(cause or error)}")
        else:
            self._blame(task, f"{type(cause or error).__name__}: {one_line(cause or error)}")

    def _lose(self, worker: Handle, error: Exception) -> None:
        """Hand out again what a worker held that died; the task that it was doing may be why."""
        self._workers.remove(worker)
        self.num_lost += 1
        for reference in list(worker.tasks):  # what it had finished before it died counts, and is not to blame
            if self._ray.wait([reference], timeout=0)[0]:
                try:
                    result = self._ray.get(reference)
                except Exception:
                    continue
                self._take_result(worker, reference, result)
        tasks = [task for task in worker.tasks.values() if task.kind != "read"]
        if tasks and tasks[0].kind == "load" and "ModuleNotFoundError" in str(error):
            raise AsrError("a worker has no asr; install it, in the same version, on all machines of the cluster")
        if tasks and tasks[0].kind != "load":
            self._blame(tasks.pop(0), f"{MOST_DEATHS} workers died over it; it may take too much memory")
        for task in tasks:
            self._again(task)
        for split in self._splits.values():
            if split.worker is worker or any(place[0] is split for place in self._parts):
                self._restart(split)

    def _blame(self, task: Task, reason: str) -> None:
        """Hand out a task again, unless it failed too often."""
        failed = []
        for item in task.items:
            self._deaths[item.index] = self._deaths.get(item.index, 0) + 1
            if self._deaths[item.index] >= MOST_DEATHS:
                name = getattr(item.recording.source, "name", None) or item.recording.name
                failed.append(Outcome(item.index, error=f"{name}: {reason}"))
        self._finish(failed)
        if not failed:
            self._again(task)

    def _again(self, task: Task) -> None:
        items = [item for item in task.items if item.index in self._open]
        if task.is_copy:  # the other worker still holds it
            return
        if task.kind == "unit":
            self._queue.put_back(items, singly=any(item.index in self._deaths for item in items))
        elif items and (split := self._splits.get(items[0].index)):
            self._restart(split)

    def _restart(self, split: Split) -> None:
        self._parts = deque(part for part in self._parts if part[0] is not split)
        self._joins = deque(one for one in self._joins if one is not split)
        split.restart()
