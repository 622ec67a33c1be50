"""Who is blamed for a process that ended, and what goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from headrace.curation.executor.losses import Loss, left_to_do
from headrace.curation.executor.spots import NOBODY, Spot
from headrace.curation.executor.task import Task

CRASH = Loss("Crashed", "signal 11")
SLOW = Loss("TimedOut", "it took longer than 2 s")
FULL = Loss("OutOfMemory", "it needs more")


def task(*ids: str, num_steps: int = 1, attempt: int = 1, is_alone: bool = False) -> Task:
    inputs = np.array([name.encode() for name in ids], dtype="S32")
    return Task(pa.table({"_id": list(ids)}), tuple(range(num_steps)), (inputs,) * num_steps, attempt, is_alone)


def left(
    tasks: Sequence[Task], spots: Sequence[tuple[int, int]], loss: Loss, *, waited: Sequence[float] = ()
) -> tuple[list[tuple[str, int, bool, int]], list[tuple[str, int]]]:
    """(ids, attempt, is alone, number of steps) of what goes on, and what was given up with its step."""
    given_up: list[tuple[str, int]] = []
    found = left_to_do(
        tasks,
        [Spot(place, step_idx, 0.0) for place, step_idx in spots],
        loss=loss,
        waited=waited or [0.0] * len(tasks),
        given_up=lambda task, step_idx, loss: given_up.append((names(task), step_idx)),
    )
    return [(names(task), task.attempt, task.is_alone, len(task.step_idxs)) for task in found], given_up


def names(task: Task) -> str:
    return "".join(task.table.column("_id").to_pylist())


def test_row_of_the_only_task_is_tried_alone_then_given_up() -> None:
    assert left([task(*"abcd")], [(2, 0)], CRASH) == ([("c", 2, True, 1), ("abd", 1, False, 1)], [])
    assert left([task("c", attempt=2, is_alone=True)], [(0, 0)], CRASH) == ([], [("c", 0)])


def test_other_steps_of_a_given_up_row_go_on_at_the_same_attempt() -> None:
    assert left([task("c", num_steps=2, attempt=4, is_alone=True)], [(0, 1)], CRASH) == (
        [("c", 4, False, 1)],
        [("c", 1)],
    )


def test_row_of_a_retry_has_its_second_chance_as_well() -> None:
    assert left([task("c", attempt=2)], [(0, 0)], CRASH) == ([("c", 3, True, 1)], [])


def test_nobody_is_given_up_for_what_ran_beside_it() -> None:
    tasks = [task(*"abc"), task("d", attempt=2), task(*"efg")]
    assert left(tasks, [(1, 0), (0, 0), (NOBODY, NOBODY)], CRASH) == (
        [("b", 2, True, 1), ("ac", 1, False, 1), ("d", 3, True, 1), ("efg", 1, True, 1)],
        [],
    )


def test_batch_is_halved_where_it_ran_alone() -> None:
    assert left([task(*"abcd")], [(NOBODY, 0)], CRASH)[0] == [("ab", 1, False, 1), ("cd", 1, False, 1)]
    assert left([replace(task(*"ab"), is_alone=True)], [(NOBODY, 0)], CRASH)[0] == [
        ("a", 1, True, 1),
        ("b", 1, True, 1),
    ]


def test_only_the_row_over_its_limit_is_blamed() -> None:
    tasks = [task(*"abc"), task(*"def"), task("g", attempt=2)]
    assert left(tasks, [(1, 0), (0, 0), (0, 0)], SLOW, waited=[1.1, 0.2, 0.0]) == (
        [("b", 2, True, 1), ("ac", 1, False, 1), ("def", 1, False, 1), ("g", 2, False, 1)],
        [],
    )


def test_row_that_may_have_held_up_its_neighbour_is_tried_alone() -> None:
    found, given_up = left([task(*"abc"), task(*"def")], [(1, 0), (0, 0)], SLOW, waited=[1.1, 0.99])
    assert found == [("b", 2, True, 1), ("ac", 1, False, 1), ("d", 2, True, 1), ("ef", 1, False, 1)]
    assert given_up == []


def test_shared_memory_shortage_halves_and_blames_nobody() -> None:
    found, given_up = left([task(*"abc"), task("d")], [(1, 0), (0, 0)], FULL)
    assert found == [("ab", 1, False, 1), ("c", 1, False, 1), ("d", 2, True, 1)]
    assert given_up == []
    assert left([task("d")], [(0, 0)], FULL) == ([("d", 2, True, 1)], [])
    assert left([task("d", attempt=2, is_alone=True)], [(0, 0)], FULL) == ([], [("d", 0)])


@pytest.mark.parametrize("loss", [CRASH, SLOW, FULL], ids=["crash", "slow", "full"])
@pytest.mark.parametrize("bad", [0, 3, 6])
def test_exactly_the_bad_row_is_given_up_in_the_end(loss: Loss, bad: int) -> None:
    """Whatever is left is run, two tasks at a time where they may be, and the bad row ends every process."""
    waiting = [task(*"abcdefg"), task(*"hijk")]
    bad_name = "abcdefg"[bad]
    given_up: list[str] = []
    done: list[str] = []
    for _ in range(100):
        if not waiting:
            break
        waiting.sort(key=lambda task: not task.is_alone)
        running = [waiting.pop(0)]
        if waiting and not running[0].is_alone and not waiting[0].is_alone:
            running.append(waiting.pop(0))
        if not any(bad_name in names(item) for item in running):
            done += [name for item in running for name in names(item)]
            continue
        spots = [Spot(names(item).find(bad_name) if bad_name in names(item) else 0, 0, 0.0) for item in running]
        waited = [1.1 if bad_name in names(item) else 0.1 for item in running]
        waiting += left_to_do(
            running, spots, loss=loss, waited=waited, given_up=lambda task, step_idx, loss: given_up.append(names(task))
        )
    assert given_up == [bad_name]
    assert sorted(done) == sorted(set("abcdefghijk") - {bad_name})
