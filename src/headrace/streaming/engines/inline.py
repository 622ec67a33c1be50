"""Batches made in the thread that asks for them."""

from __future__ import annotations

import numpy as np

from headrace.streaming.making import BatchMaker, MadeBatch, Task
from headrace.streaming.samples import Stage

__all__ = ["InlineEngine"]


class InlineEngine:
    """For debugging: errors come with the whole stack, and nothing runs ahead."""

    depth = 1

    def __init__(self, maker: BatchMaker) -> None:
        self._maker = maker
        self._tasks: dict[int, Task] = {}

    def submit(self, task: Task) -> None:
        """As `Engine.submit`."""
        self._tasks[task.number] = task

    def result(self, number: int, *, timeout_seconds: float) -> MadeBatch | None:
        """As `Engine.result`; takes as long as it takes."""
        return self._maker.make(self._tasks.pop(number), allocate=np.empty, stage=Stage())

    def forget(self, number: int) -> None:
        """As `Engine.forget`."""
        self._tasks.pop(number, None)

    def stages(self) -> list[str]:
        """As `Engine.stages`."""
        return []

    def close(self) -> None:
        """As `Engine.close`."""
        self._tasks.clear()
