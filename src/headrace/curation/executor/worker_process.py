"""A worker as the pool sees it: the process, what it does just now, and the pipes to it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.curation.executor.framing import write_message
from headrace.curation.executor.spots import NOBODY, Spots
from headrace.curation.executor.task import Task
from headrace.curation.executor.task_messages import task_message

__all__ = ["Flight", "WorkerProcess"]

logger = logging.getLogger(__name__)

_PIPE_BYTES = 1 << 20  # a reader that waits for Python's lock between two reads has fewer of them
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from headrace.curation.executor.worker import main; "
    "main()"
)


@dataclass(frozen=True, slots=True)
class Flight:
    """A task on its way."""

    task: Task
    begun_at: float  # `time.monotonic`


class WorkerProcess:
    """One process. Used by one thread; `end` it on every path.

    Attributes:
        device: Its CUDA_VISIBLE_DEVICES; None: as this process has it.
        flights: What it runs, by spot.
        is_ready: It has said that it takes tasks.
    """

    def __init__(self, setup: Mapping[str, Any], spots: Spots, *, device: str | None) -> None:
        self.device = device
        self.flights: dict[int, Flight] = {}
        self.is_ready = False
        self._spots = spots
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, str(spots.descriptor), json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(spots.descriptor,),
            env=None if device is None else {**os.environ, "CUDA_VISIBLE_DEVICES": device},
            bufsize=0,
        )
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("both are pipes")
        self.answers = self.process.stdout.fileno()
        self._tasks = self.process.stdin.fileno()
        with contextlib.suppress(OSError, AttributeError):  # not every system has it, nor allows so much
            fcntl.fcntl(self._tasks, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        # A process whose lanes hang reads nothing: the pool must not wait for it, since it looks at the clock.
        self._messages: queue.SimpleQueue[tuple[Any, bytes] | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send_all, name="headrace-tasks", daemon=True)
        self._sender.start()
        self._messages.put((dict(setup), b""))

    @property
    def is_alone(self) -> bool:
        """Whether it runs a task that may end it."""
        return any(flight.task.is_alone for flight in self.flights.values())

    def begin(self, task: Task, *, slot: int) -> None:
        """Run a task as well; it says in this spot where it is."""
        self.flights[slot] = Flight(task, time.monotonic())
        self._spots.write(slot, NOBODY, NOBODY)
        head, body = task_message(task)
        self._messages.put(({"slot": slot, **head}, body))

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self._messages.put(None)
        self._sender.join(1.0)  # a process that an operator started may still hold the other end of the pipe
        pipes = [self.process.stdout] if self._sender.is_alive() else [self.process.stdin, self.process.stdout]
        for pipe in pipes:
            if pipe is not None:
                pipe.close()

    def _send_all(self) -> None:
        try:
            while (message := self._messages.get()) is not None:
                write_message(self._tasks, *message)
        except OSError:  # noticed where its answers end
            logger.debug("worker gone: pid=%d", self.process.pid)
