"""Worker processes that take tasks; one that dies, hangs or takes too much memory is replaced, its rows are not lost.

Where a worker ended at a row, that row is tried once more by itself and the rest without it; a row that ends its worker
twice is given up. Where nobody knows the row, the task is halved.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headrace import errors
from headrace.curation.executor.framing import read_message, table_bytes, write_message
from headrace.curation.executor.memory import held_bytes
from headrace.curation.executor.task import Task
from headrace.curation.executor.task_running import NOBODY
from headrace.curation.executor.worker import SPOT, SPOT_BYTES
from headrace.curation.input_ids import id_array
from headrace.errors import HeadraceError, InvalidInput
from headrace.storage.nameless_file import nameless_file
from headrace.units import format_bytes

__all__ = ["GivenUp", "Loss", "WorkerPool"]

logger = logging.getLogger(__name__)

_MAX_FAILED_STARTS = 3
_LOOK_SECONDS = 0.05  # at clocks and memory
_ACT_SHARE = 0.85
"""Of the ceiling: what a worker takes between two looks must still fit."""
_MIN_WORKER_BYTES = 200_000_000  # with its libraries and a chunk
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from headrace.curation.executor.worker import main; "
    "main()"
)


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a worker ended in the middle of a task."""

    kind: str  # "Crashed", "TimedOut", "OutOfMemory"
    reason: str


GivenUp = Callable[[Task, int, Loss], None]
"""Told of a task of one row that ended its worker twice, and of the step; `NOBODY` where it is not known."""


