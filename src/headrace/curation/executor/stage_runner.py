"""The tasks of one stage on workers that know the steps of all stages."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from headrace.curation.executor.losses import Loss
from headrace.curation.executor.spots import NOBODY
from headrace.curation.executor.task import Task

__all__ = ["RunTasks", "StageRunner"]


class RunTasks(Protocol):
    """Runs tasks; as `TaskRunner.run`."""

    def __call__(
        self,
        tasks: Iterator[Task],
        *,
        done: Callable[[Task], None],
        given_up: Callable[[Task, int, Loss], None],
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class StageRunner:
    """Numbers a stage's steps as the workers do.

    Attributes:
        start: Called when there is something to run: what the machine may lack is needed only then.
        offset: Of the stage's first step among those of all stages.
    """

    start: Callable[[], RunTasks]
    offset: int

    def run(
        self,
        tasks: Iterator[Task],
        *,
        done: Callable[[Task], None],
        given_up: Callable[[Task, int, Loss], None],
    ) -> None:
        """Returns when all are done."""

        def shifted(task: Task, offset: int) -> Task:
            return replace(task, step_idxs=tuple(idx + offset for idx in task.step_idxs))

        first = next(tasks, None)
        if first is None:
            return
        self.start()(
            (shifted(task, self.offset) for task in itertools.chain([first], tasks)),
            done=lambda task: done(shifted(task, -self.offset)),
            given_up=lambda task, step_idx, loss: given_up(
                shifted(task, -self.offset), step_idx if step_idx == NOBODY else step_idx - self.offset, loss
            ),
        )
