"""Processes that scatter and gather, each with its own memory; one that dies is replaced and its task done again.

A worker is a Python of its own that reads tasks from its standard input and answers on its standard output, one line
of JSON each: nothing of the caller's program is imported again, no fork copies locks of Arrow or DuckDB, and a worker
whose caller is gone sees the end of its input and leaves.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from headrace import errors
from headrace.errors import HeadraceError, Unavailable

__all__ = ["Task", "WorkerPool"]

_ATTEMPTS = 3
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker does: the name of a step and its JSON arguments. Doing it twice must give the same."""

    step: str
    arguments: Mapping[str, Any]
    prepare: Callable[[], None] | None = None  # in the caller's process, before the worker starts: fetches files
    finish: Callable[[], None] | None = None  # in the caller's process, however it ended: removes them


class WorkerPool:
    """Does tasks in `num_workers` processes; use as a context, which kills the processes at the end."""

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._idle: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()
        for _ in range(num_workers):
            self._idle.put(None)  # a place: its process starts with its first task
        self._lock = threading.Lock()
        self._alive: set[_Worker] = set()
        self._is_closed = False
        self._threads = ThreadPoolExecutor(num_workers, thread_name_prefix="headrace-gather")

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Of the processes that run now."""
        with self._lock:
            return [worker.pid for worker in self._alive]

    def start(self) -> None:
        """Start the processes now, while the caller still prepares: Python and its libraries take half a second."""
        for _ in range(self._num_workers):
            worker = self._idle.get()
            self._idle.put(self._start(None) if worker is None else worker)

    def submit(self, tasks: Sequence[Task]) -> list[Future[dict[str, Any]]]:
        """Start them in this order; the answers come as futures.

        Raises:
            Unavailable: From the future: the worker died three times over this task.
            HeadraceError: From the future: what the step raised.
        """
        return [self._threads.submit(self._do, task) for task in tasks]

    def close(self) -> None:
        """Kill all processes, whatever they are at."""
        with self._lock:
            self._is_closed = True
            workers, self._alive = list(self._alive), set()
        for worker in workers:
            worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _do(self, task: Task) -> dict[str, Any]:
        try:
            if task.prepare is not None:
                task.prepare()
            death = ""
            for attempt in range(1, _ATTEMPTS + 1):
                worker = self._idle.get()
                try:
                    if worker is None or not worker.is_alive:
                        worker = self._start(worker)
                    answer = worker.call(task.step, task.arguments)
                finally:
                    self._idle.put(worker)
                if answer is not None:
                    return _checked(answer)
                death = _death(worker.code)
                _LOG.warning("step=%s attempt=%d worker=%d died code=%s", task.step, attempt, worker.pid, worker.code)
            raise Unavailable(
                f"a process for the step {task.step!r} died {_ATTEMPTS} times ({death}). If the system "
                "runs out of memory, run with a smaller --memory or fewer workers; nothing was left half-written"
            )
        finally:
            if task.finish is not None:
                task.finish()

    def _start(self, dead: _Worker | None) -> _Worker:
        if dead is not None:
            dead.kill()  # closes its pipes
        worker = _Worker()
        with self._lock:
            if dead is not None:
                self._alive.discard(dead)
            if self._is_closed:
                worker.kill()
                raise Unavailable("the run was stopped")
            self._alive.add(worker)
        return worker


class _Worker:
    """One process; used by one thread at a time."""

    def __init__(self) -> None:
        # The tree's memory counts: glibc otherwise keeps an arena for each thread, and Arrow what it freed.
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(errors.__file__).parents[1]), *sys.path]),
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            "ARROW_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
            # What a task gives back serves the next one; else the system zeroes each page of each buffer anew.
            "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
            "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "headrace.curation.table_stages.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is the caller's to handle
        )
        self._tasks = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        return self._process.poll()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def call(self, step: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer, or None if the process died."""
        line = b""
        try:
            self._tasks.write(json.dumps({"step": step, **arguments}).encode() + b"\n")
            self._tasks.flush()
            line = self._answers.readline()
        except (BrokenPipeError, ValueError, OSError):
            pass  # the same as an answer that does not come
        if not line.endswith(b"\n"):
            self.kill()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        """Kill it and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._tasks, self._answers):
            try:
                pipe.close()
            except OSError:
                pass  # what was not sent has no reader


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" not in answer:
        return answer
    kind = getattr(errors, str(answer["error"]), None)
    if isinstance(kind, type) and issubclass(kind, HeadraceError):
        raise kind(answer["message"])
    raise RuntimeError(f"a worker failed with {answer['error']}: {answer['message']}")