class _Worker:
    """One process and what it does just now."""

    def __init__(self, slot: int, spots: mmap.mmap, descriptor: int, setup: Mapping[str, Any]) -> None:
        self.slot = slot
        self.task: Task | None = None
        self.is_ready = False
        self._spots = spots
        self.clear_spot()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, str(descriptor), str(slot * SPOT_BYTES), json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(descriptor,),
            bufsize=0,
        )
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("both are pipes")
        self.answers = self.process.stdout.fileno()
        self._tasks = self.process.stdin.fileno()
        self.send(setup)

    def send(self, head: Any, body: bytes = b"") -> None:
        """Hand something over; a process that is gone is noticed when its answers end."""
        try:
            write_message(self._tasks, head, body)
        except OSError:
            logger.debug("worker gone: pid=%d", self.process.pid)

    def begin(self, task: Task) -> None:
        self.task = task
        self.clear_spot()
        table = task.table
        for idx, ids in enumerate(task.ids):
            table = table.append_column(f"_input{idx}", id_array(ids))
        self.send({"task": self.slot, "steps": list(task.step_idxs), "attempt": task.attempt}, table_bytes(table))

    def spot(self) -> tuple[int, int, float]:
        """Row, step and since when."""
        place, step_idx, since = SPOT.unpack_from(self._spots, self.slot * SPOT_BYTES)
        return place, step_idx, since

    def clear_spot(self) -> None:
        SPOT.pack_into(self._spots, self.slot * SPOT_BYTES, NOBODY, NOBODY, time.monotonic())

    def end(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()


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
            memory_bytes: Of this process and all workers together.
            timeouts: Seconds for one row in each step, or for the step on a batch; None: no limit.
        """
        self._setup = dict(setup)
        self._num_workers = num_workers
        self._memory_bytes = memory_bytes
        self._timeouts = list(timeouts)
        self._descriptor = nameless_file(num_workers * SPOT_BYTES, label="headrace-spots")
        self._spots = mmap.mmap(self._descriptor, num_workers * SPOT_BYTES)
        self._workers: list[_Worker] = []
        self._num_failed_starts = 0
        self._next_look = 0.0

    def run(self, tasks: Iterable[Task], *, done: Callable[[Task], None], given_up: GivenUp) -> None:
        """Run all tasks; returns when the last one is done.

        Raises:
            HeadraceError: Workers cannot work at all: an operator's library is missing, the lake cannot be opened.
        """
        coming = iter(tasks)
        again: deque[Task] = deque()
        waiting = next(coming, None)  # looked at first, so that no worker is started for nothing
        while True:
            while waiting is not None or again:
                worker = self._idle_worker()
                if worker is None:
                    break
                if again:
                    worker.begin(again.popleft())
                elif waiting is not None:
                    worker.begin(waiting)
                    waiting = next(coming, None)
            if waiting is None and not again and all(worker.task is None for worker in self._workers):
                return
            for worker in self._with_news():
                self._take_news(worker, again, done, given_up)
            self._look(again, given_up)

    def close(self) -> None:
        """End all workers; tasks that are not done are lost."""
        for worker in self._workers:
            worker.end()
        self._workers = []
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _idle_worker(self) -> _Worker | None:
        for worker in self._workers:
            if worker.is_ready and worker.task is None:
                return worker
        if len(self._workers) < self._num_workers and all(worker.is_ready for worker in self._workers):
            taken = {worker.slot for worker in self._workers}
            slot = next(slot for slot in range(self._num_workers) if slot not in taken)
            self._workers.append(_Worker(slot, self._spots, self._descriptor, self._setup))
        return None

    def _with_news(self) -> list[_Worker]:
        if not self._workers:
            return []
        poll = select.poll()
        by_descriptor = {worker.answers: worker for worker in self._workers}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN | select.POLLHUP)
        return [by_descriptor[descriptor] for descriptor, _ in poll.poll(_LOOK_SECONDS * 1000)]

    def _take_news(self, worker: _Worker, again: deque[Task], done: Callable[[Task], None], given_up: GivenUp) -> None:
        message = read_message(worker.answers)
        if message is None:
            code = worker.process.wait()
            if not worker.is_ready:
                self._workers.remove(worker)
                worker.end()
                self._num_failed_starts += 1
                if self._num_failed_starts >= _MAX_FAILED_STARTS:
                    raise InvalidInput(
                        f"worker processes end before they are up ({_exit_text(code)}); what they said is above. Run "
                        "with workers=0 to see the error in this process"
                    )
                return
            self._lose(worker, Loss("Crashed", f"its process ended ({_exit_text(code)})"), again, given_up)
            return
        head = message[0]
        if "error" in head:
            raise _rebuilt(*head["error"])
        if "ready" in head:
            worker.is_ready = True
            self._num_failed_starts = 0
            return
        task, worker.task = worker.task, None
        if task is not None:
            done(task)

    def _look(self, again: deque[Task], given_up: GivenUp) -> None:
        """At the clock and at memory."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        for worker in list(self._workers):
            _, step_idx, since = worker.spot()
            limit = self._timeouts[step_idx] if 0 <= step_idx < len(self._timeouts) else None
            if worker.task is not None and limit is not None and now - since > limit:
                worker.end()
                self._lose(worker, Loss("TimedOut", f"it took longer than {limit:g} s"), again, given_up)
        if self._memory_bytes is not None and self._workers:
            held = held_bytes([os.getpid(), *(worker.process.pid for worker in self._workers)])
            if sum(held.values()) > _ACT_SHARE * self._memory_bytes:
                own = held[os.getpid()]
                if _ACT_SHARE * self._memory_bytes - own < _MIN_WORKER_BYTES:  # then no row is to blame
                    raise InvalidInput(
                        f"this process alone holds {format_bytes(own)} of the {format_bytes(self._memory_bytes)} that "
                        f"the run may take, and a worker needs {format_bytes(_MIN_WORKER_BYTES)}; raise --memory"
                    )
                self._shrink(held, again, given_up)

    def _shrink(self, held: Mapping[int, int], again: deque[Task], given_up: GivenUp) -> None:
        """End the largest worker; its task goes on in halves, with one worker less where there are several."""
        worker = max(self._workers, key=lambda worker: held[worker.process.pid])
        worker.end()
        self._num_workers = max(1, min(self._num_workers, len(self._workers)) - 1)
        reason = f"it needs more than the {format_bytes(self._memory_bytes or 0)} that the run may take"
        logger.warning(
            "memory ceiling reached, one worker less: held=%d workers=%d", sum(held.values()), self._num_workers
        )
        self._lose(worker, Loss("OutOfMemory", reason), again, given_up)

    def _lose(self, worker: _Worker, loss: Loss, again: deque[Task], given_up: GivenUp) -> None:
        """A worker that is no more."""
        place, step_idx, _ = worker.spot()
        self._workers.remove(worker)
        worker.end()
        task = worker.task
        if task is None:
            return
        logger.warning("worker lost: kind=%s rows=%d attempt=%d", loss.kind, task.num_rows, task.attempt)
        again.extend(_after_loss(task, place, step_idx, loss, given_up))


def _after_loss(task: Task, place: int, step_idx: int, loss: Loss, given_up: GivenUp) -> Iterator[Task]:
    """What is still to be done of a task whose worker ended."""
    if task.num_rows == 1:
        if task.attempt < 2:
            yield replace(task, attempt=task.attempt + 1)
            return
        given_up(task, step_idx, loss)
        if step_idx != NOBODY and len(task.step_idxs) > 1:
            yield replace(task.without(step_idx), attempt=1)
    elif place == NOBODY or loss.kind == "OutOfMemory":
        for half in np.array_split(np.arange(task.num_rows), 2):  # [num_rows / 2]
            yield task.part(half)
    else:
        yield task.part([place], attempt=task.attempt + 1)
        yield task.part(np.delete(np.arange(task.num_rows), place))


def _exit_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _rebuilt(name: str, message: str) -> HeadraceError:
    kind = getattr(errors, name, InvalidInput)
    found: HeadraceError = kind(message)
    return found
