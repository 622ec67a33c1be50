"""Tasks in this process: for lakes in memory, operators of a notebook, and to look at an error where it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from headrace.curation.executor.losses import Loss
from headrace.curation.executor.step import Step
from headrace.curation.executor.task import Task
from headrace.curation.executor.task_running import run_task
from headrace.curation.ledger import Ledger
from headrace.curation.media_access import MediaAccess

__all__ = ["InlineRunner"]


class InlineRunner:
    """Runs tasks one after the other. A row that crashes its process takes this one along."""

    def __init__(self, steps: Sequence[Step], ledgers: Sequence[Ledger], media: MediaAccess) -> None:
        self._steps = steps
        self._ledgers = ledgers
        self._media = media

    def run(
        self,
        tasks: Iterator[Task],
        *,
        done: Callable[[Task], None],
        given_up: Callable[[Task, int, Loss], None],
    ) -> None:
        """As `WorkerPool.run`; nothing is ever given up."""
        for task in tasks:
            blocks = run_task(task, self._steps, self._media, started=lambda place, step_idx: None)
            for idx, block in zip(task.step_idxs, blocks, strict=True):
                self._ledgers[idx].put(block)
            done(task)
