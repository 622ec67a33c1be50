"""A pool of threads, one whole batch a task: decoders let go of the GIL, and no sample crosses a thread."""

from __future__ import annotations

import queue
import threading
from typing import Any

import numpy as np

from headrace.errors import InvalidInput
from headrace.streaming.making import BatchMaker, MadeBatch, Task
from headrace.streaming.ring import Ring, Slot
from headrace.streaming.samples import Stage

__all__ = ["ThreadEngine"]


class ThreadEngine:
    """Threads in this process. Large arrays lie in slots that are used again when the consumer lets go of them."""

    def __init__(self, maker: BatchMaker, *, num_threads: int, depth: int, slot_bytes: int) -> None:
        self.depth = depth
        self._maker = maker
        self._ring = Ring(depth + num_threads + 2, slot_bytes=slot_bytes)
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._results: dict[int, MadeBatch | BaseException] = {}
        self._stages: dict[int, Stage] = {}
        self._arrived = threading.Condition()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"headrace-batch-{idx}", daemon=True) for idx in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task) -> None:
        """As `Engine.submit`."""
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

    def stages(self) -> list[str]:
        """As `Engine.stages`."""
        return [describe_stage(number, stage) for number, stage in list(self._stages.items()) if stage.name != "done"]

    def close(self) -> None:
        """As `Engine.close`."""
        self._is_closed = True
        for _ in self._threads:
            self._tasks.put(None)

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            if task is None or self._is_closed:
                return
            try:
                made: MadeBatch | BaseException = self._make(task)
            except BaseException as error:  # noqa: BLE001 - raised in the consumer's thread
                made = error
            with self._arrived:
                self._results[task.number] = made
                self._arrived.notify_all()
            del made

    def _make(self, task: Task) -> MadeBatch:
        stage = self._stages[task.number]
        number = self._ring.take()
        slot = None if number is None else self._ring.slot(number, is_owned=True)
        return self._maker.make(task, allocate=_Room(slot), stage=stage)


class _Room:
    """Room in a slot as long as there is some, else anywhere."""

    def __init__(self, slot: Slot | None) -> None:
        self._slot = slot

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        if self._slot is not None:
            try:
                return self._slot.allocate(shape, dtype)
            except InvalidInput:  # larger than a slot
                pass
        return np.empty(shape, dtype)


def describe_stage(number: int, stage: Stage) -> str:
    """A task in words."""
    sample = f" (sample {stage.key})" if stage.key is not None and stage.name == "transform" else ""
    return f"batch {number}: {stage.name}{sample}"
