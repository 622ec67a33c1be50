"""Batches made in the thread that asks for them."""

from __future__ import annotations

import numpy as np

from headrace.streaming.engines.stall_watch import StallWatch
from headrace.streaming.making import BatchMaker, MadeBatch, Task
from headrace.streaming.samples import Stage

__all__ = ["InlineEngine"]


class InlineEngine:
    """For debugging: errors come with the whole stack, and nothing runs ahead. What stalls is only told."""

    depth = 1

    def __init__(self, maker: BatchMaker, *, stall_seconds: float) -> None:
        self._maker = maker
        self._tasks: dict[int, Task] = {}
        self._watch = StallWatch(stall_seconds=stall_seconds)

    def submit(self, task: Task) -> None:
        """As `Engine.submit`."""
        self._tasks[task.number] = task

    def result(self, number: int, *, timeout_seconds: float) -> MadeBatch | None:
        """As `Engine.result`; takes as long as it takes."""
        stage = Stage()
        self._watch.begin(number, stage)
        try:
            return self._maker.make(self._tasks.pop(number), allocate=np.empty, stage=stage)
        finally:
            self._watch.end()

    def forget(self, number: int) -> None:
        """As `Engine.forget`."""
        self._tasks.pop(number, None)

    def stages(self) -> list[str]:
        """As `Engine.stages`."""
        return []

    def close(self) -> None:
        """As `Engine.close`."""
        self._tasks.clear()
        self._watch.close()
