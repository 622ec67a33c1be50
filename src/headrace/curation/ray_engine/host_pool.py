"""Deals chunks of rows to operator hosts on the cluster; a host that is lost is replaced, its chunk done again.

A row that crashes or hangs its process is found by its host, as on one machine. Where a chunk takes whole hosts along
again and again, such as by the memory of a node, it is halved down to the rows that do it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.curation.executor.losses import GivenUp, Loss, left_to_do
from headrace.curation.executor.pool import rebuilt_error
from headrace.curation.executor.spots import NOBODY, Spot
from headrace.curation.executor.task import Task
from headrace.curation.executor.task_messages import task_from_message, task_message
from headrace.curation.ray_engine.cluster import RayCluster
from headrace.curation.ray_engine.host_needs import HostNeeds
from headrace.curation.ray_engine.operator_host import OperatorHost
from headrace.errors import InvalidInput

__all__ = ["HostPool"]

logger = logging.getLogger(__name__)

_MAX_LOSSES = 3
"""Of hosts over one chunk: one node that goes away is bad luck."""
_MAX_FAILED_STARTS = 3
_LOOK_SECONDS = 0.5  # Ctrl-C is noticed between two looks
_PATIENCE_SECONDS = 30.0


@dataclass(slots=True)
class _Waiting:
    task: Task
    num_losses: int = 0


@dataclass(slots=True)
class _Host:
    actor: Any
    is_ready: bool = False
    work: _Waiting | None = None


@dataclass(slots=True)
class _Job:
    """The tasks of one call of `run`."""

    coming: Iterator[Task]
    done: Callable[[Task], None]
    given_up: GivenUp
    num_hosts: int
    waiting: deque[_Waiting] = field(default_factory=deque)
    is_drained: bool = False

    def draw(self, num_wanted: int) -> None:
        """Have as many tasks at hand, if there are any left."""
        while not self.is_drained and len(self.waiting) < num_wanted:
            task = next(self.coming, None)
            if task is None:
                self.is_drained = True
            else:
                self.waiting.append(_Waiting(task))


class HostPool:
    """The hosts of a run. Not thread-safe; `close` it on every path."""

    def __init__(
        self,
        cluster: RayCluster,
        setup: Mapping[str, Any],
        *,
        code: Mapping[str, str],
        import_path: Sequence[str],
        timeouts: Sequence[float | None],
        memory_bytes: int | None,
    ) -> None:
        """Nothing is started before the first task; arguments as for `OperatorHost`."""
        self._cluster = cluster
        self._arguments: dict[str, Any] = {
            "setup": dict(setup),
            "code": dict(code),
            "import_path": list(import_path),
            "timeouts": list(timeouts),
            "memory_bytes": memory_bytes,
        }
        self._hosts: list[_Host] = []
        self._answers: dict[Any, _Host] = {}  # by what Ray gives for a call
        self._needs = HostNeeds()
        self._num_failed_starts = 0

    def run(
        self,
        tasks: Iterator[Task],
        *,
        done: Callable[[Task], None],
        given_up: GivenUp,
        needs: HostNeeds,
        num_hosts: int,
    ) -> None:
        """Run all tasks; returns when the last one is done.

        Args:
            needs: Of each host; those of the last stage stay if theirs are the same, with the models that they loaded.
            num_hosts: At once, at most.

        Raises:
            HeadraceError: Hosts cannot work at all: an operator's library is missing, the lake cannot be opened.
        """
        if needs != self._needs:
            self.end_hosts()
            self._needs = needs
        for host in self._hosts[num_hosts:]:
            self._end(host)
        job = _Job(tasks, done, given_up, num_hosts)
        waited_seconds = 0.0
        while True:
            self._deal(job)
            if not job.waiting and not any(host.work is not None for host in self._hosts):
                return
            ready, _ = self._cluster.api.wait(list(self._answers), num_returns=1, timeout=_LOOK_SECONDS)
            has_host = bool(ready) or any(host.is_ready for host in self._hosts)
            waited_seconds = 0.0 if has_host else waited_seconds + _LOOK_SECONDS
            if waited_seconds >= _PATIENCE_SECONDS:
                logger.warning("the Ray cluster has no room for a worker yet: needs=%s; see ray status", needs)
                waited_seconds = 0.0
            for answer in ready:
                self._take(answer, job)

    def end_hosts(self) -> None:
        """Give back what they hold of the cluster."""
        for host in list(self._hosts):
            self._end(host)

    def close(self) -> None:
        """End all hosts; tasks that are not done are lost."""
        self.end_hosts()

    def _deal(self, job: _Job) -> None:
        num_running = sum(host.work is not None for host in self._hosts)
        job.draw(max(1, job.num_hosts - num_running))
        for host in self._hosts:
            if job.waiting and host.is_ready and host.work is None:
                host.work = job.waiting.popleft()
                head, body = task_message(host.work.task)
                self._answers[host.actor.run.remote(head, body)] = host
        num_starting = sum(not host.is_ready for host in self._hosts)
        for _ in range(min(len(job.waiting) - num_starting, job.num_hosts - len(self._hosts))):
            self._start()

    def _start(self) -> None:
        needs = self._needs
        actor_class = self._cluster.api.remote(OperatorHost).options(
            num_cpus=1,
            num_gpus=needs.num_gpus,
            memory=needs.memory_bytes or None,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        host = _Host(actor_class.remote(**self._arguments))
        self._hosts.append(host)
        self._answers[host.actor.begin.remote()] = host

    def _take(self, answer: Any, job: _Job) -> None:
        from ray.exceptions import RayError, RayTaskError

        host = self._answers.pop(answer)
        try:
            found: dict[str, Any] = self._cluster.api.get(answer)
        except RayTaskError:
            raise  # an error of our own
        except RayError as error:
            self._lose(host, str(error), job)
            return
        if "error" in found:
            raise rebuilt_error(*found["error"])
        work, host.work = host.work, None
        if work is None:
            host.is_ready = True
            self._num_failed_starts = 0
        elif "pieces" not in found:
            job.done(work.task)
        else:
            for piece in found["pieces"]:
                task = task_from_message(*piece["task"])
                if piece["given_up"] is None:
                    job.done(task)
                else:
                    step_idx, kind, reason = piece["given_up"]
                    job.given_up(task, step_idx, Loss(kind, reason))

    def _lose(self, host: _Host, reason: str, job: _Job) -> None:
        """A host that is no more: killed, or its node is gone."""
        work = host.work
        self._end(host)
        if work is None:
            self._num_failed_starts += not host.is_ready
            if self._num_failed_starts >= _MAX_FAILED_STARTS:
                raise InvalidInput(
                    f"workers on the Ray cluster end before they are up: {_last_line(reason)}. Every node needs "
                    "Headrace in the version of this process, with the extras that the operators use; what the "
                    "workers said is in Ray's logs"
                )
            return
        logger.warning("worker on the cluster lost: rows=%d losses=%d", work.task.num_rows, work.num_losses + 1)
        if work.num_losses + 1 < _MAX_LOSSES:
            job.waiting.appendleft(_Waiting(work.task, work.num_losses + 1))
            return
        loss = Loss("Crashed", f"the worker that ran it was lost {_MAX_LOSSES} times ({_last_line(reason)})")
        spot = Spot(NOBODY, NOBODY, 0.0)
        left = left_to_do([work.task], [spot], loss=loss, waited=[0.0], given_up=job.given_up)
        job.waiting.extendleft(_Waiting(task) for task in left)

    def _end(self, host: _Host) -> None:
        self._hosts.remove(host)
        self._answers = {answer: of for answer, of in self._answers.items() if of is not host}
        self._cluster.api.kill(host.actor)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
