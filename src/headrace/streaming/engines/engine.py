"""What every engine promises to the loader."""

from __future__ import annotations

from typing import Protocol

from headrace.streaming.making import MadeBatch, Task

__all__ = ["Engine"]


class Engine(Protocol):
    """Makes batches of tasks in any order and gives them by number. For one consumer thread."""

    depth: int
    """Tasks that should be under way while the consumer works."""

    def submit(self, task: Task) -> None:
        """Start a task; at most `depth` are under way."""
        ...

    def result(self, number: int, *, timeout_seconds: float) -> MadeBatch | None:
        """The batch of a submitted task, or its error raised; None if it takes longer."""
        ...

    def forget(self, number: int) -> None:
        """Nobody will ask for this task's batch any more; does not wait."""
        ...

    def stages(self) -> list[str]:
        """What each task under way is doing, in words; for the message about a stall."""
        ...

    def close(self) -> None:
        """Stop, without waiting for what is under way. Twice is no error."""
        ...
