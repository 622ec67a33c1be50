"""Worker processes that take tasks; one that dies, hangs or takes too much memory is replaced, its rows are not lost.

Each process runs one task or several, as the stage's placement says. Where it ended at a row, that row is tried once
more by itself and the rest without it; a row that ends a process by itself is given up. Where nobody knows the row,
the task is halved.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headrace import errors
from headrace.curation.executor.framing import read_message
from headrace.curation.executor.losses import GivenUp, Loss, left_to_do
from headrace.curation.executor.memory import held_bytes
from headrace.curation.executor.placement import ACT_SHARE, WORKER_BYTES, Placement
from headrace.curation.executor.spots import Spot, Spots
from headrace.curation.executor.task import Task
from headrace.curation.executor.worker_process import WorkerProcess
from headrace.errors import HeadraceError, InvalidInput
from headrace.units import format_bytes

__all__ = ["WorkerPool", "rebuilt_error"]

logger = logging.getLogger(__name__)

_MAX_FAILED_STARTS = 3
_MAX_UNEXPLAINED = 5
"""Crashes of a shared process in a row without a row that crashes alone: then it is the sharing."""
_LOOK_SECONDS = 0.05  # at clocks and memory
_PATIENCE_SECONDS = 1.0
"""For a row that is tried alone; then another process goes on with the others."""


@dataclass(slots=True)
class _Job:
    """The tasks of one call of `run`."""

    coming: Iterator[Task]
    done: Callable[[Task], None]
    given_up: GivenUp
    placement: Placement
    waiting: deque[Task] = field(default_factory=deque)
    alone: deque[Task] = field(default_factory=deque)  # those that may end their process
    is_drained: bool = False
    num_unexplained: int = 0

    def draw(self, num_wanted: int) -> None:
        """Have as many tasks at hand, if there are any left."""
        while not self.is_drained and len(self.waiting) + len(self.alone) < num_wanted:
            task = next(self.coming, None)
            if task is None:
                self.is_drained = True
            else:
                self.waiting.append(task)

    def take_back(self, tasks: Iterable[Task]) -> None:
        """What has begun goes on before anything else begins."""
        for task in tasks:
            if task.is_alone:
                self.alone.append(task)
            else:
                self.waiting.appendleft(task)


class WorkerPool:
    """Runs tasks in processes of their own. Not thread-safe; `close` it on every path."""

    def __init__(
        self,
        setup: Mapping[str, Any],
        *,
        num_workers: int,
        memory_bytes: int | None = None,
        timeouts: Sequence[float | None] = (),
    ) -> None:
        """Nothing is started before the first task.

        Args:
            setup: What `worker.main` reads first.
            num_workers: Tasks at once, at most.
            memory_bytes: Of this process and all workers together.
            timeouts: Seconds for one row in each step, or for the step on a batch; None: no limit.
        """
        self._setup = dict(setup)
        self._num_workers = num_workers
        self._memory_bytes = memory_bytes
        self._timeouts = list(timeouts)
        self._spots = Spots(num_workers)
        self._workers: list[WorkerProcess] = []
        # What the ceiling has left of processes and lanes; it does not grow again.
        self._most_processes = self._most_lanes = num_workers
        self._num_failed_starts = 0
        self._next_look = 0.0

    def run(
        self,
        tasks: Iterable[Task],
        *,
        done: Callable[[Task], None],
        given_up: GivenUp,
        placement: Placement | None = None,
    ) -> None:
        """Run all tasks; returns when the last one is done.

        Args:
            placement: None: a process for each task.

        Raises:
            HeadraceError: Workers cannot work at all: an operator's library is missing, the lake cannot be opened.
        """
        job = _Job(iter(tasks), done, given_up, placement or Placement(self._num_workers))
        self._end_unfit(job.placement)
        while True:
            self._deal(job)
            if not (job.waiting or job.alone or self._num_running):  # one is drawn whenever one can begin
                return
            for worker in self._with_news():
                self._take_news(worker, job)
            self._look(job)

    def close(self) -> None:
        """End all workers; tasks that are not done are lost."""
        for worker in self._workers:
            worker.end()
        self._workers = []
        self._spots.close()

    @property
    def pids(self) -> list[int]:
        """Of the processes that are up or on their way."""
        return [worker.process.pid for worker in self._workers]

    @property
    def _num_running(self) -> int:
        return sum(len(worker.flights) for worker in self._workers)

    def _num_lanes(self, job: _Job) -> int:
        return max(1, min(job.placement.num_lanes, self._most_lanes))

    def _num_processes(self, job: _Job) -> int:
        return max(1, min(job.placement.num_processes, self._most_processes))

    def _end_unfit(self, placement: Placement) -> None:
        """Of the last stage's processes, end those with other GPUs, and those that are too many."""
        free = list(placement.devices)
        kept: list[WorkerProcess] = []
        for worker in self._workers:
            is_fit = worker.device in free if placement.devices else worker.device is None
            if not is_fit or len(kept) == placement.num_processes:
                worker.end()
                continue
            kept.append(worker)
            if worker.device is not None:
                free.remove(worker.device)
        self._workers = kept

    def _deal(self, job: _Job) -> None:
        """Begin what can begin, and start workers for what cannot."""
        lanes = self._num_lanes(job)
        at_once = min(self._num_workers, self._num_processes(job) * lanes)
        job.draw(max(1, at_once - self._num_running))
        while job.alone and self._num_running < at_once:
            empty = next((worker for worker in self._workers if worker.is_ready and not worker.flights), None)
            if empty is None:
                break
            self._begin(job.alone.popleft(), empty)
        is_coming = any(worker.is_alone or not worker.is_ready for worker in self._workers)
        # Where no process becomes empty for a row that has to be alone, none gets another task until one is.
        while job.waiting and self._num_running < at_once and (not job.alone or is_coming or lanes == 1):
            is_open = [w for w in self._workers if w.is_ready and not w.is_alone and len(w.flights) < lanes]
            if not is_open:
                break
            self._begin(job.waiting.popleft(), min(is_open, key=lambda worker: len(worker.flights)))
        self._start_workers(job, lanes=lanes, at_once=at_once)

    def _begin(self, task: Task, worker: WorkerProcess) -> None:
        taken = {slot for worker in self._workers for slot in worker.flights}
        worker.begin(task, slot=next(slot for slot in range(self._num_workers) if slot not in taken))

    def _start_workers(self, job: _Job, *, lanes: int, at_once: int) -> None:
        """As many as there is work for, all at once."""
        num_starting = sum(not worker.is_ready for worker in self._workers)
        num_wanted = -(-len(job.waiting) // lanes)
        if lanes == 1:
            num_wanted += len(job.alone)
        elif job.alone and not any(worker.is_alone for worker in self._workers):
            num_wanted += 1
        room = min(at_once, self._num_processes(job) + self._num_spare(job))
        while num_starting < num_wanted and len(self._workers) < room and self._num_running + num_starting < at_once:
            self._workers.append(WorkerProcess(self._setup, self._spots, device=self._free_device(job.placement)))
            num_starting += 1
        if len(self._workers) > room:  # a row that was alone is done
            for worker in [worker for worker in self._workers if worker.is_ready and not worker.flights]:
                if len(self._workers) > room:
                    self._workers.remove(worker)
                    worker.end()

    def _num_spare(self, job: _Job) -> int:
        """Processes beside those of the placement, while a row that is tried alone holds up the others."""
        now = time.monotonic()
        flights = [flight for worker in self._workers for flight in worker.flights.values()]
        held_up = sum(flight.task.is_alone and now - flight.begun_at > _PATIENCE_SECONDS for flight in flights)
        return min(job.placement.num_spare, held_up)

    def _free_device(self, placement: Placement) -> str | None:
        free = list(placement.devices)
        for worker in self._workers:
            if worker.device is not None:
                free.remove(worker.device)
        return free[0] if free else None

    def _with_news(self) -> list[WorkerProcess]:
        poll = select.poll()
        by_descriptor = {worker.answers: worker for worker in self._workers}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN | select.POLLHUP)
        return [by_descriptor[descriptor] for descriptor, _ in poll.poll(_LOOK_SECONDS * 1000)]

    def _take_news(self, worker: WorkerProcess, job: _Job) -> None:
        message = read_message(worker.answers)
        if message is None:
            code = worker.process.wait()
            if worker.is_ready:
                self._lose(worker, Loss("Crashed", f"its process ended ({_exit_text(code)})"), job)
                return
            self._workers.remove(worker)
            worker.end()
            self._num_failed_starts += 1
            if self._num_failed_starts >= _MAX_FAILED_STARTS:
                raise InvalidInput(
                    f"worker processes end before they are up ({_exit_text(code)}); what they said is above. Run "
                    "with workers=0 to see the error in this process"
                )
            return
        head = message[0]
        if "error" in head:
            raise rebuilt_error(*head["error"])
        if "ready" in head:
            worker.is_ready = True
            self._num_failed_starts = 0
        else:
            job.done(worker.flights.pop(head["done"]).task)

    def _look(self, job: _Job) -> None:
        """At the clock and at memory."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_SECONDS
        for worker in list(self._workers):
            seen = self._seen(worker)
            spot, share = max(seen, key=lambda item: item[1], default=(None, 0.0))
            if spot is not None and share > 1:
                limit = self._timeouts[spot.step_idx]
                self._lose(worker, Loss("TimedOut", f"it took longer than {limit:g} s"), job, seen=seen)
        if self._memory_bytes is not None and self._workers:
            held = held_bytes([os.getpid(), *(worker.process.pid for worker in self._workers)])
            if sum(held.values()) > ACT_SHARE * self._memory_bytes:
                self._shrink(held, self._memory_bytes, job)

    def _seen(self, worker: WorkerProcess) -> list[tuple[Spot, float]]:
        """Where each of its tasks is, and which share of its time limit that has taken; 0 where none runs."""
        now = time.monotonic()
        found: list[tuple[Spot, float]] = []
        for slot in worker.flights:
            spot = self._spots.read(slot)
            limit = self._timeouts[spot.step_idx] if 0 <= spot.step_idx < len(self._timeouts) else None
            found.append((spot, 0.0 if limit is None else (now - spot.since) / max(limit, 1e-9)))
        return found

    def _shrink(self, held: Mapping[int, int], memory_bytes: int, job: _Job) -> None:
        """End the largest worker; its tasks go on in halves, with a lane less, or where it has one, a worker less.

        Raises:
            InvalidInput: This process and a worker that has done nothing yet are too much: then no row is to blame.
        """
        own = held[os.getpid()]
        worker = max(self._workers, key=lambda worker: held[worker.process.pid])
        if not worker.is_ready and len(self._workers) == 1:
            self._num_failed_starts += 1  # perhaps this process holds less in a moment
        if ACT_SHARE * memory_bytes - own < WORKER_BYTES or self._num_failed_starts >= _MAX_FAILED_STARTS:
            needed = WORKER_BYTES if worker.is_ready else max(WORKER_BYTES, held[worker.process.pid])
            raise InvalidInput(
                f"this process alone holds {format_bytes(own)} of the {format_bytes(memory_bytes)} that the run may "
                f"take, and a worker needs {format_bytes(needed)}; raise --memory"
            )
        lanes = self._num_lanes(job)
        if lanes > 1:
            self._most_lanes = lanes - 1
        else:
            self._most_processes = max(1, min(self._num_processes(job), len(self._workers)) - 1)
        job.placement = replace(job.placement, num_spare=0)
        logger.warning(
            "memory ceiling reached: held=%d processes=%d lanes=%d",
            sum(held.values()),
            self._num_processes(job),
            self._num_lanes(job),
        )
        reason = f"it needs more than the {format_bytes(memory_bytes)} that the run may take"
        self._lose(worker, Loss("OutOfMemory", reason), job)

    def _lose(
        self, worker: WorkerProcess, loss: Loss, job: _Job, *, seen: Sequence[tuple[Spot, float]] | None = None
    ) -> None:
        """A worker that is no more. `seen`: of its tasks, before it was ended."""
        self._workers.remove(worker)
        worker.end()
        tasks = [flight.task for flight in worker.flights.values()]
        seen = self._seen(worker) if seen is None else seen
        for task in tasks:
            logger.warning("worker lost: kind=%s rows=%d attempt=%d", loss.kind, task.num_rows, task.attempt)

        def given_up(task: Task, step_idx: int, loss: Loss) -> None:
            job.num_unexplained = 0
            job.given_up(task, step_idx, loss)

        if loss.kind == "Crashed" and len(tasks) > 1:
            job.num_unexplained += 1
            if job.num_unexplained >= _MAX_UNEXPLAINED and self._num_lanes(job) > 1:
                logger.warning("processes crash that run several tasks, no row alone does: lanes=1 from now on")
                job.placement = Placement(job.placement.num_processes + job.placement.num_spare)
        spots = [spot for spot, _ in seen]
        job.take_back(left_to_do(tasks, spots, loss=loss, waited=[share for _, share in seen], given_up=given_up))


def _exit_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def rebuilt_error(name: str, message: str) -> HeadraceError:
    """An error that a worker told by the name of its class."""
    kind = getattr(errors, name, InvalidInput)
    found: HeadraceError = kind(message)
    return found
