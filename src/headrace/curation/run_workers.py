"""The workers of a run: one pool for all of its stages, started when the first row needs it."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headrace.curation.executor.gpus import visible_gpus
from headrace.curation.executor.inline_runner import InlineRunner
from headrace.curation.executor.memory import held_bytes
from headrace.curation.executor.placement import Placement, place_stage
from headrace.curation.executor.pool import WorkerPool
from headrace.curation.executor.stage_runner import RunTasks, StageRunner
from headrace.curation.executor.step import Step
from headrace.curation.ledger import Ledger, block_schema
from headrace.curation.media_access import MediaAccess
from headrace.curation.operator_stage import TaskRunner, ledger_base
from headrace.curation.run_options import RunOptions
from headrace.curation.sources import OpenSource
from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.local_partitions import LocalTables
from headrace.curation.table_stages.partition_workers import TableEngine
from headrace.datasets.lake import Lake

__all__ = ["RunWorkers", "step_offset", "step_timeouts", "worker_setup"]


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
        return StageRunner(functools.partial(self._started, stage), step_offset(self._steps, stage))

    def tables(self) -> TableEngine:
        """What works on partitions of table stages."""
        return LocalTables(self._options.num_workers or (os.cpu_count() or 1))

    def _started(self, stage: str) -> RunTasks:
        if self._pool is None:
            self._pool = self._new_pool()
        return functools.partial(self._pool.run, placement=self._placement(stage))

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
        setup = worker_setup(self._lake, self._stage_store, sources=self._sources, steps=self._steps)
        return WorkerPool(
            setup,
            num_workers=self._options.num_workers,
            memory_bytes=self._options.memory_bytes,
            timeouts=step_timeouts(self._steps, self._options),
        )


def step_offset(steps: Mapping[str, Sequence[Step]], stage: str) -> int:
    """Where the steps of a stage begin among those of all stages."""
    before = list(steps)[: list(steps).index(stage)]
    return sum(len(steps[name]) for name in before)


def worker_setup(
    lake: Lake, stage_store: StageStore, *, sources: Mapping[str, OpenSource], steps: Mapping[str, Sequence[Step]]
) -> dict[str, Any]:
    """What a worker process reads first, see `executor.worker`."""
    every = [step for mine in steps.values() for step in mine]
    return {
        "sources": {name: [source.lake.uri, source.reference] for name, source in sources.items()},
        "store": lake.uri,
        "base": stage_store.base,
        "steps": [step.to_json() for step in every],
        "ledgers": [ledger_base(stage_store, step) for step in every],
    }


def step_timeouts(steps: Mapping[str, Sequence[Step]], options: RunOptions) -> list[float | None]:
    """Seconds for one row in each step of all stages."""
    limits = [step.spec.needs.timeout_seconds for mine in steps.values() for step in mine]
    return [options.timeout_seconds if limit is None else limit for limit in limits]
