"""Chunks dealt to hosts that go away; a stand-in for Ray gives the hosts, so that hundreds can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from headrace.curation.executor.losses import Loss
from headrace.curation.executor.task import Task
from headrace.curation.executor.task_messages import task_from_message, task_message
from headrace.curation.input_ids import ID_BYTES
from headrace.curation.ray_engine.cluster import RayCluster
from headrace.curation.ray_engine.host_needs import HostNeeds
from headrace.curation.ray_engine.host_pool import HostPool
from headrace.errors import InvalidInput, MissingExtra

pytest.importorskip("ray")

Work = Callable[[Task], dict[str, Any] | None]
"""What a host answers to a task; None: it is lost."""


@dataclass
class StandIn:
    """What `HostPool` uses of Ray; answers come as soon as they are asked for."""

    work: Work
    begin: Callable[[], dict[str, Any] | None] = dict
    options_seen: list[dict[str, Any]] = field(default_factory=list)
    alive: set[int] = field(default_factory=set)
    num_started: int = 0

    @property
    def api(self) -> StandIn:
        return self

    def remote(self, kind: type) -> StandInKind:
        return StandInKind(self)

    def wait(self, answers: list[Any], **options: Any) -> tuple[list[Any], list[Any]]:
        return answers[:1], answers[1:]

    def get(self, answer: list[Any]) -> dict[str, Any]:
        from ray.exceptions import ActorDiedError

        (found,) = answer
        if found is None:
            raise ActorDiedError
        return cast(dict[str, Any], found)

    def kill(self, actor: StandInActor) -> None:
        self.alive.discard(actor.number)


class Answer(list[Any]):
    """A list that can be a key, as what Ray gives for a call."""

    __hash__ = object.__hash__  # type: ignore[assignment]


@dataclass
class StandInKind:
    ray: StandIn

    def options(self, **options: Any) -> StandInKind:
        self.ray.options_seen.append(options)
        return self

    def remote(self, **arguments: Any) -> StandInActor:
        self.ray.num_started += 1
        self.ray.alive.add(self.ray.num_started)
        return StandInActor(self.ray, self.ray.num_started)


@dataclass
class StandInCall:
    call: Callable[..., dict[str, Any] | None]

    def remote(self, *arguments: Any) -> Answer:
        return Answer([self.call(*arguments)])


class StandInActor:
    def __init__(self, ray: StandIn, number: int) -> None:
        self.number = number
        self.begin = StandInCall(ray.begin)
        self.run = StandInCall(lambda head, body: ray.work(task_from_message(head, body)))


@dataclass
class Told:
    done: list[int] = field(default_factory=list)
    given_up: list[tuple[int, int, str]] = field(default_factory=list)


def tasks(num_rows: int, *, rows_each: int) -> Iterator[Task]:
    for start in range(0, num_rows, rows_each):
        numbers = list(range(start, min(start + rows_each, num_rows)))
        ids = np.array([f"{number:016d}".encode() for number in numbers], dtype=f"S{ID_BYTES}")
        yield Task(pa.table({"_row": numbers}), (0,), (ids,))


def rows_of(task: Task) -> list[int]:
    return [int(row) for row in task.table.column("_row").to_pylist()]


def run(
    ray: StandIn, *, num_rows: int = 20, rows_each: int = 5, num_hosts: int = 2, needs: HostNeeds | None = None
) -> Told:
    told = Told()

    def given_up(task: Task, step_idx: int, loss: Loss) -> None:
        told.given_up += [(row, task.attempt, loss.kind) for row in rows_of(task)]

    pool = HostPool(cast(RayCluster, ray), {}, code={}, import_path=[], timeouts=[None], memory_bytes=None)
    try:
        pool.run(
            tasks(num_rows, rows_each=rows_each),
            done=lambda task: told.done.extend(rows_of(task)),
            given_up=given_up,
            needs=needs or HostNeeds(),
            num_hosts=num_hosts,
        )
    finally:
        pool.close()
    assert ray.alive == set()
    return told


def test_every_chunk_is_done_once_by_few_hosts() -> None:
    ray = StandIn(lambda task: {})
    assert sorted(run(ray).done) == list(range(20))
    assert ray.num_started == 2
    assert ray.options_seen[0]["num_cpus"] == 1


def test_no_more_hosts_than_chunks_and_none_without() -> None:
    ray = StandIn(lambda task: {})
    assert run(ray, num_rows=3, num_hosts=8).done == [0, 1, 2]
    assert ray.num_started == 1
    empty = StandIn(lambda task: {})
    assert run(empty, num_rows=0).done == []
    assert empty.num_started == 0


def test_lost_host_gives_its_chunk_to_another() -> None:
    lost: list[int] = []

    def work(task: Task) -> dict[str, Any] | None:
        if len(lost) < 3:
            lost.append(rows_of(task)[0])
            return None
        return {}

    told = run(StandIn(work))
    assert sorted(told.done) == list(range(20))
    assert told.given_up == []


def test_row_that_takes_its_host_along_is_found_and_given_up() -> None:
    told = run(StandIn(lambda task: None if 7 in rows_of(task) else {}))
    assert sorted(told.done) == [row for row in range(20) if row != 7]
    assert told.given_up == [(7, 2, "Crashed")]


def test_pieces_of_a_chunk_are_told_one_by_one() -> None:
    def work(task: Task) -> dict[str, Any] | None:
        if 3 not in rows_of(task):
            return {}
        bad = {"task": task_message(task.part([3])), "given_up": [0, "TimedOut", "it took longer"]}
        return {"pieces": [{"task": task_message(task.part([0, 1, 2, 4])), "given_up": None}, bad]}

    told = run(StandIn(work))
    assert sorted(told.done) == [row for row in range(20) if row != 3]
    assert told.given_up == [(3, 1, "TimedOut")]


def test_hosts_that_never_come_up_end_the_run() -> None:
    ray = StandIn(lambda task: {}, begin=lambda: None)
    with pytest.raises(InvalidInput, match="workers on the Ray cluster end before they are up"):
        run(ray)
    assert ray.num_started <= 5


def test_error_of_a_host_is_that_of_the_run() -> None:
    answer = {"error": ["MissingExtra", "text.language needs py3langid"]}
    with pytest.raises(MissingExtra, match="py3langid"):
        run(StandIn(lambda task: answer))


def test_hosts_are_asked_for_with_what_operators_need() -> None:
    ray = StandIn(lambda task: {})
    run(ray, needs=HostNeeds(num_gpus=0.5, memory_bytes=1 << 30))
    assert {(seen["num_gpus"], seen["memory"]) for seen in ray.options_seen} == {(0.5, 1 << 30)}
