"""What is still to be done of tasks whose process is no more, and who is to blame.

A row is given up only where it ended a process that had nothing else to do. Whoever is merely suspected is tried alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headrace.curation.executor.spots import NOBODY, Spot
from headrace.curation.executor.task import Task

__all__ = ["GivenUp", "Loss", "left_to_do"]

_STUCK_SHARE = 0.5
"""Of its limit: a row that has taken so long when a neighbour exceeded its own may be what held the neighbour up."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a worker ended in the middle of a task."""

    kind: str  # "Crashed", "TimedOut", "OutOfMemory"
    reason: str


GivenUp = Callable[[Task, int, Loss], None]
"""Told of a task of one row that ended its worker twice, and of the step; `NOBODY` where it is not known."""


def left_to_do(
    tasks: Sequence[Task],
    spots: Sequence[Spot],  # one for each task
    *,
    loss: Loss,
    waited: Sequence[float],  # share of its time limit that each has taken; 0 where none runs
    given_up: GivenUp,
) -> Iterator[Task]:
    """The tasks of a process that ended, without those rows that are given up."""
    is_only = len(tasks) == 1
    for task, spot, share in zip(tasks, spots, waited, strict=True):
        if loss.kind == "TimedOut" and share <= 1:
            yield from _suspected(task, spot.place) if share > _STUCK_SHARE else (task,)
        elif is_only or loss.kind == "TimedOut":
            yield from _blamed(task, spot, loss, given_up)
        elif loss.kind == "OutOfMemory" and task.num_rows > 1:
            yield from _halves(task)
        else:
            yield from _suspected(task, spot.place)


def _blamed(task: Task, spot: Spot, loss: Loss, given_up: GivenUp) -> Iterator[Task]:
    """The task did it."""
    if task.num_rows == 1:
        if not (task.is_alone and task.attempt > 1):
            yield replace(task, attempt=task.attempt + 1, is_alone=True)
            return
        given_up(task, spot.step_idx, loss)
        if spot.step_idx != NOBODY and len(task.step_idxs) > 1:
            yield replace(task.without(spot.step_idx), is_alone=False)
    elif spot.place == NOBODY or loss.kind == "OutOfMemory":  # the row in hand need not be the one that took it
        yield from _halves(task)
    else:
        yield from _suspected(task, spot.place)


def _suspected(task: Task, place: int) -> Iterator[Task]:
    """The row at this place may have done it; where it is not known which, the task."""
    if place == NOBODY:
        yield replace(task, is_alone=True)
    elif task.num_rows == 1:
        yield replace(task, attempt=task.attempt + 1, is_alone=True)
    else:
        yield replace(task.part([place]), attempt=task.attempt + 1, is_alone=True)
        yield replace(task.part(np.delete(np.arange(task.num_rows), place)), is_alone=False)


def _halves(task: Task) -> Iterator[Task]:
    for half in np.array_split(np.arange(task.num_rows), 2):  # [num_rows / 2]
        yield task.part(half)
