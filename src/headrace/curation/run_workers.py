"""The workers of a run: one pool for all of its stages, started when the first row needs it."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.curation.executor.gpus import visible_gpus
from headrace.curation.executor.inline_runner import InlineRunner
from headrace.curation.executor.losses import Loss
from headrace.curation.executor.memory import held_bytes
from headrace.curation.executor.placement import Placement, place_stage
from headrace.curation.executor.pool import WorkerPool
from headrace.curation.executor.spots import NOBODY
from headrace.curation.executor.step import Step
from headrace.curation.executor.task import Task
from headrace.curation.ledger import Ledger, block_schema
from headrace.curation.media_access import MediaAccess
from headrace.curation.operator_stage import TaskRunner, ledger_base
from headrace.curation.run_options import RunOptions
from headrace.curation.sources import OpenSource
from headrace.curation.stage_rows import StageStore
from headrace.datasets.lake import Lake

__all__ = ["RunWorkers"]


@dataclass(frozen=True, slots=True)
class _StageRunner:
    """Numbers a stage's steps as the pool does, which knows those of all stages."""

    pool: WorkerPool
    offset: int
    placed: Callable[[], Placement]

    def run(
        self,
        tasks: Iterator[Task],
        *,
        done: Callable[[Task], None],
        given_up: Callable[[Task, int, Loss], None],
    ) -> None:
        def shifted(task: Task, offset: int) -> Task:
            return replace(task, step_idxs=tuple(idx + offset for idx in task.step_idxs))

        first = next(tasks, None)
        if first is None:  # then nothing is needed that the machine may lack
            return
        self.pool.run(
            (shifted(task, self.offset) for task in itertools.chain([first], tasks)),
            done=lambda task: done(shifted(task, -self.offset)),
            given_up=lambda task, step_idx, loss: given_up(
                shifted(task, -self.offset), step_idx if step_idx == NOBODY else step_idx - self.offset, loss
            ),
            placement=self.placed(),
        )


class RunWorkers:
    """Gives each stage something that runs its tasks. Not thread-safe; `close` it on every path."""

    def __init__(
        self,
        lake: Lake,
        stage_store: StageStore,
        *,
        sources: Mapping[str, OpenSource],
        steps: Mapping[str, Sequence[Step]],
        options: RunOptions,
    ) -> None:
        """`steps` are those of each stage by its name."""
        self._lake = lake
        self._stage_store = stage_store
        self._sources = dict(sources)
        self._steps = {name: list(mine) for name, mine in steps.items()}
        self._options = options
        self._pool: WorkerPool | None = None
        self._gpus = functools.cache(visible_gpus)  # asked for where a stage needs one

    def check(self, stages: Iterable[str]) -> None:
        """Raise `InvalidInput` if an operator of these stages needs a GPU, or more memory, than there is."""
        for stage in stages:
            self._placement(stage)

    def runner(self, stage: str) -> TaskRunner:
        """Runs the tasks of this stage."""
        steps = self._steps[stage]
        if self._options.num_workers == 0 or self._lake.uri.startswith("memory:"):  # no other process sees that memory
            ledgers = [
                Ledger(self._stage_store.store, ledger_base(self._stage_store, step), schema=block_schema(step.spec))
                for step in steps
            ]
            snapshots = {name: source.snapshot for name, source in self._sources.items()}
            return InlineRunner(steps, ledgers, MediaAccess(snapshots, self._stage_store.store, self._stage_store.base))
        if self._pool is None:
            self._pool = self._new_pool()
        before = list(self._steps)[: list(self._steps).index(stage)]
        offset = sum(len(self._steps[name]) for name in before)
        return _StageRunner(self._pool, offset, functools.partial(self._placement, stage))

    def _placement(self, stage: str) -> Placement:
        memory_bytes = self._options.memory_bytes
        return place_stage(
            self._steps[stage],
            stage=stage,
            num_workers=self._options.num_workers,
            memory_bytes=memory_bytes,
            own_bytes=0 if memory_bytes is None else held_bytes([os.getpid()])[os.getpid()],
            gpus=self._gpus,
        )

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _new_pool(self) -> WorkerPool:
        steps = [step for mine in self._steps.values() for step in mine]
        setup = {
            "sources": {name: [source.lake.uri, source.reference] for name, source in self._sources.items()},
            "store": self._lake.uri,
            "base": self._stage_store.base,
            "steps": [step.to_json() for step in steps],
            "ledgers": [ledger_base(self._stage_store, step) for step in steps],
        }
        limits = [step.spec.needs.timeout_seconds for step in steps]
        return WorkerPool(
            setup,
            num_workers=self._options.num_workers,
            memory_bytes=self._options.memory_bytes,
            timeouts=[self._options.timeout_seconds if limit is None else limit for limit in limits],
        )
