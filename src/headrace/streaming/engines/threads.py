"""A pool of threads, one whole batch a task: decoders let go of the GIL, and no sample crosses a thread."""

from __future__ import annotations

import atexit
import queue
import threading
import time
import weakref

from headrace.errors import InvalidInput
from headrace.streaming.allocator import keep_freed_memory
from headrace.streaming.making import BatchMaker, MadeBatch, Task
from headrace.streaming.ring import Ring, SlotRoom
from headrace.streaming.samples import Stage, describe_stage

__all__ = ["ThreadEngine"]

_STOP_SECONDS = 1.0
_open_engines: weakref.WeakSet[ThreadEngine] = weakref.WeakSet()


@atexit.register
def _close_open_engines() -> None:
    """Before the interpreter goes: a thread that comes back from a C++ library afterwards would abort the process."""
    for engine in list(_open_engines):
        engine.close()


class ThreadEngine:
    """Threads in this process. Large arrays lie in slots that are used again when the consumer lets go of them."""

    def __init__(self, maker: BatchMaker, *, num_threads: int, depth: int, slot_bytes: int) -> None:
        keep_freed_memory()
        self.depth = depth
        self._maker = maker
        self._ring = Ring(depth + num_threads + 2, slot_bytes=slot_bytes)
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._results: dict[int, MadeBatch | BaseException] = {}
        self._stages: dict[int, Stage] = {}
        self._arrived = threading.Condition()
        self._is_closed = False
        self._forgotten: set[int] = set()
        self._threads = [
            threading.Thread(target=self._work, name=f"headrace-batch-{idx}", daemon=True) for idx in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()
        _open_engines.add(self)

    def submit(self, task: Task) -> None:
        """As `Engine.submit`."""
        if self._is_closed:
            raise InvalidInput("the loader was closed; iterate it again")
        self._stages[task.number] = Stage()
        self._tasks.put(task)

    def result(self, number: int, *, timeout_seconds: float) -> MadeBatch | None:
        """As `Engine.result`."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: number in self._results, timeout_seconds):
                return None
            found = self._results.pop(number)
            self._stages.pop(number, None)
        if isinstance(found, BaseException):
            raise found
        return found

    def forget(self, number: int) -> None:
        """As `Engine.forget`."""
        with self._arrived:
            if self._results.pop(number, None) is None:
                self._forgotten.add(number)
            self._stages.pop(number, None)

    def stages(self) -> list[str]:
        """As `Engine.stages`."""
        return [describe_stage(number, stage) for number, stage in list(self._stages.items()) if stage.name != "done"]

    def close(self) -> None:
        """As `Engine.close`; waits for the batches in hand, but not for one that stalls."""
        self._is_closed = True
        _open_engines.discard(self)
        for _ in self._threads:
            self._tasks.put(None)
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            if thread is not threading.current_thread():  # the last reference may go in a worker
                thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            if task is None or self._is_closed:
                return
            with self._arrived:
                if task.number in self._forgotten:
                    self._forgotten.discard(task.number)
                    continue
            try:
                made: MadeBatch | BaseException = self._make(task)
            except BaseException as error:  # noqa: BLE001 - raised in the consumer's thread
                made = error
            with self._arrived:
                if task.number in self._forgotten:
                    self._forgotten.discard(task.number)
                else:
                    self._results[task.number] = made
                    self._arrived.notify_all()
            del made

    def _make(self, task: Task) -> MadeBatch:
        stage = self._stages.get(task.number) or Stage()
        number = self._ring.take()
        slot = None if number is None else self._ring.slot(number, is_owned=True)
        return self._maker.make(task, allocate=SlotRoom(slot), stage=stage)
